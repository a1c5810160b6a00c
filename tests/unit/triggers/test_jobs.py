"""The trigger: what it stores, that it never holds the loop, and how it ends."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Collection
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from airflow_provider_minimax.triggers.streams import in_own_thread
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.rounds import Answers, Reader

try:
    from airflow.sdk.serde import deserialize, serialize
except ImportError:
    # Airflow 3.1
    from airflow.serialization.serde import deserialize, serialize

READ = "GET /images/{id}"

#: A trigger as version 0.1.0 stores it. A newer version has to read it: triggers outlive an upgrade.
STORED_BY_0_1_0: dict[str, Any] = {
    "ids": ["user:1000-minimax:2-image:3"],
    "deadline": 1795373610.5,
    "kind": "image",
    "require": "any",
    "accept_statuses": ["moderated"],
    "minimax_conn_id": "minimax_default",
    "account": "2",
    "poke_interval": 10.0,
    "silent": True,
    "failures": 3,
    "single": True,
    "ends": False,
}


@pytest.fixture(autouse=True)
def _quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SHORTEST_INTERVAL", 0.001)
    monkeypatch.setattr(pacing, "LONGEST_STRETCH", 0.01)


async def fire(trigger: MiniMaxJobTrigger) -> Any:
    return [event.payload async for event in trigger.run()]


def trigger(image_id: str, seconds: float = 30.0, **options: Any) -> MiniMaxJobTrigger:
    return MiniMaxJobTrigger([image_id], time.time() + seconds, **{"poke_interval": 0.001, **options})


def test_what_version_0_1_0_stored_is_read() -> None:
    assert MiniMaxJobTrigger(**STORED_BY_0_1_0).serialize() == (
        "airflow_provider_minimax.triggers.jobs.MiniMaxJobTrigger",
        {**STORED_BY_0_1_0, "fresh_until": 0.0, "cancel_on_kill": False},
    )


def test_a_trigger_survives_the_way_through_the_database() -> None:
    _, kwargs = MiniMaxJobTrigger(**STORED_BY_0_1_0).serialize()
    assert deserialize(serialize(kwargs)) == kwargs


def test_all_but_ids_and_deadline_have_defaults_for_triggers_stored_without_them() -> None:
    parameters = inspect.signature(MiniMaxJobTrigger).parameters
    assert [name for name, one in parameters.items() if one.default is one.empty] == ["ids", "deadline"]


def test_it_fires_once_with_compact_images(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    (event,) = asyncio.run(fire(trigger(image_id)))
    assert event["end"] == "completed"
    assert [image["imageId"] for image in event["jobs"]] == [image_id]


def test_a_deadline_that_passed_while_no_triggerer_ran_ends_the_wait_without_a_request(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    (event,) = asyncio.run(fire(trigger(image_id, seconds=-1)))
    assert event["end"] == "timed out"
    assert sandbox.stats.count(READ) == 0


def test_a_token_that_was_taken_away_is_an_end_with_a_name(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", '{"conn_type": "minimax"}')
    (event,) = asyncio.run(fire(trigger("user:1000-minimax:2-image:3")))
    assert (event["end"], event["error"]) == ("failed", "MiniMaxAuthError")


def test_the_first_round_comes_at_a_random_phase_of_the_interval(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def phase(interval: float) -> float:
        asked.append(interval)
        return 0.0

    monkeypatch.setattr(pacing, "phase", phase)
    image_id = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
    asyncio.run(fire(trigger(image_id, poke_interval=20.0)))
    assert asked == [20.0]


def test_a_request_under_way_does_not_hold_the_event_loop() -> None:
    """Counted, not timed: the loop turns a thousand times before the request may end."""
    answering = threading.Event()

    async def turn_while_asking() -> bool:
        asking = asyncio.create_task(in_own_thread(answering.wait, 30))
        for _ in range(1000):
            await asyncio.sleep(0)
        answering.set()
        return await asking

    assert asyncio.run(turn_while_asking())


def test_requests_leave_from_a_thread_of_their_own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_in: list[str] = []
    real_read = Reader.read

    def read(self: Reader, ids: Collection[str]) -> Answers:
        asked_in.append(threading.current_thread().name)
        return real_read(self, ids)

    monkeypatch.setattr(Reader, "read", read)
    asyncio.run(fire(trigger(sandbox.create_image("a lamp")[0])))
    assert set(asked_in) == {"minimax-poll"}


def test_a_request_that_hangs_does_not_outlive_the_deadline(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    sandbox.fail("slow", operation=READ, delay=5.0)
    (event,) = asyncio.run(fire(trigger(image_id, seconds=0.2)))
    assert event["end"] == "timed out"


def test_an_error_in_the_thread_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        asyncio.run(in_own_thread(fail))


# When a person ends the task


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_video_is_cancelled_only_when_told_to(sandbox: Sandbox, cancel_on_kill: bool) -> None:
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
