"""One poll for any number of waits.

All waits of a triggerer on the same connection, user, account and interval join one stream: a loop that polls all of
their jobs in one round, in a thread of its own, and wakes only the waits that have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.compat import AirflowException, AirflowNotFoundException
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.credits import CreditsReader
from airflow_provider_minimax.polling.events import Payload, failure_event, success_event, timed_out
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import RoundResult
from airflow_provider_minimax.polling.senders import Sender
from airflow_provider_minimax.polling.streams import SharedStream, Streams

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.polling.poller import Poller

log = logging.getLogger(__name__)

#: Waits that end in one turn of the event loop. Airflow works on each event, and other triggers need their turn too.
MAX_PER_TURN: Final = 10
#: Seconds between two checks of the deadlines.
_DEADLINE_CHECK_EVERY: Final = 0.25
#: Seconds to read the connection, wherever it is stored.
_SETTINGS_WITHIN: Final = 30.0
#: Status codes after which the connection is read again.
_TOKEN_REFUSED: Final = frozenset({401, 402, 403})


@dataclass(eq=False, slots=True)
class SharedWait:
    """A wait on a stream. Its ``end`` gets the payload of an event, or None if the triggerer cannot run the wait.

    :param deadline: seconds since the epoch. One last round follows it, as in a sensor that pokes.
    :param ends_by: seconds since the epoch at which it times out, even without a response in the last round.
    """

    poller: Poller
    deadline: float
    ends_by: float
    end: asyncio.Future[Payload | None]
    is_in_last_round: bool = False
    #: The context of the trigger, so that the log lines of its jobs reach the log of its task.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def finish(self, payload: Payload | None) -> None:
        """End it with a payload, unless it has ended."""
        if not self.end.done():
            self.end.set_result(payload)

    def time_out(self) -> Payload:
        """Return the payload for the deadline."""
        return timed_out(self.poller.describe_pending())

    def process_round(self, result: RoundResult) -> Payload | None:
        """Return the payload when a round ends the wait."""
        try:
            completed = self.context.run(self.poller.process_round, result.jobs, result.failure)
        except MiniMaxError as error:
            return failure_event(error)
        except Exception as error:  # noqa: BLE001 - a bug in one wait must not end the others
            self.context.run(log.exception, "A bug of this provider, not of the service, ends the wait.")
            return failure_event(failures.to_wait_error(error))
        if completed is not None:
            return success_event(completed)
        return self.time_out() if self.is_in_last_round else None


class Stream(SharedStream[SharedWait]):
    """A poll loop and the waits that it serves; see ``SharedStream``.

    :param account: of the waits, for metrics; None for several.
    :param first_delay: returns the seconds before the first round, for an interval; None for a random part of it.
    :param last_round_within: seconds after its deadline in which a wait is polled a last time; None for the default.
    """

    def __init__(
        self,
        kind: Kind,
        interval: float,
        get_settings: Callable[[], Awaitable[Settings]],
        *,
        account: str | None = None,
        first_delay: Callable[[float], float] | None = None,
        last_round_within: float | None = None,
    ) -> None:
        super().__init__(interval, get_settings)
        self._kind = kind
        self._account = account
        self._first_delay = first_delay or timing.first_delay
        self._last_round_within = timing.LAST_ROUND_WITHIN if last_round_within is None else last_round_within
        self._settings: Settings | None = None
        self._reader: Reader | CreditsReader | None = None
        #: Ids of waits that have left, for the reader's thread to forget.
        self._to_forget: deque[str] = deque()
        self._deadline_watch: asyncio.Task[None] | None = None
        #: Set when a deadline passes, or a late response arrives.
        self._wake = asyncio.Event()
        #: By the loop's clock. It belongs to the stream, so that the next driver keeps to it.
        self._next_round: float | None = None
        self._driver_lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def join(self, poller: Poller, deadline: float) -> SharedWait:
        """Add a wait that times out after a deadline, in seconds since the epoch."""
        ends_by = max(deadline, time.time()) + self._last_round_within
        wait = SharedWait(poller, deadline, ends_by, self._loop.create_future())
        self.add(wait)
        if self._deadline_watch is None:
            # A task of its own: deadlines pass with or without a driver.
            self._deadline_watch = asyncio.create_task(self._watch_deadlines())
        return wait

    def leave(self, wait: SharedWait) -> None:
        """Remove a wait."""
        self.remove(wait)
        self._to_forget.extend(wait.poller.spec.ids)
        if not self._members and self._deadline_watch is not None:
            self._deadline_watch.cancel()
            self._deadline_watch = None
            self._report_waits()

    async def drive(self) -> None:
        """Poll round by round until cancelled. With several drivers one polls, and the next one takes over from it."""
        self.drivers += 1
        try:
            async with self._driver_lock:
                while True:
                    await self._has_members.wait()
                    await self._run_round()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Some errors of Airflow are not an Exception either. Another driver may never come.
            for wait in self._members:
                wait.finish(failure_event(failures.to_wait_error(error)))
            raise
        finally:
            self.drivers -= 1

    # Rounds

    async def _run_round(self) -> None:
        """Sleep until the next round, and poll all waits; if a deadline comes first, poll only the overdue ones."""
        now = self._loop.time
        if self._next_round is None:
            self._next_round = now() + self._first_delay(self._interval)
        try:
            async with asyncio.timeout_at(self._next_round):
                await self._wake.wait()
        except TimeoutError:
            # For a driver that takes over in the middle of the round.
            self._next_round = now() + timing.next_delay(self._interval, self._failures)
            started = time.time()
            failure = await self._poll(
                [wait for wait in self._members if not wait.end.done() and wait.deadline > started]
            )
            self._failures = 0 if failure is None else self._failures + 1
            retry_after = failure.retry_after if failure else None
            is_complete = self._reader is None or self._reader.is_round_complete
            delay = timing.next_delay(self._interval, self._failures, retry_after) if is_complete or failure else 0.0
            self._next_round = now() + delay
        else:
            self._wake.clear()
            started = time.time()
            overdue = [wait for wait in self._members if wait.deadline <= started and not wait.end.done()]
            for wait in overdue:
                wait.is_in_last_round = True
            await self._poll(overdue)

    async def _poll(self, waits: Sequence[SharedWait]) -> MiniMaxError | None:
        """Poll some waits and end those that are decided; return the failure that concerns all of them.

        Late responses go to the waits that they concern.
        """
        try:
            result = await self._read(waits)
        except MiniMaxError as error:
            result = RoundResult({}, error)
        except AirflowNotFoundException:
            await self._finish([(wait, None) for wait in waits])
            return None
        except Exception as error:
            # An error of this machine or of Airflow, most likely. It may pass, and counts like one of the service.
            if self._failures == 0:
                log.exception("The poll failed with an error that is not the service's.")
            wait_error = failures.to_wait_error(error)
            result = RoundResult({}, wait_error)
            if failures.is_bug(error):
                await self._finish([(wait, failure_event(wait_error)) for wait in waits])
                return wait_error
        await self._deliver(waits, result)
        return result.failure

    async def _deliver(self, waits: Sequence[SharedWait], result: RoundResult) -> None:
        polled = set(waits)
        others = [wait for wait in self._members if not wait.end.done() and wait not in polled] if result.jobs else []
        try:
            # In a thread: a wait may be for thousands of jobs.
            decided = await self._run_in_thread(decided_waits, waits, others, result)
        except (OSError, RuntimeError):
            # No thread can be started. The results are worth a moment of the event loop.
            decided = decided_waits(waits, others, result)
        await self._finish(decided)

    async def _finish(self, decided: Iterable[tuple[SharedWait, Payload | None]]) -> None:
        """End waits, few in one turn of the loop."""
        for number, (wait, payload) in enumerate(decided, start=1):
            wait.finish(payload)
            if number % MAX_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _watch_deadlines(self) -> None:
        # One check of all costs less than a timer for each: thousands wait, few are due.
        while True:
            now = time.time()
            due = [wait for wait in self._members if wait.deadline <= now and not wait.end.done()]
            if any(wait.ends_by > now for wait in due):
                self._wake.set()
            await self._finish((wait, wait.time_out()) for wait in due if wait.ends_by <= now)
            await asyncio.sleep(_DEADLINE_CHECK_EVERY)

    # Requests

    async def _read(self, waits: Sequence[SharedWait]) -> RoundResult:
        if not waits and self._reader is None:
            return RoundResult({})
        if self._settings is None:
            self._settings = await self._read_settings()
        result = await self._run_in_thread(self._read_jobs, self._settings, waits)
        if result.failure is not None and result.failure.status in _TOKEN_REFUSED:
            # A stream may live for days, and the token may have been renewed since it started.
            settings = self._settings
            with contextlib.suppress(AirflowException, OSError, RuntimeError):
                settings = await self._read_settings()
            if settings != self._settings:
                self._settings, self._reader = settings, None
                return await self._run_in_thread(self._read_jobs, settings, waits)
        return result

    async def _read_settings(self) -> Settings:
        async with asyncio.timeout(_SETTINGS_WITHIN):
            return await self._get_settings()

    def _read_jobs(self, settings: Settings, waits: Sequence[SharedWait]) -> RoundResult:
        # In a thread, as all I/O: the first metric of a process may have to look up a host.
        metrics.count(metrics.POLLS, kind=self._kind)
        self._report_waits()
        if self._reader is None:
            # Imported here, in a thread: the HTTP stack takes its time.
            from airflow_provider_minimax.api.client import MiniMaxClient

            self._reader = self._make_reader(MiniMaxClient(settings))
        while self._to_forget:
            self._reader.forget(self._to_forget.popleft())
        ids = dict.fromkeys(job_id for wait in waits for job_id in wait.poller.pending)
        is_last_round = any(wait.is_in_last_round for wait in waits)
        return self._reader.read_for_last_time(ids) if is_last_round else self._reader.read(ids)

    def _make_reader(self, client: MiniMaxClient) -> Reader | CreditsReader:
        if self._kind == "credits":
            return CreditsReader(client, self._stop_if_abandoned)
        sender = Sender(timing.response_wait(self._interval), self._wake_driver)
        return Reader.for_client(client, self._kind, self._stop_if_abandoned, sender=sender)

    def _report_waits(self) -> None:
        metrics.gauge(metrics.WAITS, len(self._members), kind=self._kind, account=self._account)

    def _wake_driver(self) -> None:
        """Wake the driver, from another thread."""
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    def _stop_if_abandoned(self) -> None:
        if self._is_abandoned.is_set():
            raise _AbandonedError


def decided_waits(
    polled: Sequence[SharedWait], others: Sequence[SharedWait], result: RoundResult
) -> list[tuple[SharedWait, Payload]]:
    """Return the waits that a round ends, and their payloads.

    :param polled: the waits whose jobs the round has requested.
    :param others: waits that take the late responses for them.
    """
    late = RoundResult(result.jobs)
    shares = [(wait, result) for wait in polled]
    shares += [(wait, late) for wait in others if not result.jobs.keys().isdisjoint(wait.poller.pending)]
    payloads = ((wait, wait.process_round(share)) for wait, share in shares if not wait.end.done())
    return [(wait, payload) for wait, payload in payloads if payload is not None]


class _AbandonedError(Exception):
    """The driver was cancelled: nobody needs the result any more."""


#: Of this triggerer, by key.
streams: Final = Streams[Stream]()
