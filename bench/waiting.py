"""What waiting costs: this provider's shared poll beside the http provider's deferrable HttpSensor.

Both run in this process on Airflow's own manager of shared streams, against one sandbox in a process of its own.
Figures that a machine's speed moves are given as ratios, or beside their bound.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from bench._measuring import Row, show
from bench._sandbox import Service, sandbox
from bench._workers import worker_starts

COMPLETED = 2
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
        self.max_hold = 0.0

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
            self.max_hold = max(self.max_hold, now - last)
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


async def requests_per_interval(service: Service, ids: Sequence[str]) -> float:
    """Return the requests of one round, once the place of the jobs in the list is known."""
    triggerer = Triggerer()
    await triggerer.start(waits(ids))
    await service.quiet_after_a_round()
    before = service.requests()
    for _ in range(ROUNDS):
        await service.quiet_after_a_round()
    counted = (service.requests() - before) / ROUNDS
    await triggerer.stop()
    return counted


async def max_hold(start: Callable[[], Sequence[BaseEventTrigger]], end: Callable[[], Awaitable[None]]) -> float:
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
    return triggerer.max_hold


async def memory_per_wait(service: Service, ids: Sequence[str]) -> float:
    """Return the bytes that one wait takes in the triggerer, all of Airflow's own objects for it included.

    Rounds have run by then, and have left behind what is known of each job.
    """
    warm = Triggerer()
    await warm.start(waits(ids[:10]))
    await service.quiet_after_a_round()
    await warm.stop()
    gc.collect()
    tracemalloc.start()
    triggerer = Triggerer()
    await triggerer.start(waits(ids))
    for _ in range(2):
        await service.quiet_after_a_round()
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await triggerer.stop()
    return taken / len(ids)


async def delay_of_the_event(service: Service) -> float:
    """Return the seconds from final on the server to the event."""
    (job_id,) = service.create(1)
    triggerer = Triggerer()
    await triggerer.start(waits([job_id]))
    await service.quiet_after_a_round()
    service.finish(job_id)
    begun = time.perf_counter()
    await triggerer.all_ended()
    return time.perf_counter() - begun


async def requests_when_refused(service: Service, ids: Sequence[str], status: int) -> int:
    """Return the requests of 100 waits in 5 s against a service that refuses everything."""
    service.fault(str(status))
    before = service.requests()
    triggerer = Triggerer()
    await triggerer.start(waits(ids[:100]))
    await asyncio.sleep(5)
    await triggerer.stop()
    counted = service.requests() - before
    service.clear_faults()
    return counted


async def http_sensor_requests(service: Service, ids: Sequence[str], *, seconds: float) -> int:
    """Return what the http provider's trigger sends for as many waits in as many seconds.

    A job that is not final responds with 404, since the sensor takes any 200 for the end.
    """
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = service.connection("http", Authorization=f"Bearer {service.token}")
    triggers = [HttpSensorTrigger(endpoint=f"v1/minimax/images/{job_id}0", poke_interval=INTERVAL) for job_id in ids]
    before = service.requests()

    async def run(trigger: Any) -> None:
        async for _ in trigger.run():
            return

    tasks = [asyncio.create_task(run(trigger)) for trigger in triggers]
    await asyncio.sleep(seconds)
    counted = service.requests() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counted


@contextmanager
def serving(**config: Any) -> Iterator[Service]:
    """Serve a sandbox, and define the connection ``minimax_default`` to it."""
    with sandbox(**config) as service:
        os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = service.connection("minimax")
        yield service


def row(what: str, found: float, most: float | None = None) -> Row:
    """Return a figure beside the most that it may be."""
    bound = "" if most is None else f"<= {most:g}"
    return Row(what, f"{found:,.1f}", bound, None if most is None else found <= most)


async def measure_requests() -> list[Row]:
    """Count requests."""
    rows = []
    for page_cap, most in ((30, 35), (100, 11)):
        with serving(images=2000, page_cap=page_cap) as service:
            counted = await requests_per_interval(service, service.create(1000))
            rows.append(row(f"requests an interval, 1,000 waits, pages of {page_cap}", counted, most))
    with serving(images=100) as service:
        ids = service.create(1000)
        rows.append(row("the same, HttpSensor", await http_sensor_requests(service, ids, seconds=INTERVAL)))
        rows.append(row("requests an interval, 1 wait", await requests_per_interval(service, ids[:1]), 1))
        rows.append(row("from final on the server to the event, s", await delay_of_the_event(service), INTERVAL + 1))
        for status in (401, 403):
            refused = await requests_when_refused(service, ids, status)
            rows.append(row(f"requests in 5 s, 100 waits, every response {status}", refused, 5))
        service.fault("403")
        rows.append(row("the same, HttpSensor, 403", await http_sensor_requests(service, ids[:100], seconds=5)))
    return rows


async def measure_loop() -> list[Row]:
    """Measure what the event loop of a triggerer bears."""
    with serving(images=12_000) as service:
        ids = service.create(10_000)
        memory = await memory_per_wait(service, ids)
        rows = [row("memory of a wait, kB", memory / 1000, 20)]
        floor = await max_hold(lambda: [IdleTrigger() for _ in range(10_000)], nothing)  # type: ignore[no-untyped-call]
        rows.append(row("longest hold of the loop, 10,000 triggers that do nothing, ms", floor * 1000))
        for how, measure in {
            "all refused": max_hold_when_refused,
            "all completed at once": max_hold_when_completed,
            "one deadline for all": max_hold_at_a_deadline,
        }.items():
            few = await measure(service, ids[:1000])
            rows.append(row(f"the same, 1,000 waits, {how}, ms", few * 1000, 50))
            many = await measure(service, ids)
            rows.append(row(f"the same, 10,000 waits, {how}, ms", many * 1000))
            rows.append(row("that / the triggers that do nothing", many / floor, 1.5))
    return rows


async def nothing() -> None:
    """Let triggers end by themselves."""


async def max_hold_when_refused(service: Service, ids: Sequence[str]) -> float:
    """Let all waits run some rounds, and end by one refusal."""

    async def end() -> None:
        for _ in range(ROUNDS):
            await service.quiet_after_a_round()
        service.fault("401")

    hold = await max_hold(lambda: waits(ids), end)
    service.clear_faults()
    return hold


async def max_hold_when_completed(service: Service, ids: Sequence[str]) -> float:
    """Let the rounds of as many waits fail, and then complete all in one."""
    images = MiniMaxHook().iter_images()
    completed = list(itertools.islice((image["imageId"] for image in images if image["status"] == COMPLETED), len(ids)))
    service.fault("502")

    async def end() -> None:
        await service.quiet_after_a_round()
        service.clear_faults()

    return await max_hold(lambda: waits(completed), end)


async def max_hold_at_a_deadline(service: Service, ids: Sequence[str]) -> float:  # noqa: ARG001 - like the others
    """Let all waits run some rounds, and time out together."""
    return await max_hold(lambda: waits(ids, seconds=len(ids) / 1000 + ROUNDS * INTERVAL), nothing)


def measure_workers() -> list[Row]:
    """Count the worker processes that take up successful waits, in a running Airflow."""
    home = Path(os.environ["AIRFLOW_HOME"]) / "running"
    with serving(images=100) as service:
        with_flags, without = worker_starts(service, home, ("waits_in_the_triggerer", "waits_deferred_by_a_worker"))
    rows = [row(f"worker starts, both flags on, {how}", count, 0) for how, count in with_flags.items()]
    return [*rows, row("the same without the flags, all together", sum(without.values()))]


def main() -> bool:
    """Measure and print; return whether every bound was kept."""
    rows = asyncio.run(measure_requests()) + asyncio.run(measure_loop()) + measure_workers()
    return show("Waiting", rows)
