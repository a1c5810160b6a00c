"""One watch takes the place of another on the same poll, as when the parameters of an AssetWatcher are changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_minimax.polling import watch_stream
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.new_media import MiniMaxNewImagesTrigger
from tests.unit.triggers.support import run
from tests.unit.triggers.test_new_media import (
    Store,
    Stores,
    WatchingTriggerer,
    quick_watches,
    rounds,
    trigger,
    until,
    watching,
)

__all__ = ["quick_watches"]

pytestmark = pytest.mark.usefixtures("quick_rounds", "quick_watches")


class SlowStore(Store):
    """A store that responds once it is told to."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked, self.ready = asyncio.Event(), asyncio.Event()

    async def aget(self, key: str) -> Any:
        self.asked.set()
        await self.ready.wait()
        return await super().aget(key)


class PlainTriggerer(WatchingTriggerer):
    """The triggerer of an Airflow without shared streams."""

    async def watch(self, one: Any) -> None:
        async for event in one.run():
            self.events.append((one, event.payload))


def watching_slowly() -> tuple[MiniMaxNewImagesTrigger, SlowStore]:
    one, store = trigger(max_per_event=1), SlowStore()
    one.asset_state_store = Stores(store)  # type: ignore[assignment]
    return one, store


@pytest.mark.parametrize("triggerer_class", [WatchingTriggerer, PlainTriggerer])
def test_a_watch_whose_state_is_read_while_the_last_other_one_leaves_gets_its_events(
    sandbox: Sandbox, triggerer_class: type[WatchingTriggerer]
) -> None:
    async def watch() -> None:
        triggerer = triggerer_class()
        old = asyncio.create_task(triggerer.watch(watching({})))
        await rounds(sandbox)
        new, store = watching_slowly()
        async with triggerer.watching(new):
            await store.asked.wait()
            old.cancel()
            await asyncio.gather(old, return_exceptions=True)
            store.ready.set()
            await rounds(sandbox)
            arrived = sandbox.arrive(1)
            await until(lambda: triggerer.ids(new) == arrived)

    run(watch())
    assert watch_stream.streams == {}
