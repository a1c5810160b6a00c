"""What waiting costs: this provider's shared poll beside the http provider's deferrable HttpSensor.

Both run in this process on Airflow's own manager of shared streams, against one sandbox in a process of its own.
Figures that a machine's speed moves are given as ratios, or beside their bound.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from bench._measuring import Row, show
from bench._sandbox import SandboxProcess

INTERVAL = 2.0
ROUNDS = 3


class IdleTrigger(BaseEventTrigger):
    """Does nothing, on a stream of Airflow's own: the floor under any shared stream."""

    ends: asyncio.Event

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow would store."""
        return f"{__name__}.IdleTrigger", {}

    def shared_stream_key(self) -> Hashable:
        """Share one stream."""
        return "idle"

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[str]:  # noqa: ARG003
        """Broadcast once an interval, and at the end that it is over."""
        for _ in range(ROUNDS):
            await asyncio.sleep(INTERVAL)
            yield "round"
        yield "end"
        await asyncio.Event().wait()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[str]) -> AsyncIterator[TriggerEvent]:
        """Pass over the rounds."""
        async for raw in shared_stream:
            if raw == "end":
                yield TriggerEvent(raw)
                return

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Never used: it has a shared stream."""
        yield TriggerEvent("end")


class Triggerer:
    """Runs triggers as Airflow's triggerer does, and measures how long its loop is held."""

    def __init__(self) -> None:
        self._manager = SharedStreamManager()
        self._ids = itertools.count()
        self._tasks: list[asyncio.Task[Any]] = []
        self.longest_hold = 0.0

    async def start(self, triggers: Sequence[BaseEventTrigger]) -> None:
        """Start triggers one after the other, with a turn of the loop in between, as Airflow does."""
        for trigger in triggers:
            self._tasks.append(asyncio.create_task(self._run(trigger)))
            await asyncio.sleep(0)

    async def _run(self, trigger: BaseEventTrigger) -> Any:
        trigger_id, key = next(self._ids), trigger.shared_stream_key()
        stream = self._manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                return event.payload
            return None
        finally:
            await self._manager.unsubscribe(trigger_id, key)

    async def watch(self) -> None:
        """Turn with the loop and note the longest turn."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest_hold = max(self.longest_hold, now - last)
            last = now

    async def all_ended(self) -> list[Any]:
        """Return what the triggers fired."""
        return await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Cancel what still waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def waits(ids: Sequence[str], seconds: float = 600.0) -> list[MiniMaxJobTrigger]:
    """Return a trigger for each id, read back from what a worker would have stored."""
    deadline = time.time() + seconds
    stored = [MiniMaxJobTrigger([job_id], deadline, poke_interval=INTERVAL).serialize()[1] for job_id in ids]
    return [MiniMaxJobTrigger(**kwargs) for kwargs in stored]


async def requests_per_interval(sandbox: SandboxProcess, ids: Sequence[str]) -> float:
    """Return the requests of one round, once the place of the jobs in the list is known."""
    triggerer = Triggerer()
    await triggerer.start(waits(ids))
    await sandbox.quiet_after_a_round()
    before = sandbox.requests()
    for _ in range(ROUNDS):
        await sandbox.quiet_after_a_round()
    counted = (sandbox.requests() - before) / ROUNDS
    await triggerer.stop()
    return counted


async def longest_hold(start: Callable[[], Sequence[BaseEventTrigger]], end: Callable[[], Awaitable[None]]) -> float:
    """Return for how long the loop was held at most: while triggers start, wait some rounds, and end together."""
    triggerer = Triggerer()
    triggers = start()
    gc.collect()
    gc.freeze()
    watch = asyncio.create_task(triggerer.watch())
    await triggerer.start(triggers)
    await end()
    await triggerer.all_ended()
    watch.cancel()
    gc.unfreeze()
    return triggerer.longest_hold


async def memory_per_wait(ids: Sequence[str]) -> float:
    """Return the bytes that one wait takes in the triggerer, all of Airflow's own objects for it included."""
    warm = Triggerer()
    await warm.start(waits(ids[:10]))
    await warm.stop()
    gc.collect()
    tracemalloc.start()
    triggerer = Triggerer()
    await triggerer.start(waits(ids))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await triggerer.stop()
    return taken / len(ids)


async def delay_of_the_event(sandbox: SandboxProcess) -> float:
    """Return the seconds from final on the server to the event."""
    (job_id,) = sandbox.create(1)
    triggerer = Triggerer()
    await triggerer.start(waits([job_id]))
    await sandbox.quiet_after_a_round()
    sandbox.finish(job_id)
    begun = time.perf_counter()
    await triggerer.all_ended()
    return time.perf_counter() - begun


async def requests_when_refused(sandbox: SandboxProcess, ids: Sequence[str], status: int) -> int:
    """Return the requests of 100 waits in 5 s against a service that refuses everything."""
    sandbox.fault(str(status))
    before = sandbox.requests()
    triggerer = Triggerer()
    await triggerer.start(waits(ids[:100]))
    await asyncio.sleep(5)
    await triggerer.stop()
    counted = sandbox.requests() - before
    sandbox.clear_faults()
    return counted


async def http_sensor_requests(sandbox: SandboxProcess, ids: Sequence[str], *, seconds: float) -> int:
    """Return what the http provider's trigger sends for as many waits in as many seconds.

    A job that is not final answers 404 to it, since it takes any 200 for the end.
    """
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = json.dumps(
        {"conn_type": "http", "host": sandbox.url, "extra": {"Authorization": f"Bearer {sandbox.token}"}}
    )
    triggers = [HttpSensorTrigger(endpoint=f"v1/minimax/images/{job_id}0", poke_interval=INTERVAL) for job_id in ids]
    before = sandbox.requests()

    async def run(trigger: Any) -> None:
        async for _ in trigger.run():
            return

    tasks = [asyncio.create_task(run(trigger)) for trigger in triggers]
    await asyncio.sleep(seconds)
    counted = sandbox.requests() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counted


def row(what: str, found: float, most: float | None = None) -> Row:
    """Return a figure beside the most that it may be."""
    bound = "" if most is None else f"<= {most:g}"
    return Row(what, f"{found:,.1f}", bound, None if most is None else found <= most)


async def measure_requests() -> list[Row]:
    """Count requests."""
    rows = []
    for page_cap, most in ((30, 35), (100, 11)):
        with SandboxProcess(images=2000, page_cap=page_cap) as sandbox:
            counted = await requests_per_interval(sandbox, sandbox.create(1000))
            rows.append(row(f"requests an interval, 1,000 waits, pages of {page_cap}", counted, most))
    with SandboxProcess(images=100) as sandbox:
        ids = sandbox.create(1000)
        rows.append(row("the same, HttpSensor", await http_sensor_requests(sandbox, ids, seconds=INTERVAL)))
        rows.append(row("requests an interval, 1 wait", await requests_per_interval(sandbox, ids[:1]), 1))
        rows.append(row("from final on the server to the event, s", await delay_of_the_event(sandbox), INTERVAL + 1))
        for status in (401, 403):
            refused = await requests_when_refused(sandbox, ids, status)
            rows.append(row(f"requests in 5 s, 100 waits, everything answered {status}", refused, 5))
        sandbox.fault("403")
        rows.append(row("the same, HttpSensor, 403", await http_sensor_requests(sandbox, ids[:100], seconds=5)))
    return rows


async def measure_loop() -> list[Row]:
    """Measure what the event loop of a triggerer bears."""

    async def refuse_all() -> None:
        for _ in range(ROUNDS):
            await sandbox.quiet_after_a_round()
        sandbox.fault("401")

    async def nothing() -> None:
        return None

    with SandboxProcess(images=100) as sandbox:
        ids = sandbox.create(10_000)
        memory = await memory_per_wait(ids)
        few = await longest_hold(lambda: waits(ids[:1000]), refuse_all)
        sandbox.clear_faults()
        many = await longest_hold(lambda: waits(ids), refuse_all)
        floor = await longest_hold(lambda: [IdleTrigger() for _ in range(10_000)], nothing)  # type: ignore[no-untyped-call]
    return [
        row("memory of a wait, kB", memory / 1000, 20),
        row("longest hold of the loop, 1,000 waits, ms", few * 1000, 50),
        row("longest hold of the loop, 10,000 waits, ms", many * 1000),
        row("the same, triggers that do nothing on Airflow's own stream, ms", floor * 1000),
        row("ratio of the two", many / floor, 1.5),
    ]


def main() -> bool:
    """Measure and print; tell whether every bound was kept."""
    logging.disable(logging.WARNING)
    rows = asyncio.run(measure_requests()) + asyncio.run(measure_loop())
    logging.disable(logging.NOTSET)
    return show("Waiting", rows)
