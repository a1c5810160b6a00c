"""When a create without capacity is sent again, how long Airflow may wait between attempts, the service's clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_minimax.submission.times import (
    CLOCK_SKEW,
    COMPARED_SKEW,
    MIN_DELAY,
    Clock,
    RetryDelays,
    estimate_clock,
    next_submit_at,
)

NOW = 1_800_000_000_000


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


@pytest.mark.parametrize(
    ("delays", "first", "last", "seconds"),
    [
        (RetryDelays(300.0), 1, 1, 0.0),
        (RetryDelays(300.0), 1, 2, 300.0),
        (RetryDelays(300.0), 1, 4, 900.0),
        (RetryDelays(300.0, 1.0, 10.0), 1, 2, 300.0),
        # With a backoff Airflow adds up to as much again.
        (RetryDelays(300.0, 2.0), 1, 2, 600.0),
        (RetryDelays(300.0, 2.0), 2, 4, 1200.0 + 2400.0),
        (RetryDelays(300.0, 5.0, 900.0), 1, 3, 600.0 + 900.0),
        (RetryDelays(0.0, 2.0), 1, 2, 2.0),
        (RetryDelays(300.0, 2.0), 50, 51, 86_400.0),
        (RetryDelays(300.0, 1e9), 500, 501, 86_400.0),
        (RetryDelays(300.0, -1.0), 1, 2, 300.0),
    ],
)
def test_airflow_may_wait_this_long_between_two_attempts(
    delays: RetryDelays, first: int, last: int, seconds: float
) -> None:
    assert delays.between(first, last) == seconds


@pytest.mark.parametrize(
    ("retry_delay", "backoff", "max_retry_delay", "delays"),
    [
        (timedelta(minutes=5), 0, None, RetryDelays(300.0, 0.0, None)),
        (60.0, 3.0, timedelta(hours=1), RetryDelays(60.0, 3.0, 3600.0)),
        (60, True, 120.0, RetryDelays(60.0, 2.0, 120.0)),
        (60, False, None, RetryDelays(60.0, 0.0, None)),
    ],
)
def test_what_an_operator_says(
    retry_delay: timedelta | float, backoff: float, max_retry_delay: timedelta | float | None, delays: RetryDelays
) -> None:
    assert RetryDelays.of(retry_delay, backoff, max_retry_delay) == delays


@pytest.mark.parametrize(
    ("date_offset", "newest", "clock"),
    [
        (None, None, Clock(0, CLOCK_SKEW)),
        (None, NOW - 86_400_000, Clock(0, CLOCK_SKEW)),
        (0.3, NOW - 1000, Clock(300, COMPARED_SKEW)),
        (-600.0, None, Clock(-600_000, COMPARED_SKEW)),
        (600.0, NOW + 599_000, Clock(600_000, COMPARED_SKEW)),
        # A job from the future: it was stamped by another clock than the responses.
        (0.0, NOW + 600_000, Clock(600_000, CLOCK_SKEW)),
        (-600.0, NOW, Clock(0, CLOCK_SKEW)),
        (None, NOW + CLOCK_SKEW, Clock(0, CLOCK_SKEW)),
        (None, NOW + CLOCK_SKEW + 1, Clock(CLOCK_SKEW + 1, CLOCK_SKEW)),
    ],
)
def test_the_date_header_counts_unless_a_job_contradicts_it(
    date_offset: float | None, newest: int | None, clock: Clock
) -> None:
    assert estimate_clock(date_offset, newest, NOW) == clock
