"""Running triggers as Airflow's triggerer does, on its own manager of shared streams."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from tests.support import TIMEOUT

try:
    from airflow.sdk.serde import deserialize, serialize
except ImportError:
    # Airflow 3.1
    from airflow.serialization.serde import deserialize, serialize

__all__ = ["Triggerer", "XCom", "deserialize", "run", "scheduler_starts_triggers", "serialize", "trigger"]


class XCom:
    """Airflow's own, as far as it is used."""

    def __init__(self, error: Exception | None = None) -> None:
        self.pushed: list[Any] = []
        self._error = error

    async def aset(self, key: str, value: object, **where: Any) -> None:
        if self._error is not None:
            raise self._error
        self.pushed.append((key, value, where))


class Triggerer:
    """Runs triggers as Airflow's triggerer does: those with an equal key on one stream."""

    def __init__(self) -> None:
        shared_stream = pytest.importorskip("airflow.triggers.shared_stream", reason="came with Airflow 3.3")
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
        async with asyncio.timeout(TIMEOUT):
            return await coroutine

    return asyncio.run(bounded())


def scheduler_starts_triggers() -> bool:
    """Tell whether this Airflow's scheduler can start a task in the triggerer.

    Its task instance shows it: the parameters of a task for it, and their serialization, have existed for longer.
    """
    from airflow.models.taskinstance import TaskInstance

    return hasattr(TaskInstance, "start_trigger_args")
