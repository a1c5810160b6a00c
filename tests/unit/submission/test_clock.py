"""The estimate of the service's clock."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.submission.clock import CLOCK_SKEW, COMPARED_SKEW, Clock, estimate_clock

NOW = 1_800_000_000_000


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
