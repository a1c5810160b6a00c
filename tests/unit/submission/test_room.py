"""When a task without room asks again."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.submission.capacity import PAUSE, next_asking


@pytest.mark.parametrize(
    ("since", "timeout", "retry_after", "moment"),
    [
        (1000.0, 600.0, None, 1000.0 + PAUSE),
        # Sooner is not worth letting go of a worker.
        (1000.0, 600.0, 5.0, 1000.0 + PAUSE),
        (1000.0, 600.0, 300.0, 1300.0),
        # The last asking is at the end of the time.
        (1000.0, 600.0, 86_400.0, 1600.0),
        # Nor is it more than an hour away.
        (1000.0, 86_400.0, 86_400.0, 4600.0),
        (430.0, 600.0, None, 1030.0),
        (1000.0, 30.0, None, 1030.0),
        (400.0, 600.0, None, None),
        (400.5, 600.0, None, None),
        (100.0, 600.0, 5.0, None),
    ],
)
def test_the_table(since: float, timeout: float, retry_after: float | None, moment: float | None) -> None:
    assert next_asking(1000.0, since, timeout, retry_after, uniform=lambda low, _: low) == moment


def test_tasks_that_were_refused_together_return_apart() -> None:
    assert next_asking(0.0, 0.0, 600.0, 100.0, uniform=lambda _, high: high) == pytest.approx(110.0)
