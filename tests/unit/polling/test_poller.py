"""What the results of a round mean for a wait."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from tests.unit.polling.support import (
    BUSY,
    DONE,
    DOWN,
    FAILED,
    GONE,
    MODERATED,
    RUNS,
    STRANGE,
    UNAUTHORIZED,
    A,
    B,
    C,
    Service,
    finish,
    poller,
)


@pytest.mark.parametrize(
    ("responses", "needs_all", "needs_any"),
    [
        pytest.param({"a": DONE}, [A], [A], id="one done"),
        pytest.param({"a": [0, 11, 1, 12, DONE]}, [A], [A], id="one done in the end"),
        pytest.param({"a": [RUNS, FAILED]}, "MiniMaxJobFailedError", "MiniMaxJobFailedError", id="one failed"),
        pytest.param({"a": 5}, "MiniMaxModeratedError", "MiniMaxModeratedError", id="status 5"),
        pytest.param({"a": 7}, "MiniMaxModeratedError", "MiniMaxModeratedError", id="status 7"),
        pytest.param({"a": 14}, "MiniMaxModeratedError", "MiniMaxModeratedError", id="status 14"),
        pytest.param({"a": GONE}, "MiniMaxNotFoundError", "MiniMaxNotFoundError", id="one not found"),
        pytest.param({"a": STRANGE}, "continues", "continues", id="an unknown status keeps waiting"),
        pytest.param({"a": [STRANGE, DONE]}, [A], [A], id="an unknown status on the way"),
        pytest.param({"a": {}}, "continues", "continues", id="a job without a status keeps waiting"),
        pytest.param(
            {"a": {"status": 99, "statusFinal": True}}, *["MiniMaxJobFailedError"] * 2, id="unknown and final"
        ),
        pytest.param({"a": {"status": 2, "statusFinal": False}}, "continues", "continues", id="2, but not final"),
        pytest.param({"a": DONE, "b": DONE}, [A, B], [A, B], id="two done"),
        pytest.param({"a": [RUNS, DONE], "b": DONE}, [A, B], [B], id="the second first"),
        pytest.param({"a": RUNS, "b": DONE}, "continues", [B], id="one for ever"),
        pytest.param({"a": FAILED, "b": DONE}, "MiniMaxJobFailedError", [B], id="one failed, one done"),
        pytest.param({"a": FAILED, "b": [RUNS, DONE]}, "MiniMaxJobFailedError", [B], id="one failed, one done later"),
        pytest.param({"a": GONE, "b": [RUNS, DONE]}, "MiniMaxNotFoundError", [B], id="one not found, one done later"),
        pytest.param({"a": FAILED, "b": RUNS}, "MiniMaxJobFailedError", "continues", id="one failed, one running"),
        pytest.param({"a": MODERATED, "b": MODERATED}, *["MiniMaxModeratedError"] * 2, id="both moderated"),
        pytest.param({"a": FAILED, "b": MODERATED}, *["MiniMaxJobFailedError"] * 2, id="failed and moderated"),
        pytest.param({"a": GONE, "b": MODERATED}, *["MiniMaxJobFailedError"] * 2, id="not found and moderated"),
        pytest.param({"a": GONE, "b": GONE}, *["MiniMaxNotFoundError"] * 2, id="both not found"),
        pytest.param({"a": DONE, "b": MODERATED, "c": DONE}, "MiniMaxModeratedError", [A, C], id="two of three done"),
    ],
)
def test_a_wait_ends_as_its_jobs_do(responses: dict[str, Any], needs_all: Any, needs_any: Any) -> None:
    ids = [f"user:1-minimax:2-image:{name}" for name in responses]
    assert finish(poller(*ids, require="all"), Service(**responses)) == needs_all
    assert finish(poller(*ids, require="any"), Service(**responses)) == needs_any


@pytest.mark.parametrize(
    ("accept", "responses", "end"),
    [
        pytest.param(["moderated"], {"a": MODERATED}, [A], id="moderated is fine"),
        pytest.param(["moderated"], {"a": FAILED}, "MiniMaxJobFailedError", id="failed is not"),
        pytest.param(["failed"], {"a": FAILED}, [A], id="failed is fine"),
        pytest.param(["failed"], {"a": MODERATED}, "MiniMaxModeratedError", id="moderated is not"),
        pytest.param(["failed"], {"a": {"status": 99, "statusFinal": True}}, [A], id="an unknown end is a failure"),
        pytest.param(["failed", "moderated"], {"a": FAILED, "b": MODERATED, "c": DONE}, [A, B, C], id="all ends"),
        pytest.param(["failed", "moderated"], {"a": GONE}, "MiniMaxNotFoundError", id="not found is never fine"),
        pytest.param(["completed"], {"a": DONE}, [A], id="completed may be named"),
    ],
)
def test_a_final_status_that_is_accepted_counts_as_success(
    accept: list[str], responses: dict[str, Any], end: Any
) -> None:
    ids = [f"user:1-minimax:2-image:{name}" for name in responses]
    assert finish(poller(*ids, accept_statuses=accept), Service(**responses)) == end


def test_results_are_compact_and_in_the_order_of_the_task() -> None:
    waiting = poller(C, A, B)
    service = Service(a=[RUNS, DONE], b=DONE, c=[RUNS, RUNS, {"status": 2, "fileID": "f", "userID": 5}])
    assert finish(waiting, service) == [C, A, B]
    found = waiting.poll(service)
    assert found is not None
    assert (found[0]["fileID"], found[0]["statusLabel"], "userID" in found[0]) == ("f", "completed", False)


def test_a_duplicate_id_is_requested_once_and_returned_twice() -> None:
    service = Service(a=DONE, b=DONE)
    assert finish(poller(B, A, B), service) == [B, A, B]
    assert service.requested == [B, A]


def test_a_final_job_is_not_requested_again() -> None:
    service = Service(a=DONE, b=[RUNS, RUNS, DONE])
    assert finish(poller(A, B), service) == [A, B]
    assert service.requested == [A, B, B, B]


def test_the_error_names_the_status_of_each_failed_job_and_what_a_retry_finds() -> None:
    with pytest.raises(errors.MiniMaxJobFailedError) as caught:
        poller(A, B, C).poll(
            Service(a={"status": 3, "message": "out of ideas", "desc": "boat " * 99}, b=DONE, c=MODERATED)
        )
    message = str(caught.value)
    assert message.startswith(f"Failed (status 3), out of ideas: {A}, prompt {'boat ' * 12 + '...'!r}; ")
    assert f"moderated (status 5): {C}" in message
    assert f"Completed and paid for, to be collected by id: {B}." in message
    assert "a retry of the wait finds the same" in message


def test_a_single_missing_job_keeps_the_error_of_the_service() -> None:
    with pytest.raises(errors.MiniMaxNotFoundError) as caught:
        poller(A).poll(Service(a=GONE))
    assert caught.value is GONE


def test_the_error_of_a_missing_job_names_the_others_that_are_paid_for() -> None:
    with pytest.raises(errors.MiniMaxNotFoundError) as caught:
        poller(A, B, B, C).poll(Service(a=GONE, b=DONE, c=RUNS))
    assert str(caught.value) == (
        f"{GONE} Completed and paid for, to be collected by id: {B}. Still running and paid for: {C}."
    )
    assert caught.value.status == GONE.status


# Failures that may pass


def test_a_wait_tolerates_a_number_of_failures_in_a_row() -> None:
    waiting, service = poller(A), Service(a=[DOWN])
    for failures in range(1, timing.MAX_FAILURES):
        assert waiting.poll(service) is None
        assert waiting.failures == failures
    with pytest.raises(errors.MiniMaxUpstreamError) as caught:
        waiting.poll(service)
    assert caught.value is DOWN
    assert len(service.requested) == timing.MAX_FAILURES


def test_a_good_round_resets_the_failures() -> None:
    waiting = poller(A)
    almost = [DOWN] * (timing.MAX_FAILURES - 1)
    assert finish(waiting, Service(a=[*almost, RUNS, *almost, DONE]), rounds=50) == [A]
    assert (waiting.failures, waiting.retry_after, waiting.last_failure) == (0, None, None)


def test_failures_before_a_restart_count() -> None:
    waiting = Poller(WaitSpec((A,), failures=timing.MAX_FAILURES - 1))
    with pytest.raises(errors.MiniMaxUpstreamError):
        waiting.poll(Service(a=[DOWN]))


def test_retry_after_delays_the_next_round_only() -> None:
    waiting, service = poller(A), Service(a=[BUSY, RUNS])
    waiting.poll(service)
    assert (waiting.retry_after, waiting.last_failure) == (7.0, "MiniMaxCapacityError: busy")
    assert waiting.next_delay(1.0) >= 7.0
    waiting.poll(service)
    assert waiting.next_delay(1.0) <= 1.5


@pytest.mark.parametrize(
    "error",
    [
        errors.MiniMaxAuthError("401", status=401),
        errors.MiniMaxAccountOnHoldError("596", status=596),
        errors.MiniMaxBadRequestError("400", status=400),
    ],
    ids=lambda error: error.status,
)
def test_a_final_failure_ends_the_wait_at_once(error: errors.MiniMaxError) -> None:
    service = Service(a=[error])
    assert finish(poller(A), service) == type(error).__name__
    assert len(service.requested) == 1


def test_a_failure_spares_the_service_the_rest_of_the_round() -> None:
    waiting, service = poller(A, B, C), Service(a=RUNS, b=[BUSY, RUNS], c=RUNS)
    assert waiting.poll(service) is None
    assert service.requested == [A, B]
    assert waiting.poll(service) is None
    assert service.requested == [A, B, A, B, C]


@pytest.mark.parametrize("error", [BUSY, errors.MiniMaxAccountOnHoldError("596"), errors.MiniMaxAuthError("401")])
def test_any_completed_image_ends_the_wait_even_in_a_round_that_fails_later(error: errors.MiniMaxError) -> None:
    assert finish(poller(A, B, require="any"), Service(a=DONE, b=[error]), rounds=1) == [A]


def test_a_failed_image_ends_a_wait_for_all_even_in_a_round_that_fails_later() -> None:
    assert finish(poller(A, B), Service(a=FAILED, b=[BUSY]), rounds=1) == "MiniMaxJobFailedError"


def test_a_foreign_error_is_raised() -> None:
    with pytest.raises(KeyError):
        poller(A).poll(Service())


# A result of one id

REFUSED = errors.MiniMaxBadRequestError("400", status=400)
FORBIDDEN = errors.MiniMaxAuthError("403", status=403)
RUNNING = {"status": RUNS}


def end_of(waiting: Poller, jobs: dict[str, Any], failure: errors.MiniMaxError | None = None) -> str:
    """Return what one round makes of a wait: the error that ends it, or how many failures it counts."""
    try:
        waiting.process_round(jobs, failure)
    except errors.MiniMaxError as error:
        return type(error).__name__
    return f"{waiting.failures} failed"


@pytest.mark.parametrize(
    ("jobs", "failure", "needs_all", "needs_any"),
    [
        pytest.param({A: REFUSED, B: RUNNING}, None, "MiniMaxBadRequestError", "0 failed", id="one is refused"),
        pytest.param({A: FORBIDDEN, B: RUNNING}, None, "MiniMaxAuthError", "0 failed", id="one is forbidden"),
        pytest.param({A: REFUSED, B: REFUSED}, None, *["MiniMaxBadRequestError"] * 2, id="both are refused"),
        pytest.param({A: REFUSED, B: FORBIDDEN}, None, *["MiniMaxJobFailedError"] * 2, id="each in its own way"),
        pytest.param({A: DOWN, B: RUNNING}, None, "0 failed", "0 failed", id="one is broken, the other runs"),
        pytest.param({A: DOWN, B: DOWN}, None, "4 failed", "4 failed", id="both are broken"),
        pytest.param({A: DOWN}, None, "4 failed", "4 failed", id="one is broken, the other is not due"),
        pytest.param({}, None, "3 failed", "3 failed", id="none is due"),
        pytest.param({A: RUNNING}, None, "0 failed", "0 failed", id="one runs, the other is not due"),
        pytest.param({A: RUNNING, B: RUNNING}, DOWN, "0 failed", "0 failed", id="a failure of others"),
        pytest.param({A: DOWN, B: DOWN}, UNAUTHORIZED, "4 failed", "4 failed", id="a fatal failure of others"),
        pytest.param({A: RUNNING}, DOWN, "4 failed", "4 failed", id="ended before the other"),
        pytest.param({A: RUNNING}, UNAUTHORIZED, *["MiniMaxAuthError"] * 2, id="fatally so"),
    ],
)
def test_a_round_counts_as_failed_when_it_brings_a_failure_and_no_job(
    jobs: dict[str, Any], failure: errors.MiniMaxError | None, needs_all: str, needs_any: str
) -> None:
    for require, end in (("all", needs_all), ("any", needs_any)):
        assert end_of(poller(A, B, require=require, failures=3), jobs, failure) == end


def test_an_id_that_always_fails_ends_its_wait_when_it_is_the_only_one_left() -> None:
    waiting = poller(A, B)
    for _ in range(5 * timing.MAX_FAILURES):
        assert waiting.process_round({A: DOWN, B: RUNNING}) is None
    assert waiting.process_round({A: DOWN, B: {"status": DONE}}) is None
    assert [end_of(waiting, {A: DOWN}) for _ in range(timing.MAX_FAILURES)][-2:] == [
        f"{timing.MAX_FAILURES - 1} failed",
        "MiniMaxUpstreamError",
    ]


def test_the_error_of_one_id_is_logged_once_and_described(caplog: pytest.LogCaptureFixture) -> None:
    waiting = poller(A, B)
    for _ in range(3):
        waiting.process_round({A: DOWN, B: RUNNING})
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert logged == [f"{A}: request failed, MiniMaxUpstreamError: down"]
    assert f"{A} (request failed, MiniMaxUpstreamError: down)" in waiting.describe_pending()


# A silent wait


@pytest.mark.parametrize(
    "error", [DOWN, BUSY, errors.MiniMaxAccountOnHoldError("596"), RuntimeError("a bug")], ids=lambda error: str(error)
)
def test_a_silent_wait_tolerates_any_number_of_failures_that_a_retry_could_mend(error: Exception) -> None:
    waiting = poller(A, silent_fail=True)
    responses = [*[error] * 5 * timing.MAX_FAILURES, DONE]
    assert finish(waiting, Service(a=responses), rounds=len(responses)) == [A]


@pytest.mark.parametrize("responses", [[errors.MiniMaxAuthError("401")], FAILED, MODERATED, GONE], ids=str)
def test_a_silent_wait_still_ends_if_no_retry_helps(responses: Any) -> None:
    service = Service(a=[responses] if isinstance(responses, Exception) else responses)
    assert str(finish(poller(A, silent_fail=True), service)).startswith("MiniMax")
    assert len(service.requested) == 1
