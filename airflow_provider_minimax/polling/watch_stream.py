"""One poll for all watches on an account: what a round reads, and how rounds follow each other."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.validation import PAGE_SIZE
from airflow_provider_minimax.compat import AirflowFailException, AirflowNotFoundException
from airflow_provider_minimax.polling import failures, poll_plan, timing
from airflow_provider_minimax.polling.new_media import MAX_SCANNED, Item, View, WatchState, wants_next_page
from airflow_provider_minimax.polling.streams import SharedStream, Streams

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)

#: Unfinished jobs that a round requests by id, where the pages that it reads do not show them.
_MAX_BY_ID: Final = 5
#: Seconds between two polls while the service refuses them (a wrong token, address or account), at least: only a person
#: can mend that.
_REFUSED_INTERVAL: Final = 300.0
#: Seconds before the first round, so that watches that start together share it.
_FIRST_DELAY: Final = 1.0
#: Seconds after which an empty list is read once more, before a watch takes it for empty.
_RECHECK_DELAY: Final = 1.0


@dataclass(eq=False)
class Watch:
    """One of the watches on a stream."""

    state: WatchState


@dataclass(eq=False)
class Round:
    """What a round means to the watches.

    :param view: what it has read; None once the events of the last view are stored.
    :param watches: those that it was read for. The others have joined since.
    """

    view: View | None
    watches: Collection[Watch]
    #: Set when the events that all watches took from it are stored in Airflow's database.
    stored: asyncio.Event = field(default_factory=asyncio.Event)


class WatchStream(SharedStream[Watch]):
    """A poll and the watches that it serves; see ``SharedStream``.

    :param label: what is watched, for the log.
    """

    def __init__(
        self, kind: MediaKind, interval: float, get_settings: Callable[[], Awaitable[Settings]], label: str
    ) -> None:
        super().__init__(interval, get_settings)
        self._kind = kind
        self._label = label
        self._delay = _FIRST_DELAY
        self._reader: WatchReader | None = None
        self._queues: set[asyncio.Queue[Round | BaseException]] = set()
        self._driver: asyncio.Task[None] | None = None

    async def rounds(self) -> AsyncIterator[Round]:
        """Poll for ever. After each view, its events have to be stored before the poll goes on."""
        while True:
            await self._has_members.wait()
            await asyncio.sleep(self._delay)
            watches = frozenset(self._members)
            view = await self._poll(watches)
            if view is not None:
                found = Round(view, watches)
                yield found
                await found.stored.wait()
                yield Round(None, watches)

    async def subscribe(self) -> AsyncIterator[Round]:
        """Take part in the rounds of this process, for an Airflow that does not share streams itself."""
        queue: asyncio.Queue[Round | BaseException] = asyncio.Queue()
        self._queues.add(queue)
        if self._driver is None:
            self._driver = asyncio.create_task(self._broadcast())
        try:
            while True:
                found = await queue.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            self._queues.discard(queue)
            if not self._queues and self._driver is not None:
                self._driver.cancel()
                self._driver = None

    async def _broadcast(self) -> None:
        try:
            async for found in self.rounds():
                # This Airflow does not tell, and a watch stores nothing there.
                found.stored.set()
                for queue in self._queues:
                    queue.put_nowait(found)
        except BaseException as error:
            for queue in self._queues:
                queue.put_nowait(error)
            raise

    async def _poll(self, watches: Collection[Watch]) -> View | None:
        """Read a round; None if it has failed. Sets the delay of the next one."""
        states = [watch.state for watch in watches]
        try:
            if self._reader is None:
                self._reader = WatchReader(await self._get_settings(), self._kind)
            view = await self._run_in_thread(self._reader.read, states, self._is_abandoned)
        except Exception as error:  # noqa: BLE001 - a watch has no task to fail, and Airflow would restart it at once
            # The connection is read again: it may have been corrected.
            self._reader = None
            self._failures += 1
            self._delay = retry_delay(self._interval, self._failures, error)
            self._log_failure(error)
            return None
        if self._failures:
            log.info("Events for %s again, after %d failed polls.", self._label, self._failures)
        self._failures, self._delay = 0, timing.next_delay(self._interval)
        return view

    def _log_failure(self, error: Exception) -> None:
        if not failures.is_worth_logging(self._failures):
            return
        needs_a_person = isinstance(error, AirflowFailException | AirflowNotFoundException)
        is_own = isinstance(error, MiniMaxError | AirflowNotFoundException)
        log.log(
            logging.WARNING if is_own and not needs_a_person else logging.ERROR,
            "No events for %s: %s%s Failed polls in a row: %d; the next one is in %.0f s and continues where the last "
            "good one was.",
            self._label,
            error if is_own else f"{type(error).__name__}: {error}.",
            " Correct the connection, which each poll reads again, or the trigger." if needs_a_person else "",
            self._failures,
            self._delay,
            exc_info=error if failures.is_bug(error) and not is_own else None,
        )


def retry_delay(interval: float, failures: int, error: Exception) -> float:
    """Return the seconds until the next round after some that failed in a row."""
    delay = timing.next_delay(interval, failures, error.retry_after if isinstance(error, MiniMaxError) else None)
    return max(delay, _REFUSED_INTERVAL) if isinstance(error, AirflowFailException) else delay


class WatchReader:
    """Reads rounds, in a thread."""

    def __init__(self, settings: Settings, kind: MediaKind) -> None:
        self._settings = settings
        self._kind = kind
        self._numbers = itertools.count()

    @cached_property
    def _client(self) -> MiniMaxClient:
        # Imported here, in a thread: the HTTP stack takes its time.
        from airflow_provider_minimax.api.client import MiniMaxClient

        # A watch has an interval of its own.
        return MiniMaxClient(self._settings).without_retries()

    def read(self, states: Sequence[WatchState], stop: threading.Event) -> View:
        """Read the head of the list, as far as any of the watches needs it, and the unfinished jobs behind it.

        :param stop: set when nobody needs the result any more.
        """
        metrics.count(metrics.POLLS, kind=self._kind.name)
        at = round(time.time() * 1000)
        pending = {bare: state.owner for state in states for bare in state.pending}
        items = self._read_list(states, pending, stop)
        if not items and any(state.known is None for state in states) and not stop.wait(_RECHECK_DELAY):
            items = self._read_list(states, pending, stop)
        view = View(items, {}, at)
        # Those of another account would be refused, and their watch is about to begin from scratch.
        unseen = {bare for bare, owner in pending.items() if owner == view.owner} - {item.id.bare for item in items}
        return View(items, self._read_jobs(sorted(unseen), view.owner, stop), at)

    def _read_list(self, states: Sequence[WatchState], pending: Collection[str], stop: threading.Event) -> list[Item]:
        items: list[Item] = []
        unseen = set(pending)
        for page in self._client.iter_pages(None, PAGE_SIZE, check_end=False, kind=self._kind):
            found = [item for job in page.images if (item := Item.read(job, self._kind)) is not None]
            items += found
            before = len(unseen)
            unseen.difference_update(item.id.bare for item in found)
            # Where the next page may show many of them, it costs less than requests by id.
            is_worth_it = len(unseen) > _MAX_BY_ID and len(unseen) < before
            if stop.is_set() or not (is_worth_it or any(wants_next_page(state, found) for state in states)):
                break
            if len(items) >= MAX_SCANNED:
                log.warning("Only the newest %d %s become events: a poll reads no more.", len(items), self._kind.plural)
                break
        return items

    def _read_jobs(self, unseen: Sequence[str], owner: str, stop: threading.Event) -> dict[str, Item | None]:
        found: dict[str, Item | None] = {}
        for bare in poll_plan.sample_ids(unseen, next(self._numbers), _MAX_BY_ID):
            if stop.is_set():
                break
            full_id = f"{owner}-{self._kind.name}:{bare}"
            try:
                found[bare] = Item.read(self._client.get_job(self._kind.name, full_id), self._kind)
            except MiniMaxNotFoundError:
                found[bare] = None
            except MiniMaxError as error:
                # The list was read, so this is about one id, and must not end the round for all others.
                log.info(
                    "The unfinished %s %s cannot be read; a later poll tries again. %s", self._kind.name, full_id, error
                )
                break
        return found


#: Of this triggerer, by key.
streams: Final = Streams[WatchStream]()
