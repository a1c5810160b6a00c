"""One poll for any number of waits.

All waits of a triggerer on the same connection, account and interval join one stream: a loop that asks for all of
their jobs in one round, in a thread of its own, and wakes only those whose wait has ended.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxError
from airflow_provider_minimax.triggers.events import ended_badly, ended_well, timed_out
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.rounds import Answers, Reader

if TYPE_CHECKING:
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.waiting.poller import Poller

T = TypeVar("T")
Payload = dict[str, Any]

#: Waits that are woken in one turn of the event loop. Each of them then does Airflow's own work for an event, and
#: other triggers want their turn in between.
_WOKEN_AT_ONCE: Final = 20
#: Seconds between two looks at the deadlines.
_TICK: Final = 0.25


@dataclass(eq=False, slots=True)
class Wait:
    """One wait on a stream; ``end`` gets the payload of its event."""

    poller: Poller
    #: Seconds since the epoch.
    deadline: float
    end: asyncio.Future[Payload]
    #: That of the trigger, so that what is logged of its jobs reaches the log of its task.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def take(self, answers: Answers) -> Payload | None:
        """Return the payload when these answers end the wait."""
        try:
            found = self.context.run(self.poller.take, answers.jobs, answers.failure)
        except MiniMaxError as error:
            return ended_badly(error)
        return None if found is None else ended_well(found)


class Stream:
    """A poll loop and the waits that it serves.

    :param kind: of the awaited jobs.
    :param interval: seconds between two rounds.
    :param get_settings: reads the connection, on the event loop.
    """

    def __init__(self, kind: Kind, interval: float, get_settings: Callable[[], Awaitable[Settings]]) -> None:
        self._kind = kind
        self._interval = pacing.floor(interval)
        self._get_settings = get_settings
        self._settings: Settings | None = None
        self._reader: Reader | None = None
        self._waits: set[Wait] = set()
        self._occupied = asyncio.Event()
        self._failures = 0
        self._wheel = asyncio.Lock()
        self.drivers = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits on it and nobody drives it."""
        return not self._waits and self.drivers == 0

    def join(self, poller: Poller, deadline: float) -> Wait:
        """Add a wait; it takes part from the next round on.

        :param deadline: seconds since the epoch, after which it ends as timed out.
        """
        wait = Wait(poller, deadline, asyncio.get_running_loop().create_future())
        self._waits.add(wait)
        self._occupied.set()
        return wait

    def leave(self, wait: Wait) -> None:
        """Take a wait away."""
        self._waits.discard(wait)
        if not self._waits:
            self._occupied.clear()

    async def drive(self) -> None:
        """Ask round by round, for as long as somebody is there to cancel it."""
        self.drivers += 1
        clock: asyncio.Task[None] | None = None
        try:
            # Where several drive, one does, and the next one goes on when that one is gone.
            await self._wheel.acquire()
            clock = asyncio.create_task(self._watch_deadlines())
            await asyncio.sleep(pacing.phase(self._interval))
            while True:
                await self._occupied.wait()
                answers = await self._round()
                self._failures = 0 if answers.failure is None else self._failures + 1
                retry_after = answers.failure.retry_after if answers.failure else None
                await asyncio.sleep(pacing.pause(self._interval, self._failures, retry_after))
        except Exception as error:
            for wait in self._waits:
                if not wait.end.done():
                    wait.end.set_exception(error)
            raise
        finally:
            if clock is not None:
                clock.cancel()
                self._wheel.release()
            self.drivers -= 1

    async def _watch_deadlines(self) -> None:
        # One look at all of them in turn costs less than a timer for each: thousands wait, few expire.
        while True:
            now = time.time()
            for wait in self._waits:
                if wait.deadline <= now and not wait.end.done():
                    wait.end.set_result(timed_out(wait.poller.describe_pending()))
            await asyncio.sleep(_TICK)

    async def _round(self) -> Answers:
        waits = list(self._waits)
        try:
            answers = await self._answers(waits)
        except MiniMaxError as error:
            answers = Answers({}, error)
        ended = await in_own_thread(_ended, waits, answers)
        for number, (wait, payload) in enumerate(ended, start=1):
            if not wait.end.done():
                wait.end.set_result(payload)
            if number % _WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return answers

    async def _answers(self, waits: list[Wait]) -> Answers:
        if self._settings is None:
            self._settings = await self._get_settings()
        answers = await in_own_thread(self._read, self._settings, waits)
        if isinstance(answers.failure, MiniMaxAuthError):
            # A stream may live for days, and the token may have been renewed since it began.
            settings = await self._get_settings()
            if settings != self._settings:
                self._settings, self._reader = settings, None
                return await in_own_thread(self._read, settings, waits)
        return answers

    def _read(self, settings: Settings, waits: list[Wait]) -> Answers:
        if self._reader is None:
            # Imported here, in a thread: the HTTP stack takes its time.
            from airflow_provider_minimax.api.client import MiniMaxClient

            # The waits of a stream may be on several accounts; each id names its own.
            client = MiniMaxClient(replace(settings, account=None))
            self._reader = Reader.of(client, self._kind)
        return self._reader.read(dict.fromkeys(job_id for wait in waits for job_id in wait.poller.pending))


def _ended(waits: list[Wait], answers: Answers) -> list[tuple[Wait, Payload]]:
    ends = ((wait, wait.take(answers)) for wait in waits)
    return [(wait, payload) for wait, payload in ends if payload is not None]


async def in_own_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function in a thread made for it, and await its result.

    A daemon, so that a request that hangs does not keep the triggerer from ending; with the context of the
    caller, so that its log lines reach the right log.
    """
    result: Future[T] = Future()
    # From here on it cannot be cancelled: where the caller no longer waits, the result is dropped.
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            value = function(*args)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is awaited
            result.set_exception(error)
        else:
            result.set_result(value)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="minimax-poll", daemon=True).start()
    return await asyncio.wrap_future(result)


#: The streams of this triggerer that triggers share, by their key.
_shared: dict[Hashable, Stream] = {}


def shared_stream(key: Hashable, make: Callable[[], Stream]) -> Stream:
    """Return the stream of a key, made when it is the first one asked for.

    Those who wait and the one who drives may come in either order.
    """
    if key not in _shared:
        _shared[key] = make()
    return _shared[key]


def forget_if_idle(key: Hashable, stream: Stream) -> None:
    """Forget a stream that nobody waits on and nobody drives; whoever comes next begins a new one."""
    if stream.is_idle and _shared.get(key) is stream:
        del _shared[key]
