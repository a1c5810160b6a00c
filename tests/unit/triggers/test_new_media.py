"""Watches on one poll, on Airflow's own manager of shared streams and on that of an Airflow without one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airflow_provider_minimax.polling import timing, watch_stream
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.new_media import MiniMaxNewImagesTrigger, MiniMaxNewVideosTrigger
from tests.support import connect
from tests.unit.triggers.support import Triggerer, deserialize, run, serialize

pytestmark = pytest.mark.usefixtures("quick_rounds", "quick_watches")

LIST = "GET /images/"


@pytest.fixture
def quick_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_DELAY", "_RECHECK_DELAY", "_REFUSED_INTERVAL"):
        monkeypatch.setattr(watch_stream, name, 0.01)


def trigger(**options: Any) -> MiniMaxNewImagesTrigger:
    return MiniMaxNewImagesTrigger(**{"poke_interval": 0.05, **options})


class Store:
    """The store of one asset, as a triggerer reaches it."""

    def __init__(self, database: dict[str, str]) -> None:
        self.database = database
        self.failures = 0

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the database is away")

    async def aget(self, key: str) -> Any:
        self._fail()
        return json.loads(self.database[key]) if key in self.database else None

    async def aset(self, key: str, value: Any) -> None:
        self._fail()
        self.database[key] = json.dumps(value)


class Stores:
    """What Airflow gives to a trigger."""

    def __init__(self, *stores: Store) -> None:
        self._by_name = {f"asset {number}": store for number, store in enumerate(stores)}


class WatchingTriggerer(Triggerer):
    """A triggerer that persists events, tells the shared stream, and can be gone from one moment to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[Any, dict[str, Any]]] = []
        self.loses_events = False
        self._seqs: list[int] = []

    async def watch(self, one: MiniMaxNewImagesTrigger | MiniMaxNewVideosTrigger) -> None:
        trigger_id, key = next(self._ids), one.shared_stream_key()
        stream = self.manager.subscribe(trigger_id=trigger_id, trigger=one, key=key)
        try:
            async for event in one.filter_shared_stream(stream):
                seq = self.manager.bind_pending_event(trigger_id=trigger_id, key=key)
                if not self.loses_events:
                    self.events.append((one, event.payload))
                    asyncio.get_running_loop().call_later(0.02, self.manager.confirm_persisted, [seq])
        finally:
            await self.manager.unsubscribe(trigger_id, key)

    @asynccontextmanager
    async def watching(self, *triggers: MiniMaxNewImagesTrigger | MiniMaxNewVideosTrigger) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.watch(one)) for one in triggers]
        try:
            yield
        finally:
            assert [task for task in tasks if task.done()] == [], "no watch ends by itself"
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def ids(self, one: object = None, kind: str = "image") -> list[str]:
        payloads = [payload for owner, payload in self.events if one in (None, owner)]
        return [item[f"{kind}Id"] for payload in payloads for item in payload[f"{kind}s"]]


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the sandbox works in another thread
        await asyncio.sleep(0.005)


async def rounds(sandbox: Sandbox, number: int = 2, operation: str = LIST) -> None:
    """Wait for some more polls: what came before them has been seen."""
    before = sandbox.stats.count(operation)
    await until(lambda: sandbox.stats.count(operation) >= before + number + 1)


def watching(database: dict[str, str], **options: Any) -> MiniMaxNewImagesTrigger:
    one = trigger(**options)
    one.asset_state_store = Stores(Store(database))  # type: ignore[assignment]
    return one


@pytest.fixture
def triggerer() -> WatchingTriggerer:
    return WatchingTriggerer()


def test_a_new_image_is_an_event_and_an_older_one_is_none(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    async def watch() -> None:
        async with triggerer.watching(watching({})):
            await rounds(sandbox)
            arrived = sandbox.arrive(3)
            await until(lambda: triggerer.ids() == arrived)
            late = sandbox.create_image("a lamp [hold]")
            newer = sandbox.arrive(1)
            await until(lambda: triggerer.ids() == arrived + newer)
            sandbox.release(late[0])
            await until(lambda: triggerer.ids() == arrived + newer + late)
            await rounds(sandbox)
        assert triggerer.ids() == arrived + newer + late

    run(watch())
    assert watch_stream.streams == {}


def test_a_new_video_is_an_event(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    async def watch() -> None:
        async with triggerer.watching(MiniMaxNewVideosTrigger(poke_interval=0.05)):
            await rounds(sandbox, operation="GET /videos/")
            arrived = sandbox.arrive(3, kind="video")
            await until(lambda: triggerer.ids(kind="video") == arrived)

    run(watch())


def test_ten_watches_cost_as_much_as_one(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    watches = [watching({}, prompt_pattern=f"^{number}$") for number in range(9)]
    watches.append(watching({}, max_per_event=1))

    async def watch() -> None:
        async with triggerer.watching(*watches):
            await rounds(sandbox)
            stream = watch_stream.streams[watches[0].shared_stream_key()]
            read, begun = 0, sandbox.stats.count(LIST)
            real = stream._poll

            async def counted(*args: Any) -> Any:
                nonlocal read
                read += 1
                return await real(*args)

            stream._poll = counted  # type: ignore[method-assign]
            ids = {number: sandbox.create_image(str(number))[0] for number in range(9)}
            await until(lambda: len(triggerer.ids()) == 18)
            assert all(triggerer.ids(watches[number]) == [image_id] for number, image_id in ids.items())
            await until(lambda: read >= 10)
            assert sandbox.stats.count(LIST) - begun <= read + 1

    run(watch())


def test_a_restarted_watch_continues_where_events_are_stored(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    """What arrives while no triggerer runs, and what a triggerer that is lost has not stored any more."""
    database: dict[str, str] = {}

    async def watch() -> None:
        async with triggerer.watching(watching(database)):
            await rounds(sandbox)
            first = sandbox.arrive(1)
            await until(lambda: triggerer.ids() == first)
            await rounds(sandbox)
            triggerer.loses_events = True
            lost = sandbox.arrive(1)
            # No further round begins before its event is stored.
            await rounds(sandbox, 0)
        meanwhile = sandbox.arrive(2)
        again = WatchingTriggerer()
        async with again.watching(watching(database)):
            await until(lambda: again.ids() == lost + meanwhile)
            await rounds(sandbox)
        assert again.ids() == lost + meanwhile
        third = WatchingTriggerer()
        async with third.watching(watching(database)):
            await rounds(sandbox)
        assert third.ids() == []

    run(watch())


def test_a_trigger_of_several_assets_stores_its_state_for_each(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    """Airflow makes one trigger of equal ones. An asset may go, and another one may come."""
    first: dict[str, str] = {}
    second: dict[str, str] = {}

    async def watch() -> None:
        one, other = trigger(), trigger()
        one.asset_state_store = Stores(Store(first), Store(second))  # type: ignore[assignment]
        other.asset_state_store = Stores(Store({}), Store(second))  # type: ignore[assignment]
        async with triggerer.watching(one):
            await rounds(sandbox)
        assert first == second != {}
        arrived = sandbox.arrive(1)
        async with triggerer.watching(other):
            await until(lambda: triggerer.ids() == arrived)

    run(watch())


def test_a_store_that_is_away_is_awaited(sandbox: Sandbox, triggerer: WatchingTriggerer) -> None:
    """To begin from scratch would miss what the state knows."""
    database: dict[str, str] = {}

    async def watch() -> None:
        async with triggerer.watching(watching(database)):
            await rounds(sandbox)
        arrived = sandbox.arrive(1)
        one = watching(database)
        (store,) = one.asset_state_store._by_name.values()  # type: ignore[union-attr]
        store.failures = 2  # type: ignore[attr-defined]
        async with triggerer.watching(one):
            await until(lambda: triggerer.ids() == arrived)
            await rounds(sandbox)
            store.failures = 1  # type: ignore[attr-defined]
            more = sandbox.arrive(1)
            await until(lambda: triggerer.ids() == arrived + more)
            await rounds(sandbox)
        async with triggerer.watching(watching(database)):
            await rounds(sandbox)
        assert triggerer.ids() == arrived + more

    run(watch())


@pytest.mark.parametrize(("look_back", "repeats"), [(0.0, False), (600.0, True)])
def test_without_a_store_a_watch_begins_with_what_is_new(sandbox: Sandbox, look_back: float, repeats: bool) -> None:
    arrived = sandbox.arrive(1)

    async def watch() -> None:
        # A time would start the runs of all images since then at each restart.
        events = trigger(start="2026-01-01", look_back=look_back).run()
        if repeats:
            assert [image["imageId"] for image in (await anext(events)).payload["images"]] == arrived
        following = asyncio.ensure_future(anext(events))
        await rounds(sandbox)
        assert not following.done()
        more = sandbox.arrive(1)
        assert [image["imageId"] for image in (await following).payload["images"]] == more
        await events.aclose()

    run(watch())


def test_failures_are_logged_seldom_and_end_nothing(
    sandbox: Sandbox, triggerer: WatchingTriggerer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def watch() -> None:
        async with triggerer.watching(watching({})):
            await rounds(sandbox)
            sandbox.fail("503", times=9)
            arrived = sandbox.arrive(2)
            await until(lambda: triggerer.ids() == arrived)

    run(watch())
    lines = [record for record in caplog.records if record.name.endswith("watch_stream")]
    assert [record.levelno for record in lines] == [logging.WARNING] * 4 + [logging.INFO]
    assert "Failed polls in a row: 8;" in lines[3].getMessage()
    assert lines[4].getMessage().endswith(" again, after 9 failed polls.")


def test_a_corrected_connection_is_used(
    sandbox: Sandbox, triggerer: WatchingTriggerer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(monkeypatch, sandbox.url, "user:1-wrong")

    async def watch() -> None:
        async with triggerer.watching(trigger()):
            await until(lambda: sandbox.stats.statuses[401])
            connect(monkeypatch, sandbox.url, sandbox.token)
            await until(lambda: sandbox.stats.statuses[200] >= 2)
            arrived = sandbox.arrive(1)
            await until(lambda: triggerer.ids() == arrived)

    run(watch())
    (line,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert "Correct the connection" in line.getMessage()
    assert "user:1-wrong" not in caplog.text


def test_a_connection_that_is_missing_ends_nothing(
    triggerer: WatchingTriggerer, undefined_connections: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def watch() -> None:
        async with triggerer.watching(trigger()):
            await until(lambda: any("isn't defined" in record.getMessage() for record in caplog.records))

    run(watch())


def test_an_airflow_without_shared_streams_shares_a_poll_as_well(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[int, list[str]] = {number: [] for number in range(3)}

    async def consume(number: int) -> None:
        async for event in trigger(max_per_event=number + 1).run():
            found[number] += [image["imageId"] for image in event.payload["images"]]

    async def watch() -> None:
        tasks = [asyncio.create_task(consume(number)) for number in found]
        await rounds(sandbox)
        arrived = sandbox.arrive(3)
        await until(lambda: list(found.values()) == [arrived] * 3)
        tasks.pop(0).cancel()
        arrived += sandbox.arrive(2)
        await until(lambda: found[1] == found[2] == arrived)
        assert len(watch_stream.streams) == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(watch())
    assert watch_stream.streams == {}


def test_a_trigger_survives_its_serialization_and_carries_no_secret(sandbox: Sandbox) -> None:
    one = trigger(account="7", start="2026-02-03", models=["b", "a"], prompt_pattern="x", statuses={"failed"})
    path, kwargs = deserialize(serialize(one.serialize()))
    assert path == "airflow_provider_minimax.triggers.new_media.MiniMaxNewImagesTrigger"
    assert MiniMaxNewImagesTrigger(**kwargs).serialize() == one.serialize()
    assert kwargs["start"] == "2026-02-03T00:00:00+00:00"
    assert sandbox.token not in repr(one)
    assert len(json.dumps(kwargs)) < 400


def test_only_watches_on_one_poll_share_it(triggerer: WatchingTriggerer) -> None:
    keys = [
        one.shared_stream_key()
        for one in (
            trigger(),
            trigger(statuses=["failed"], max_per_event=5, prompt_pattern="a", models=["m"], start="2026-01-01"),
            trigger(account="7"),
            trigger(minimax_conn_id="other"),
            trigger(poke_interval=9),
            MiniMaxNewVideosTrigger(poke_interval=0.05),
        )
    ]
    assert len(set(keys)) == 5
    assert keys[0] == keys[1]


def test_a_wrong_parameter_is_refused_by_an_error_that_a_triggerer_survives() -> None:
    with pytest.raises(TypeError, match="prompt_pattern"):
        trigger(prompt_pattern="(")


def test_the_pace_has_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert watch_stream.WatchStream(trigger().kind, 0.0, trigger()._get_settings, "")._interval == timing.MIN_INTERVAL
