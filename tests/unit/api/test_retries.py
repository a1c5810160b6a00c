"""Which request is sent again, and after how long."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api import backoff

NEVER = [300, 302, 307, 400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 418, 422, 425, 596]
FAULTS = [None, 408, 500, 501, 502, 503, 504, 520, 522, 524, 529, 595, 597, 599]


@pytest.mark.parametrize("billable", [False, True], ids=["read", "create"])
@pytest.mark.parametrize("status", NEVER)
def test_a_refusal_is_never_repeated(status: int, billable: bool) -> None:
    assert not backoff.may_retry(status=status, sent=True, billable=billable)


@pytest.mark.parametrize("status", FAULTS)
def test_a_read_is_repeated_after_a_fault_and_a_create_is_not(status: int | None) -> None:
    assert backoff.may_retry(status=status, sent=True, billable=False)
    assert not backoff.may_retry(status=status, sent=True, billable=True)


@pytest.mark.parametrize("billable", [False, True], ids=["read", "create"])
def test_a_full_queue_made_no_job_and_is_asked_again(billable: bool) -> None:
    assert backoff.may_retry(status=429, sent=True, billable=billable)


@pytest.mark.parametrize("billable", [False, True], ids=["read", "create"])
def test_what_never_left_is_sent_again(billable: bool) -> None:
    assert backoff.may_retry(status=None, sent=False, billable=billable)


def test_a_create_is_given_up_after_a_minute_and_a_read_after_three() -> None:
    assert (backoff.CREATE_BUDGET, backoff.READ_BUDGET) == (60.0, 180.0)


def longest(low: float, high: float) -> float:
    assert low == 0.0, "full jitter draws from zero"
    return high


@pytest.mark.parametrize(
    ("status", "ceilings"),
    [(None, [1, 2, 4, 8, 16, 30, 30]), (502, [1, 2, 4, 8, 16, 30, 30]), (429, [5, 10, 20, 30, 30])],
)
def test_the_ceiling_of_a_pause_doubles_up_to_a_cap(status: int | None, ceilings: list[float]) -> None:
    pauses = [backoff.delay(n, status=status, retry_after=None, uniform=longest) for n in range(1, len(ceilings) + 1)]
    assert pauses == ceilings


def test_a_pause_may_be_nothing() -> None:
    assert backoff.delay(4, status=None, retry_after=None, uniform=lambda low, _: low) == 0.0


@pytest.mark.parametrize(("asked", "least", "most"), [(10.0, 10.0, 11.0), (58.0, 58.0, 60.0), (86_400.0, 60.0, 60.0)])
def test_the_time_that_the_service_asks_for_is_honoured_up_to_a_minute(asked: float, least: float, most: float) -> None:
    pauses = [
        backoff.delay(1, status=status, retry_after=asked, uniform=uniform)
        for status in (429, 503)
        for uniform in (lambda low, _: low, lambda _, high: high)
    ]
    assert pauses == pytest.approx([least, most, least, most])


def test_a_real_pause_stays_within_its_bounds() -> None:
    pauses = [backoff.delay(3, status=None, retry_after=None) for _ in range(200)]
    assert 0.0 <= min(pauses) < max(pauses) <= 4.0


def test_a_large_upload_may_take_long() -> None:
    assert backoff.upload_timeout(0, 60.0) == 60.0
    assert backoff.upload_timeout(5_000_000_000, 60.0) == 960.0
