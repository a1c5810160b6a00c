"""When a task that found no capacity submits again."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.submission.capacity import MIN_DELAY, next_submit_at


@pytest.mark.parametrize(
    ("since", "timeout", "retry_after", "moment"),
    [
        (1000.0, 600.0, None, 1000.0 + MIN_DELAY),
        # For less it is not worth releasing the worker.
        (1000.0, 600.0, 5.0, 1000.0 + MIN_DELAY),
        (1000.0, 600.0, 300.0, 1300.0),
        # The last submit is at the end of the timeout.
        (1000.0, 600.0, 86_400.0, 1600.0),
        # The service's own delay is honoured up to an hour.
        (1000.0, 86_400.0, 86_400.0, 4600.0),
        (430.0, 600.0, None, 1030.0),
        (1000.0, 30.0, None, 1030.0),
        (400.0, 600.0, None, None),
        (400.5, 600.0, None, None),
        (100.0, 600.0, 5.0, None),
    ],
)
def test_the_next_submit_follows_the_service_within_bounds(
    since: float, timeout: float, retry_after: float | None, moment: float | None
) -> None:
    assert next_submit_at(1000.0, since, timeout, retry_after, uniform=lambda low, _: low) == moment


def test_jitter_separates_tasks_that_were_refused_together() -> None:
    assert next_submit_at(0.0, 0.0, 600.0, 100.0, uniform=lambda _, high: high) == pytest.approx(110.0)
