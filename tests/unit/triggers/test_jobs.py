"""The trigger: what it stores, how it ends, and that it never blocks the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Collection
from typing import Any

import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import RoundResult
from airflow_provider_minimax.polling.shared_poll import Stream
from airflow_provider_minimax.polling.threads import run_in_own_thread
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from tests.unit.triggers.support import deserialize, serialize

READ = "GET /images/{id}"

#: Triggers as they are stored, in all forms that there have been. Each newer version has to read them: triggers
#: outlive an upgrade, and those of sensors that start in the triggerer are part of serialized DAGs.
STORED: dict[str, dict[str, Any]] = {
    "as at first": {
        "ids": ["user:1000-minimax:2-image:3"],
        "deadline": 1795373610.5,
        "kind": "image",
        "require": "any",
        "accept_statuses": ["moderated"],
        "minimax_conn_id": "minimax_default",
        "account": "2",
        "poke_interval": 10.0,
        "silent_fail": True,
        "failures": 3,
        "single": True,
        "end_in_triggerer": False,
    },
    "0.1.0": {
        "ids": ["user:1000-minimax:2-video:3", "user:1000-minimax:2-video:4"],
        "deadline": 1795373610.5,
        "kind": "video",
        "require": "all",
        "accept_statuses": ["failed", "moderated"],
        "minimax_conn_id": "prod",
        "account": None,
        "poke_interval": 30.0,
        "silent_fail": False,
        "failures": 0,
        "single": False,
        "end_in_triggerer": True,
        "fresh_until": 1795370070.25,
        "cancel_on_kill": True,
    },
}
STORED_NOW = STORED["0.1.0"]

pytestmark = pytest.mark.usefixtures("quick_rounds")


async def fire(trigger: MiniMaxJobTrigger) -> Any:
    return [event.payload async for event in trigger.run()]


def trigger(image_id: str, seconds: float = 30.0, **options: Any) -> MiniMaxJobTrigger:
    return MiniMaxJobTrigger([image_id], time.time() + seconds, **{"poke_interval": 0.001, **options})


@pytest.mark.parametrize("form", STORED)
def test_stored_triggers_are_read(form: str) -> None:
    assert MiniMaxJobTrigger(**STORED[form]).serialize() == (
        "airflow_provider_minimax.triggers.jobs.MiniMaxJobTrigger",
        {"fresh_until": 0.0, "cancel_on_kill": False, **STORED[form]},
    )


def test_a_trigger_survives_its_storage() -> None:
    _, kwargs = MiniMaxJobTrigger(**STORED_NOW).serialize()
    assert kwargs == STORED_NOW
    assert deserialize(serialize(kwargs)) == kwargs


def test_only_ids_and_deadline_are_required() -> None:
    parameters = inspect.signature(MiniMaxJobTrigger).parameters
    required = [
        name for name, one in parameters.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    ]
    assert required == ["ids", "deadline"]
    assert MiniMaxJobTrigger(**{name: STORED_NOW[name] for name in required}).spec.kind == "image"


def test_it_fires_once_with_compact_images(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    (event,) = asyncio.run(fire(trigger(image_id)))
    assert event["end"] == "completed"
    assert [image["imageId"] for image in event["jobs"]] == [image_id]


# The deadline


def test_a_job_that_was_final_in_time_is_returned_by_a_triggerer_that_starts_too_late(sandbox: Sandbox) -> None:
    image_id = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
    (event,) = asyncio.run(fire(trigger(image_id, seconds=-3600)))
    assert event["end"] == "completed"
    assert len(sandbox.calls) == 1


def test_a_job_that_was_not_final_in_time_times_out_after_one_request(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp [hold]")
    (event,) = asyncio.run(fire(trigger(image_id, seconds=-3600)))
    assert event["end"] == "timed out"
    assert event["message"].startswith(f"{image_id} (pending")
    assert sandbox.stats.count(READ) == 1


def test_a_deadline_before_the_first_round_still_polls_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "first_delay", lambda interval: interval)
    monkeypatch.setattr(timing, "min_deferral", lambda _: 0.0)
    image_id = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
    (event,) = asyncio.run(fire(trigger(image_id, seconds=0.1, poke_interval=3600)))
    assert event["end"] == "completed"


def test_a_hanging_service_does_not_delay_the_timeout_for_long(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    sandbox.fail("slow", operation=READ, delay=30.0)
    waiting = trigger(image_id, seconds=0.1)

    async def fire_on_impatient_stream() -> Any:
        stream = Stream("image", 0.001, MiniMaxHook().aget_settings, last_round_within=0.1)
        assert shared_poll.streams.get_or_make(waiting.shared_stream_key(), lambda: stream) is stream
        async with asyncio.timeout(20):
            return await fire(waiting)

    (event,) = asyncio.run(fire_on_impatient_stream())
    assert event["end"] == "timed out"


# The connection


@pytest.mark.usefixtures("undefined_connections")
def test_a_connection_that_is_undefined_in_the_triggerer_moves_the_wait_to_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may know it: a test run of a DAG cannot read those of the database in the place of a triggerer."""
    caplog.set_level(logging.INFO)
    waiting = trigger("user:1000-minimax:2-image:3", fresh_until=77.0)
    (event,) = asyncio.run(fire(waiting))
    assert event == {
        "end": "left to this worker",
        "ids": ["user:1000-minimax:2-image:3"],
        "deadline": waiting.spec.deadline,
        "fresh_until": 77.0,
    }
    assert "'minimax_default' is not defined in the triggerer" in caplog.text
    # It does no harm: the task continues.
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_an_unreadable_connection_fails_the_wait_without_being_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: MiniMaxHook) -> Any:
        raise ValueError("user:1-secret is no URI")

    monkeypatch.setattr(MiniMaxHook, "aget_settings", broken)
    (event,) = asyncio.run(fire(trigger("user:1000-minimax:2-image:3")))
    assert (event["end"], event["error"]) == ("failed", "MiniMaxBadRequestError")
    assert "'minimax_default' cannot be read (ValueError)" in event["message"]
    assert "secret" not in event["message"]


def test_a_removed_token_fails_the_wait(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", '{"conn_type": "minimax"}')
    (event,) = asyncio.run(fire(trigger("user:1000-minimax:2-image:3")))
    assert (event["end"], event["error"]) == ("failed", "MiniMaxAuthError")


def test_the_first_round_comes_at_a_random_phase_of_the_interval(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []

    def phase(interval: float) -> float:
        intervals.append(interval)
        return 0.0

    monkeypatch.setattr(timing, "first_delay", phase)
    monkeypatch.setattr(timing, "min_deferral", lambda _: 0.0)
    image_id = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
    asyncio.run(fire(trigger(image_id, poke_interval=20.0)))
    assert intervals == [20.0]


def test_a_pending_request_does_not_block_the_event_loop() -> None:
    """Counted, not timed: the loop turns a thousand times before the request may end."""
    may_end = threading.Event()

    async def turn_while_pending() -> bool:
        pending = asyncio.create_task(run_in_own_thread(may_end.wait, 30))
        for _ in range(1000):
            await asyncio.sleep(0)
        may_end.set()
        return await pending

    assert asyncio.run(turn_while_pending())


def test_requests_leave_from_a_thread_of_their_own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    real_read = Reader.read

    def read(self: Reader, ids: Collection[str]) -> RoundResult:
        threads.append(threading.current_thread().name)
        return real_read(self, ids)

    monkeypatch.setattr(Reader, "read", read)
    asyncio.run(fire(trigger(sandbox.create_image("a lamp")[0])))
    assert set(threads) == {"minimax-poll"}


def test_an_error_in_the_thread_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        asyncio.run(run_in_own_thread(fail))


# When a person ends the task


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_video_is_cancelled_only_with_cancel_on_kill(sandbox: Sandbox, cancel_on_kill: bool) -> None:
    video_id = sandbox.create_video("a lamp [hold]")
    waiting = trigger(video_id, kind="video", cancel_on_kill=cancel_on_kill)
    asyncio.run(waiting.on_kill())
    assert sandbox.stats.count("POST /videos/cancel") == int(cancel_on_kill)


def test_a_cancel_that_fails_does_not_break_the_triggerer(sandbox: Sandbox) -> None:
    video_id = sandbox.create_video("a lamp [hold]")
    sandbox.fail("400", "POST /videos/cancel")
    asyncio.run(trigger(video_id, kind="video", cancel_on_kill=True).on_kill())
    assert sandbox.stats.statuses[400] == 1


def test_a_job_that_is_not_found_right_after_its_create_is_waited_for(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    sandbox.fail("404", READ, times=2)
    sandbox.fail("400", "GET /images/", times=0)
    (event,) = asyncio.run(fire(trigger(image_id, fresh_until=time.time() + 30)))
    assert event["end"] == "completed"
