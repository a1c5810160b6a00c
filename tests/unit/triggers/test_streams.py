"""Many waits on one poll, on Airflow's own manager of shared streams."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers import streams
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.rounds import Reader

shared_stream = pytest.importorskip("airflow.triggers.shared_stream", reason="shared streams came with Airflow 3.3")

LIST = "GET /images/"
READ = "GET /images/{id}"


@pytest.fixture(autouse=True)
def _quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SHORTEST_INTERVAL", 0.001)
    monkeypatch.setattr(pacing, "LONGEST_STRETCH", 0.01)


class Triggerer:
    """Runs triggers as Airflow's triggerer does: those with an equal key on one stream."""

    def __init__(self) -> None:
        self.manager = shared_stream.SharedStreamManager()
        self._ids = itertools.count(1)

    async def run(self, trigger: MiniMaxJobTrigger) -> Any:
        trigger_id, key = next(self._ids), trigger.shared_stream_key()
        if key is None:
            return [event.payload async for event in trigger.run()]
        stream = self.manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        try:
            return [event.payload async for event in trigger.filter_shared_stream(stream)]
        finally:
            await self.manager.unsubscribe(trigger_id, key)

    async def run_all(self, *triggers: MiniMaxJobTrigger) -> list[Any]:
        events = await asyncio.gather(*(self.run(trigger) for trigger in triggers))
        return [event for (event,) in events]


def trigger(*ids: str, seconds: float = 30.0, **options: Any) -> MiniMaxJobTrigger:
    return MiniMaxJobTrigger(ids, time.time() + seconds, **{"poke_interval": 0.05, **options})


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await coroutine

    return asyncio.run(bounded())


@pytest.fixture
def triggerer() -> Triggerer:
    return Triggerer()


def test_waits_of_one_account_share_a_stream_whether_or_not_they_name_it() -> None:
    first, second = "user:1-minimax:2-image:3", "user:1-minimax:2-image:4"
    other = "user:1-minimax:9-image:3"
    assert trigger(first).shared_stream_key() == trigger(second, account="2").shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(other).shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(first, poke_interval=7.0).shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(first, minimax_conn_id="another").shared_stream_key()


def test_fifty_waits_cost_as_much_as_one_page_a_round(sandbox: Sandbox, triggerer: Triggerer) -> None:
    ids = [sandbox.create_image(f"lamp {n} [hold]")[0] for n in range(50)]

    async def wait() -> list[Any]:
        loop, three_rounds = asyncio.get_running_loop(), asyncio.Event()

        def count(*_: object) -> None:
            if sandbox.stats.count(LIST) == 3:
                loop.call_soon_threadsafe(three_rounds.set)

        sandbox.on_call = count
        waits = asyncio.create_task(triggerer.run_all(*(trigger(image_id) for image_id in ids)))
        await three_rounds.wait()
        sandbox.on_call = None
        for image_id in ids:
            sandbox.release(image_id)
        return await waits

    events = run(wait())
    assert [event["jobs"][0]["imageId"] for event in events] == ids
    assert sandbox.stats.count(READ) <= 2
    assert streams._shared == {}


def test_each_wait_ends_in_its_own_way(sandbox: Sandbox, triggerer: Triggerer) -> None:
    good, bad = sandbox.create_image("a lamp")[0], sandbox.create_image("a lamp [moderate]")[0]
    stuck = sandbox.create_image("a lamp [stuck]")[0]
    events = run(
        triggerer.run_all(trigger(good), trigger(bad), trigger(stuck, seconds=0.7), trigger(f"{good}0"), trigger("7"))
    )
    assert [event["end"] for event in events] == ["completed", "failed", "timed out", "failed", "failed"]
    assert [event.get("error") for event in events] == [
        None,
        "MiniMaxModeratedError",
        None,
        "MiniMaxNotFoundError",
        "MiniMaxBadRequestError",
    ]


def test_a_wait_may_join_a_stream_that_runs_and_begin_one_that_has_ended(
    sandbox: Sandbox, triggerer: Triggerer
) -> None:
    async def wait() -> None:
        stuck = asyncio.create_task(triggerer.run(trigger(sandbox.create_image("a lamp [stuck]")[0])))
        await asyncio.sleep(0)
        assert (await triggerer.run(trigger(sandbox.create_image("a lamp")[0])))[0]["end"] == "completed"
        assert len(streams._shared) == 1
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        for _ in range(5):
            assert (await triggerer.run(trigger(sandbox.create_image("a lamp")[0])))[0]["end"] == "completed"

    run(wait())
    assert streams._shared == {}


@pytest.mark.parametrize("fault", ["401", "403", "596"])
def test_a_fatal_answer_ends_all_waits_with_one_request(sandbox: Sandbox, triggerer: Triggerer, fault: str) -> None:
    ids = [sandbox.create_image(f"lamp {n} [stuck]")[0] for n in range(100)]
    sandbox.fail(fault, times=0)
    events = run(triggerer.run_all(*(trigger(image_id) for image_id in ids)))
    assert {event["error"] for event in events} <= {"MiniMaxAuthError", "MiniMaxAccountOnHoldError"}
    assert {event["status"] for event in events} == {int(fault)}
    assert len(sandbox.calls) == 1


def test_a_renewed_token_is_taken_up_by_a_stream_that_runs(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = sandbox.create_image("a lamp [hold]")[0]
    connection = json.dumps({"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token})
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", connection.replace(sandbox.token, "user:1-old"))

    async def wait() -> Any:
        real = streams.in_own_thread
        asked = 0

        async def renew_after_the_first_question(*args: Any) -> Any:
            nonlocal asked
            asked += 1
            answers = await real(*args)
            if asked == 1:
                monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", connection)
                sandbox.release(image_id)
            return answers

        monkeypatch.setattr(streams, "in_own_thread", renew_after_the_first_question)
        return await triggerer.run(trigger(image_id))

    (event,) = run(wait())
    assert event["end"] == "completed"
    assert sandbox.stats.statuses[401] == 1


def test_a_passing_failure_stretches_the_interval_and_ends_nothing(sandbox: Sandbox, triggerer: Triggerer) -> None:
    image_id = sandbox.create_image("a lamp")[0]
    sandbox.fail("429", operation=READ, times=3, retry_after=0)
    (event,) = run(triggerer.run(trigger(image_id)))
    assert event["end"] == "completed"


def test_a_fault_of_ours_in_the_poll_ends_the_waits_instead_of_hanging_them(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Reader, ids: object) -> Any:
        raise LookupError("a bug")

    monkeypatch.setattr(Reader, "read", read)
    with pytest.raises(LookupError, match="a bug"):
        run(triggerer.run(trigger(sandbox.create_image("a lamp")[0])))
    assert streams._shared == {}


def test_what_changes_is_logged_for_each_wait_in_its_own_context(
    sandbox: Sandbox, triggerer: Triggerer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    image_id = sandbox.create_image("a lamp")[0]
    run(triggerer.run(trigger(image_id)))
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("waiting.poller")]
    assert lines[-1] == f"{image_id}: completed"
    assert len(lines) == len(set(lines))
