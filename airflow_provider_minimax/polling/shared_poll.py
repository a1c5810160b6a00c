"""One poll for any number of waits.

All waits of a triggerer on the same connection, user, account and interval join one stream: a loop that asks for all
of their jobs in one round, in a thread of its own, and wakes only those whose wait has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.compat import AirflowException, AirflowNotFoundException
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.events import Payload, ended_badly, ended_well, timed_out
from airflow_provider_minimax.polling.reader import Answers, Reader
from airflow_provider_minimax.polling.threads import start_in_own_thread

if TYPE_CHECKING:
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.polling.poller import Poller

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Waits that are told of a round, or ended, in one turn of the event loop. Each that ends then does Airflow's own work
#: for an event, and other triggers want their turn in between.
_AT_ONCE: Final = 10
#: Seconds between two looks at the deadlines.
_TICK: Final = 0.25
#: Seconds in which a connection has to be read, wherever it is kept.
_SETTINGS_WITHIN: Final = 30.0
#: Responses after which the connection is read again.
_REFUSED_TOKEN: Final = frozenset({401, 402, 403})


@dataclass(eq=False, slots=True)
class Wait:
    """One wait on a stream; ``end`` gets the payload of its event, None where the triggerer cannot take the wait on.

    :param earliest: seconds since the epoch before which it does not end; what would have ended it is kept till then.
    :param deadline: seconds since the epoch. It is asked for once more after that, as a sensor that pokes is.
    :param latest: seconds since the epoch at which it ends, whether or not that has brought an answer.
    """

    poller: Poller
    earliest: float
    deadline: float
    latest: float
    end: asyncio.Future[Payload | None]
    kept: tuple[Payload | None] | None = None
    #: Whether it is being asked for once more after its deadline.
    is_last_look: bool = False
    #: That of the trigger, so that what is logged of its jobs reaches the log of its task.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def is_over(self) -> bool:
        """Whether its end is known."""
        return self.kept is not None or self.end.done()

    def is_due(self, now: float) -> bool:
        """Whether its deadline is over, or what was kept may be told."""
        if self.end.done():
            return False
        return self.deadline <= now if self.kept is None else self.earliest <= now

    def finish(self, payload: Payload | None) -> None:
        """End it, now or as soon as it may."""
        if time.time() < self.earliest:
            self.kept = (payload,)
        else:
            self.end.set_result(payload)

    def take(self, answers: Answers) -> Payload | None:
        """Return the payload when these answers end the wait."""
        try:
            found = self.context.run(self.poller.take, answers.jobs, answers.failure)
        except MiniMaxError as error:
            return ended_badly(error)
        except Exception as error:  # noqa: BLE001 - a fault in one wait must not end those beside it
            self.context.run(log.exception, "A fault of this provider, not of the service, ends the wait.")
            return ended_badly(failures.report(error))
        if found is not None:
            return ended_well(found)
        return self.time_out() if self.is_last_look else None

    def time_out(self) -> Payload:
        """Return the payload for the deadline."""
        return timed_out(self.poller.describe_pending())


class Stream:
    """A poll loop and the waits that it serves.

    :param kind: of the awaited jobs.
    :param interval: seconds between two rounds.
    :param get_settings: reads the connection, on the event loop.
    """

    def __init__(self, kind: Kind, interval: float, get_settings: Callable[[], Awaitable[Settings]]) -> None:
        self._kind = kind
        self._interval = timing.floor(interval)
        self._get_settings = get_settings
        self._settings: Settings | None = None
        self._reader: Reader | None = None
        self._waits: set[Wait] = set()
        #: Ids of waits that are gone, for the thread that asks to forget them.
        self._gone: deque[str] = deque()
        self._occupied = asyncio.Event()
        self._clock: asyncio.Task[None] | None = None
        #: Set when a deadline is over, or a response has come that was waited for apart.
        self._called = asyncio.Event()
        self._failures = 0
        #: By the loop's clock. It belongs to the stream, so that whoever takes over the wheel keeps to it.
        self._next_round: float | None = None
        self._wheel = asyncio.Lock()
        self._asking: Future[Any] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._is_abandoned = threading.Event()
        self.drivers = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits on it and nobody drives it."""
        return not self._waits and self.drivers == 0

    def join(self, poller: Poller, deadline: float, earliest: float = 0.0) -> Wait:
        """Add a wait; it takes part from the next round on.

        :param deadline: seconds since the epoch, after which it ends as timed out.
        :param earliest: seconds since the epoch before which it does not end.
        """
        latest = max(deadline, time.time()) + timing.LAST_LOOK
        wait = Wait(poller, earliest, deadline, latest, asyncio.get_running_loop().create_future())
        self._waits.add(wait)
        self._occupied.set()
        if self._clock is None:
            # Nobody's but the stream's: deadlines pass whatever becomes of those who drive.
            self._clock = asyncio.create_task(self._watch_times())
        return wait

    def leave(self, wait: Wait) -> None:
        """Take a wait away."""
        self._waits.discard(wait)
        self._gone.extend(wait.poller.wait.ids)
        if not self._waits and self._clock is not None:
            self._occupied.clear()
            self._clock.cancel()
            self._clock = None

    async def drive(self) -> None:
        """Ask round by round, for as long as somebody is there to cancel it."""
        self.drivers += 1
        try:
            # Where several drive, one does, and the next one goes on when that one is gone.
            async with self._wheel:
                while True:
                    await self._occupied.wait()
                    await self._round()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Airflow, too, has errors that are no Exception. Whatever it is, there may be nobody to drive on.
            for wait in self._waits:
                if not wait.end.done():
                    wait.end.set_result(wait.kept[0] if wait.kept else ended_badly(failures.report(error)))
            raise
        finally:
            self.drivers -= 1

    async def _round(self) -> None:
        """Sleep until the next round, and ask for all; before that, for those whose deadline comes first."""
        now = asyncio.get_running_loop().time
        if self._next_round is None:
            self._next_round = now() + timing.phase(self._interval)
        try:
            async with asyncio.timeout_at(self._next_round):
                await self._called.wait()
        except TimeoutError:
            # For whoever takes over in the middle of it.
            self._next_round = now() + timing.pause(self._interval, self._failures)
            begun = time.time()
            failure = await self._look([wait for wait in self._waits if not wait.is_over and wait.deadline > begun])
            self._failures = 0 if failure is None else self._failures + 1
            retry_after = failure.retry_after if failure else None
            is_whole = self._reader is None or self._reader.is_at_the_end
            rest = timing.pause(self._interval, self._failures, retry_after) if is_whole or failure else 0.0
            self._next_round = now() + rest
        else:
            self._called.clear()
            begun = time.time()
            overdue = [wait for wait in self._waits if wait.deadline <= begun and not wait.is_over]
            for wait in overdue:
                wait.is_last_look = True
            await self._look(overdue)

    async def _watch_times(self) -> None:
        # One look at all of them in turn costs less than a timer for each: thousands wait, few are due.
        while True:
            now = time.time()
            due = [wait for wait in self._waits if wait.is_due(now)]
            if any(not wait.is_over and wait.latest > now for wait in due):
                self._called.set()
            for number, wait in enumerate(due, start=1):
                if not wait.end.done() and (wait.kept or wait.latest <= now):
                    wait.end.set_result(wait.kept[0] if wait.kept else wait.time_out())
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(_TICK)

    async def _look(self, waits: Sequence[Wait]) -> MiniMaxError | None:
        """Ask for the jobs of some waits, and end those that this ends; return the failure that concerns all.

        What was waited for apart and has come since is told to whom it concerns.
        """
        try:
            answers = await self._answers(waits)
        except MiniMaxError as error:
            answers = Answers({}, error)
        except AirflowNotFoundException:
            await self._end([(wait, None) for wait in waits])
            return None
        except Exception as error:
            # Of this machine or of Airflow, most likely; it may pass as one of the service does, and is counted alike.
            if self._failures == 0:
                log.exception("The poll met a fault that is not the service's.")
            answers = Answers({}, failures.report(error))
            if failures.is_bug(error):
                await self._end([(wait, ended_badly(failures.report(error))) for wait in waits])
                return answers.failure
        await self._tell(waits, answers)
        return answers.failure

    async def _tell(self, waits: Sequence[Wait], answers: Answers) -> None:
        asked, others = set(waits), [wait for wait in self._waits if not wait.is_over] if answers.jobs else []
        late = [wait for wait in others if wait not in asked]
        try:
            # In a thread: a wait may be for thousands of jobs.
            ended = await self._in_turn(_endings, waits, late, answers)
        except (OSError, RuntimeError):
            # No thread is to be had. What has been found is worth a moment of the loop.
            ended = _endings(waits, late, answers)
        await self._end(ended)

    async def _end(self, ended: Sequence[tuple[Wait, Payload | None]]) -> None:
        """End waits, few in one turn of the loop."""
        for number, (wait, payload) in enumerate(ended, start=1):
            if not wait.is_over:
                wait.finish(payload)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _answers(self, waits: Sequence[Wait]) -> Answers:
        if not waits and self._reader is None:
            return Answers({})
        if self._settings is None:
            self._settings = await self._read_settings()
        answers = await self._ask(self._settings, waits)
        if answers.failure is not None and answers.failure.status in _REFUSED_TOKEN:
            # A stream may live for days, and the token may have been renewed since it began.
            settings = await self._renewed(self._settings)
            if settings != self._settings:
                self._settings, self._reader = settings, None
                return await self._ask(settings, waits)
        return answers

    async def _read_settings(self) -> Settings:
        async with asyncio.timeout(_SETTINGS_WITHIN):
            return await self._get_settings()

    async def _renewed(self, settings: Settings) -> Settings:
        """Return the settings as they are now, or those that are known where they cannot be read."""
        try:
            return await self._read_settings()
        except (AirflowException, OSError, RuntimeError):
            return settings

    async def _ask(self, settings: Settings, waits: Sequence[Wait]) -> Answers:
        self._loop = asyncio.get_running_loop()
        return await self._in_turn(self._read, settings, waits)

    async def _in_turn(self, function: Callable[..., T], *args: object) -> T:
        """Run in a thread, and in one at a time: a reader is not made for two."""
        if self._asking is not None:
            # It may be that of a driver who was cancelled. What came of it, nobody wants to know.
            with contextlib.suppress(Exception):
                await asyncio.wrap_future(self._asking)
        self._is_abandoned.clear()
        asking = self._asking = start_in_own_thread(function, *args)
        try:
            return await asyncio.wrap_future(asking)
        except asyncio.CancelledError:
            self._is_abandoned.set()
            raise

    def _read(self, settings: Settings, waits: Sequence[Wait]) -> Answers:
        if self._reader is None:
            # Imported here, in a thread: the HTTP stack takes its time.
            from airflow_provider_minimax.api.client import MiniMaxClient

            self._reader = Reader.shared(
                MiniMaxClient(settings),
                self._kind,
                self._go_on,
                patience=timing.patience(self._interval),
                tell=self._call,
            )
        while self._gone:
            self._reader.forget(self._gone.popleft())
        ids = dict.fromkeys(job_id for wait in waits for job_id in wait.poller.pending)
        is_last_look = any(wait.is_last_look for wait in waits)
        return self._reader.read_last(ids) if is_last_look else self._reader.read(ids)

    def _call(self) -> None:
        """Wake the driver, from another thread."""
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._called.set)

    def _go_on(self) -> None:
        if self._is_abandoned.is_set():
            raise _AbandonedError


class _AbandonedError(Exception):
    """Nobody waits for the answers any more."""


def _endings(waits: Sequence[Wait], late: Sequence[Wait], answers: Answers) -> list[tuple[Wait, Payload]]:
    """Return the waits that these answers end, and their payloads.

    :param waits: those that were asked for.
    :param late: others, which get what came late for them.
    """
    alone = Answers(answers.jobs)
    concerned = [wait for wait in late if not answers.jobs.keys().isdisjoint(wait.poller.pending)]
    taken = itertools.chain(
        ((wait, wait.take(answers)) for wait in waits if not wait.is_over),
        ((wait, wait.take(alone)) for wait in concerned if not wait.is_over),
    )
    return [(wait, payload) for wait, payload in taken if payload is not None]


async def in_own_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function in a thread made for it, and await its result."""
    return await asyncio.wrap_future(start_in_own_thread(function, *args))


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
