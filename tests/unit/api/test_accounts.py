"""Which account takes a job."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import candidates, no_account_error

FINE: dict[str, Any] = {"supportVideo": True}
THREE = {"1": FINE, "2": FINE, "3": FINE}
ROOM = [{"account": "1", "available": 1}, {"account": "3", "available": 2}]
IN_ERROR = {"error": "Session expired"}


@pytest.mark.parametrize(
    ("kind", "accounts", "available", "max_jobs", "to_try", "full"),
    [
        ("video", THREE, ROOM, None, ["3", "1"], ["2"]),
        ("image", THREE, ROOM, None, ["3", "1", "2"], []),
        ("video", THREE, [], None, [], ["1", "2", "3"]),
        ("image", THREE, [], None, ["1", "2", "3"], []),
        ("video", THREE, [{"account": "2"}, {"account": "1", "available": 0}], None, ["2"], ["1", "3"]),
        ("video", THREE | {"2": IN_ERROR}, [{"account": "2", "available": 1}], None, [], ["1", "3"]),
        ("image", THREE | {"2": IN_ERROR}, [], None, ["1", "3"], []),
        ("video", {"1": {"supportVideo": False}, "2": {}}, [{"account": "1"}, {"account": "2"}], None, ["2"], []),
        # An account of somebody else's list.
        ("video", THREE, [{"account": "9", "available": 5}, {}], None, [], ["1", "2", "3"]),
        # Whether an account is full by the number of this create, only the service can tell.
        ("video", THREE, ROOM, 5, ["3", "1", "2"], []),
        ("video", {"1": FINE}, [], 5, ["1"], []),
    ],
)
def test_candidates(
    kind: Any, accounts: Any, available: Any, max_jobs: int | None, to_try: list[str], full: list[str]
) -> None:
    assert candidates(kind, accounts, available, max_jobs) == (to_try, full)


@pytest.mark.parametrize(
    ("kind", "accounts", "error"),
    [
        ("image", {"1": IN_ERROR, "2": IN_ERROR}, errors.MiniMaxAccountOnHoldError),
        ("video", {"1": IN_ERROR, "2": {"supportVideo": False}}, errors.MiniMaxAccountOnHoldError),
        ("video", {"1": {"supportVideo": False}}, errors.MiniMaxBadRequestError),
        ("image", {}, errors.MiniMaxBadRequestError),
    ],
)
def test_none_at_all(kind: Any, accounts: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="Nothing was created"):
        candidates(kind, accounts, [])


FULL, HELD, BROKE = (
    errors.MiniMaxCapacityError("full"),
    errors.MiniMaxAccountOnHoldError("held"),
    errors.MiniMaxOutOfCreditsError("broke"),
)


@pytest.mark.parametrize(
    ("met", "found"),
    [
        ([FULL], FULL),
        ([BROKE], BROKE),
        ([BROKE, FULL, HELD], FULL),
        ([BROKE, HELD], HELD),
        ([HELD, BROKE], HELD),
    ],
)
def test_what_passes_soonest_speaks_for_all(met: list[errors.MiniMaxError], found: errors.MiniMaxError) -> None:
    assert no_account_error(met, []) is found


@pytest.mark.parametrize("met", [[], [BROKE], [HELD, BROKE]])
def test_an_account_that_is_only_busy_is_waited_for(met: list[errors.MiniMaxError]) -> None:
    found = no_account_error(met, ["1", "2"])
    assert isinstance(found, errors.MiniMaxCapacityError)
    assert "No room at the moment on 1, 2" in str(found)
    assert no_account_error([*met, FULL], ["1"]) is FULL
