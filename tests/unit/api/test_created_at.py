"""When a job was created, in whichever form the service says so."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.jobs import created_at

MOMENT = 1_742_173_334_234


@pytest.mark.parametrize(
    ("shown", "created"),
    [
        (MOMENT, MOMENT),
        (str(MOMENT), MOMENT),
        (float(MOMENT), MOMENT),
        (MOMENT // 1000, MOMENT - 234),
        (str(MOMENT // 1000), MOMENT - 234),
        (MOMENT / 1000, MOMENT),
        *((nothing, None) for nothing in (True, "", "soon", "2025-03-17", float("nan"), float("inf"), [MOMENT], {})),
    ],
)
def test_the_table(shown: Any, created: int | None) -> None:
    assert created_at({"createTime": shown}) == created
