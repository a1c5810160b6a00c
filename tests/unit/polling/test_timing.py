"""Intervals, delays and deferrals."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.polling import timing


def none(low: float, high: float) -> float:
    assert 0.0 == low <= high
    return low


def most(low: float, high: float) -> float:
    assert 0.0 == low <= high
    return high


@pytest.mark.parametrize(
    ("requested", "used"), [(0, 1.0), (-5, 1.0), (0.2, 1.0), (1, 1.0), (1.5, 1.5), (10, 10.0), (3600, 3600.0)]
)
def test_an_interval_is_a_second_at_the_least(requested: float, used: float) -> None:
    assert timing.at_least_minimum(requested) == used


@pytest.mark.parametrize(
    ("interval", "failures", "retry_after", "seconds"),
    [
        pytest.param(10.0, 0, None, 10.0, id="all well"),
        pytest.param(10.0, 1, None, 20.0, id="one failure doubles"),
        pytest.param(10.0, 2, None, 40.0, id="two failures"),
        pytest.param(10.0, 3, None, 60.0, id="up to a minute"),
        pytest.param(10.0, 10_000, None, 60.0, id="after any number"),
        pytest.param(300.0, 0, None, 300.0, id="a long interval stays"),
        pytest.param(300.0, 5, None, 300.0, id="a long interval is not stretched"),
        pytest.param(1.0, 3, None, 8.0, id="a short interval"),
        pytest.param(10.0, 1, 35.0, 35.0, id="the service asks for more"),
        pytest.param(10.0, 1, 5.0, 20.0, id="the service asks for less"),
        pytest.param(10.0, 0, 0.0, 10.0, id="the service asks for nothing"),
        pytest.param(10.0, 1, 86_400.0, 60.0, id="a day is not waited"),
        pytest.param(300.0, 1, 86_400.0, 300.0, id="nor with a long interval"),
    ],
)
def test_the_delay_follows_failures_and_retry_after(
    interval: float, failures: int, retry_after: float | None, seconds: float
) -> None:
    assert timing.next_delay(interval, failures, retry_after, none) == seconds


@pytest.mark.parametrize(("interval", "jitter"), [(1.0, 0.1), (4.0, 0.4), (5.0, 0.5), (10.0, 0.5), (3600.0, 0.5)])
def test_jitter_is_a_tenth_and_half_a_second_at_the_most(interval: float, jitter: float) -> None:
    assert timing.next_delay(interval, uniform=most) == pytest.approx(interval + jitter)


@pytest.mark.parametrize(("interval", "seconds"), [(0.2, 1.0), (1.0, 1.0), (4.0, 4.0), (10.0, 5.0), (3600.0, 5.0)])
def test_a_deferral_lasts_one_interval_or_five_seconds_at_the_least(interval: float, seconds: float) -> None:
    assert timing.min_deferral(interval) == seconds


def test_waits_that_begin_together_drift_apart() -> None:
    assert len({timing.next_delay(10.0) for _ in range(50)}) > 40


def test_the_first_round_comes_at_a_random_phase_of_the_interval() -> None:
    assert (timing.first_delay(10.0, none), timing.first_delay(10.0, most)) == (0.0, 10.0)
    assert len({timing.first_delay(10.0) for _ in range(50)}) > 40
