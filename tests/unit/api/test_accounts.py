"""Which account takes a job."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.accounts import candidates

FINE: dict[str, Any] = {"supportVideo": True}
THREE = {"1": FINE, "2": FINE, "3": FINE}


@pytest.mark.parametrize(
    ("kind", "accounts", "available", "found"),
    [
        ("video", THREE, [{"account": "1", "available": 1}, {"account": "3", "available": 2}], ["3", "1"]),
        ("image", THREE, [{"account": "1", "available": 1}, {"account": "3", "available": 2}], ["3", "1", "2"]),
        ("video", THREE, [], []),
        ("image", THREE, [], ["1", "2", "3"]),
        ("video", THREE, [{"account": "2"}, {"account": "1", "available": 0}], ["2"]),
        ("video", THREE | {"2": {"error": "Session expired"}}, [{"account": "2", "available": 1}], []),
        ("image", THREE | {"2": {"error": "Session expired"}}, [], ["1", "3"]),
        ("video", {"1": {"supportVideo": False}, "2": {}}, [{"account": "1"}, {"account": "2"}], ["2"]),
        # An account of somebody else's list.
        ("video", THREE, [{"account": "9", "available": 5}, {}], []),
    ],
)
def test_candidates(kind: Any, accounts: Any, available: Any, found: list[str]) -> None:
    assert candidates(kind, accounts, available) == found
