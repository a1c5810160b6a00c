"""How long a video without a time of creation is waited for: as long as Airflow may have waited."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_minimax.submission.retry_delays import RetryDelays


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
def test_the_table(delays: RetryDelays, first: int, last: int, seconds: float) -> None:
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
