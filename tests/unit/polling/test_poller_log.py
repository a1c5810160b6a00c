"""What a wait logs, and how it describes its jobs."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from tests.unit.polling.support import BUSY, DONE, DOWN, MODERATED, RUNS, STRANGE, A, B, C, Service, finish, poller


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]


def test_the_log_shows_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    waiting = poller(A)
    service = Service(
        a=[11, 11, 11, {"status": 1, "percent": 10}, {"status": 1, "percent": 10}, {"status": 1, "percent": 20}, DONE]
    )
    with caplog.at_level(logging.INFO):
        finish(waiting, service)
    assert lines(caplog) == [
        f"{A}: queued", f"{A}: processing, 10 %", f"{A}: processing, 20 %", f"{A}: completed",
    ]  # fmt: skip


def test_the_log_warns_of_an_unknown_status_with_its_number_and_message(caplog: pytest.LogCaptureFixture) -> None:
    poller(A).poll(Service(a={"status": 99, "message": "almost"}))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{A}: unknown (99), almost; this version does not know the status")
    assert record.getMessage().endswith("and keeps waiting")


def test_the_error_of_a_timeout_does_not_say_that_the_wait_continues() -> None:
    waiting = poller(A)
    waiting.poll(Service(a=STRANGE))
    assert waiting.describe_pending() == f"{A} (unknown (99); this version does not know the status)."


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("", "processing, 40 %"),
        ("Rendering", "processing, 40 %, Rendering"),
        ("Rendering 40%", "processing, Rendering 40%"),
        ("40 % done", "processing, 40 % done"),
        ("Rendering 4 of 10", "processing, 40 %, Rendering 4 of 10"),
    ],
)
def test_the_log_shows_the_progress_once(caplog: pytest.LogCaptureFixture, message: str, state: str) -> None:
    with caplog.at_level(logging.INFO):
        poller(A).poll(Service(a={"status": 1, "percent": 40, "message": message}))
    assert lines(caplog) == [f"{A}: {state}"]


def test_the_log_repeats_an_unknown_status_every_few_minutes(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    waiting = Poller(WaitSpec((A, B)), clock=lambda: now[0])
    service = Service(a=STRANGE, b=RUNS)
    logged = []
    for _ in range(21):
        caplog.clear()
        waiting.poll(service)
        logged += [now[0] for record in caplog.records if record.levelno == logging.WARNING]
        now[0] += 30.0
    assert logged == [0.0, 300.0, 600.0]


def test_the_log_counts_failures(caplog: pytest.LogCaptureFixture) -> None:
    waiting, service = poller(A), Service(a=[DOWN])
    with caplog.at_level(logging.INFO):
        waiting.poll(service)
        waiting.poll(service)
    logged = [record.getMessage() for record in caplog.records]
    assert [line[:14] for line in logged] == ["Round 1 of 10 ", "Round 2 of 10 "]
    assert "down" in logged[0]


def test_the_log_warns_of_a_failure_once_and_again_after_many_rounds(caplog: pytest.LogCaptureFixture) -> None:
    waiting, service = Poller(WaitSpec((A,), silent_fail=True)), Service(a=[DOWN, DOWN, BUSY, BUSY, *[DOWN] * 20])
    with caplog.at_level(logging.INFO):
        for _ in range(24):
            waiting.poll(service)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split()[1] for line in warned] == ["1", "3", "5", "11", "21"]


def test_a_rescheduled_wait_warns_of_a_failure_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for failures in range(timing.MAX_FAILURES - 1):
            Poller(WaitSpec((A,), failures=failures)).poll(Service(a=[DOWN]))
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", *["INFO"] * (timing.MAX_FAILURES - 2)]


def test_a_message_of_the_service_stays_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    message = "no\nERROR forged \x1b[31mred\x1b[0m \u202eright to left\x00."
    with caplog.at_level(logging.INFO), pytest.raises(errors.MiniMaxModeratedError) as caught:
        poller(A, B).poll(Service(a={"status": 1, "message": message}, b={"status": 5, "message": message}))
    shown = "no ERROR forged red right to left"
    assert lines(caplog) == [f"{A}: processing, {shown}", f"{B}: moderated, {shown}"]
    assert str(caught.value).startswith(f"Moderated (status 5), {shown}: {B}. Still running and paid for: {A}.")


def test_pending_jobs_are_described_with_their_last_known_state() -> None:
    waiting = poller(A, B, C)
    waiting.poll(Service(a=DONE, b=11, c=[BUSY]))
    text = waiting.describe_pending()
    assert A not in text
    assert f"{B} (queued)" in text
    assert f"{C} (not seen yet)" in text
    assert "Last failure: MiniMaxCapacityError: busy" in text


def test_of_many_pending_ids_ten_are_named() -> None:
    ids = [f"user:1-minimax:2-image:{number}" for number in range(100, 125)]
    text = poller(*ids).describe_pending()
    assert text.count("(not seen yet)") == 10
    assert "and 15 more" in text
    assert " more" not in poller(*ids[:10]).describe_pending()


def test_of_many_failed_jobs_ten_are_named_and_messages_are_cut() -> None:
    ids = [f"user:1-minimax:2-image:{number}" for number in range(1000, 2000)]
    with pytest.raises(errors.MiniMaxModeratedError, match="and 990 more") as caught:
        poller(*ids).process_round({job_id: {"status": MODERATED, "message": "no " * 1000} for job_id in ids})
    assert len(str(caught.value)) < 5000
