"""Asking, round by round, for all awaited jobs of a connection. The driver brings the ways to ask."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from airflow_provider_minimax.api.errors import MiniMaxAccountOnHoldError, MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import Job, is_final
from airflow_provider_minimax.api.validation import PAGE_SIZE
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.polling import poll_plan
from airflow_provider_minimax.polling.lanes import Clients, Direct, FullError, Lanes, Sender, SlowError
from airflow_provider_minimax.polling.poll_plan import BEYOND, Listed, Rank
from airflow_provider_minimax.polling.refusals import carried_over, end_of_round, is_due

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

T = TypeVar("T")

#: Asks for one job by its id.
Ask = Callable[[str], Job]
#: Walks through the jobs of an account, newest first, page by page.
Pages = Callable[[str], Iterable[Sequence[Job]]]
#: Called before each request; may raise, to end a round that nobody wants to know of any more.
Check = Callable[[], None]
#: What was found for an id: the job, or the error that is the service's response to this id alone.
Found = Job | MiniMaxError

#: Seconds after which a shared reader returns with what it has, and is called again for the rest.
_MAX_SECONDS: Final = 2.5
#: The same in the last round before a deadline.
_MAX_LAST_SECONDS: Final = 5.0


class Answers(NamedTuple):
    """What a round has brought: what was found for each id, and the failure that concerns all.

    An id may be missing, where a failure broke the round off, or where it was not its turn. What came late is there
    too, for ids that were not asked for in this round.
    """

    jobs: dict[str, Found]
    failure: MiniMaxError | None = None


class _OutOfTimeError(Exception):
    """The reader has to return; it goes on with the round when it is called again."""


@dataclass(slots=True)
class _Turn:
    """One call of the reader.

    :param until: by the monotonic clock.
    :param refused: in a row, those of the round before first.
    :param jobs: found so far.
    :param listed: ids that the list has called unfinished.
    """

    until: float
    refused: list[MiniMaxError]
    jobs: dict[str, Found] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    #: Of this round, whether or not others followed.
    last_refusal: MiniMaxError | None = None


class _Walk:
    """A walk through the list of an account: how far it has come, and what it still looks for."""

    def __init__(self, open_pages: Callable[[], Iterable[Sequence[Job]]], planned: int, ranks: dict[str, Rank]) -> None:
        self._open_pages = open_pages
        self._pages: Iterator[Sequence[Job]] | None = None
        self.planned = planned
        self.unseen = {job_id for job_id, rank in ranks.items() if rank != BEYOND}
        self.unknown = sum(rank is None for rank in ranks.values())
        self.read = 0
        self.position = 0

    def next_page(self) -> Sequence[Job] | None:
        """Send the next request; None at the end of the list."""
        if self._pages is None:
            self._pages = iter(self._open_pages())
        return next(self._pages, None)

    def note(self, page: Sequence[Job], met: set[str]) -> bool:
        """Note a page and the awaited jobs on it; tell whether another one is worth reading."""
        self.read += 1
        self.position += len(page)
        self.unseen -= met
        self.unknown = min(self.unknown, len(self.unseen))
        return poll_plan.worth_another_page(
            read=self.read, planned=self.planned, unseen=len(self.unseen), unknown=self.unknown, met=len(met)
        )


class Reader:
    """Asks for jobs with as few requests as will answer for all, and remembers where they stand in the list.

    What is refused while the rest is answered (an id, or the list of an account) comes last in the next rounds, and is
    not asked for in each of them. What is slow comes last as well, and is waited for apart. What the list calls
    unfinished for long is asked for by its id now and then: a list may be stale.

    :param kind: the kind of the ids.
    :param ask: asks for one job.
    :param pages: walks through the list of an account.
    :param sender: sends the requests.
    :param seconds: after which ``read`` returns, though the round is not at its end. The same for ``read_last``.
    :param age: seconds for which others have asked for these jobs before.
    :param clock: tells seconds.
    """

    def __init__(
        self,
        kind: Kind,
        ask: Ask,
        pages: Pages,
        check: Check = lambda: None,
        *,
        sender: Sender | None = None,
        seconds: tuple[float, float] = (math.inf, math.inf),
        age: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._ask = ask
        self._pages = pages
        self._check = check
        self._sender = sender or Direct()
        self._seconds, self._last_seconds = seconds
        self._clock = clock
        self._age = age
        # Until the service has shown how many it gives.
        self._page_size = PAGE_SIZE
        self._number = 0
        self._ranks: dict[str, Rank] = {}
        self._accounts: dict[str, str] = {}
        #: How often in a row an id, or the list of an account, was refused; the one that was refused last comes last.
        self._refusals: dict[str, int] = {}
        self._carried: list[MiniMaxError] = []
        self._listed: dict[str, Listed] = {}
        self._walks: dict[str, _Walk] = {}
        #: What the round that is not at its end has still to ask for, and the accounts whose list it has read.
        self._left: dict[str, None] = {}
        self._walked: set[str] = set()

    @classmethod
    def of(cls, client: MiniMaxClient, kind: Kind, check: Check = lambda: None, *, age: float = 0.0) -> Self:
        """Return a reader that asks this client, without repeats, since a wait paces itself.

        Each id names its own account; which one the connection would work on has no say in what may be waited for.
        """
        client = type(client)(replace(client.settings, account=None)).without_repeats()
        return cls(kind, partial(client.get_job, kind), partial(client.iter_job_pages, kind), check, age=age)

    @classmethod
    def shared(
        cls, client: MiniMaxClient, kind: Kind, check: Check, *, patience: float, tell: Callable[[], None]
    ) -> Self:
        """Return a reader for many waits, in which what is slow holds up nothing else.

        :param patience: seconds that a response may take before it is waited for apart.
        :param tell: called, in another thread, when a slow response has come; ``read`` then finds it.
        """
        clients = Clients(type(client)(replace(client.settings, account=None)).without_repeats())
        return cls(
            kind,
            partial(clients.get_job, kind),
            partial(clients.iter_job_pages, kind),
            check,
            sender=Lanes(patience, tell),
            seconds=(_MAX_SECONDS, _MAX_LAST_SECONDS),
        )

    @property
    def is_at_the_end(self) -> bool:
        """Whether the round that was begun last has asked for everything that it could."""
        return not self._left

    def read(self, ids: Collection[str]) -> Answers:
        """Begin a round, or go on with the one that is not at its end.

        A failure that concerns all ends the round, so that a service in trouble is left alone.

        :param ids: full ids, of any account. Without any, only what came late is looked at.
        """
        turn = self._turn(self._seconds)
        failure = None
        try:
            self._take_late(turn)
            if ids:
                self._round(self._begin(ids), turn)
        except MiniMaxError as error:
            self._left.clear()
            failure = error
        if ids and self.is_at_the_end:
            self._carried = carried_over(turn.refused, failure)
        return Answers(turn.jobs, failure or _failure_of_all(turn))

    def read_last(self, ids: Collection[str]) -> Answers:
        """Ask once more for jobs whose deadline has come: by their ids, as far as that can be done at once.

        :param ids: as for ``read``. A round that is not at its end is none the wiser.
        """
        turn = self._turn(self._last_seconds)
        failure = None
        try:
            self._take_late(turn)
            self._know(ids)
            self._last_round(list(ids), turn)
        except MiniMaxError as error:
            failure = error
        return Answers(turn.jobs, failure or _failure_of_all(turn))

    def forget(self, job_id: str) -> None:
        """Forget an id that may not be awaited any more; a reader may live for days."""
        memories: tuple[MutableMapping[str, Any], ...]
        memories = (self._ranks, self._accounts, self._refusals, self._listed, self._left)
        for memory in memories:
            memory.pop(job_id, None)
        self._sender.forget(job_id)

    # A round

    def _turn(self, seconds: float) -> _Turn:
        return _Turn(self._clock() + seconds, list(self._carried))

    def _know(self, ids: Iterable[str]) -> None:
        for job_id in ids:
            if job_id not in self._ranks:
                self._ranks[job_id] = None
                self._accounts[job_id] = parse_id(job_id, self._kind).account

    def _begin(self, ids: Collection[str]) -> list[str]:
        """Return what is to be asked for: the rest of the round that is not at its end, or all in a new one."""
        self._know(ids)
        left = [job_id for job_id in ids if job_id in self._left]
        if left:
            return left
        self._number += 1
        self._left = dict.fromkeys(ids)
        self._walked.clear()
        # A walk that was left in the middle would go on at a place that has moved since.
        self._walks = {name: walk for name, walk in self._walks.items() if self._sender.is_under_way(name)}
        if poll_plan.looks_again(self._number):
            self._ranks = {job_id: None if rank == BEYOND else rank for job_id, rank in self._ranks.items()}
        return list(ids)

    def _round(self, ids: list[str], turn: _Turn) -> None:
        try:
            for account, of_account in self._by_account(ids).items():
                self._read_list(account, of_account, turn)
            due = self._due([job_id for job_id in ids if job_id not in turn.jobs], is_all=not turn.jobs)
            self._left = dict.fromkeys(due)
            for job_id in [*due, *self._doubtful(ids, turn)]:
                self._ask_one(job_id, turn)
                self._left.pop(job_id, None)
        except _OutOfTimeError:
            for job_id in turn.jobs:
                self._left.pop(job_id, None)
        except FullError:
            # What is under way has to be answered first.
            self._left.clear()

    def _last_round(self, ids: list[str], turn: _Turn) -> None:
        try:
            for account, of_account in self._by_account(ids).items():
                if len(of_account) > poll_plan.MAX_LAST:
                    self._read_list(account, of_account, turn)
            listed = [job_id for job_id in ids if job_id in turn.listed]
            due = [job_id for job_id in ids if job_id not in turn.jobs]
            for job_id in [*due, *poll_plan.in_turn(listed, self._number, poll_plan.MAX_LAST)]:
                self._ask_one(job_id, turn)
        except (_OutOfTimeError, FullError):
            return

    def _by_account(self, ids: Collection[str]) -> dict[str, list[str]]:
        grouped: dict[str, list[str]] = {}
        for job_id in ids:
            grouped.setdefault(self._accounts[job_id], []).append(job_id)
        return grouped

    def _due(self, ids: list[str], *, is_all: bool) -> list[str]:
        """Return the ids to ask for: those last that were refused before, and after them those that are slow.

        :param is_all: no other id is awaited; then the pause between two rounds is a break already.
        """
        due = [job_id for job_id in ids if is_due(self._number, self._refusals.get(job_id, 0))]
        refused = {name: place for place, name in enumerate(self._refusals)}
        waiting = [job_id for job_id in due or ids if self._sender.is_under_way(self._accounts[job_id])]
        # The list may yet answer for them, at a fraction of the requests.
        spared = set(waiting).difference(poll_plan.in_turn(waiting, self._number, poll_plan.MAX_MADE_UP))
        return sorted(
            (job_id for job_id in (due or ids if is_all else due) if job_id not in spared),
            key=lambda job_id: (self._sender.is_slow(job_id), refused.get(job_id, -1)),
        )

    def _doubtful(self, ids: Iterable[str], turn: _Turn) -> list[str]:
        # The number of its rounds is the same for each process of a rescheduled wait, its age is not.
        number = self._number + int(self._age)
        listed = {job_id: self._listed[job_id] for job_id in ids if job_id in turn.listed}
        return poll_plan.doubtful(listed, self._clock(), number)

    # Requests

    def _send(self, name: str, request: Callable[[], T], turn: _Turn) -> T:
        self._check()
        if self._clock() >= turn.until:
            raise _OutOfTimeError
        return self._sender.send(name, request)

    def _take_late(self, turn: _Turn) -> None:
        """Take the slow responses that have come since."""
        for name, result in self._sender.take_late():
            walk = self._walks.get(name)
            if walk is None and name not in self._ranks:
                # Nobody waits for it any more.
                continue
            try:
                if walk is not None:
                    self._go_on(name, walk, result(), turn)  # type: ignore[arg-type]
                else:
                    self._found(name, result(), turn)  # type: ignore[arg-type]
            except MiniMaxNotFoundError as error:
                self._found(name, error, turn)
            except MiniMaxError as error:
                self._walks.pop(name, None)
                self._refuse_late(name, error, turn)

    def _refuse_late(self, name: str, error: MiniMaxError, turn: _Turn) -> None:
        """Take a refusal that came late. That there was no response at all says nothing of the other requests."""
        turn.last_refusal = error
        self._refusals[name] = self._refusals.pop(name, 0) + 1
        if error.status is not None and end_of_round([error]):
            raise error
        if name in self._ranks:
            turn.jobs.setdefault(name, error)

    def _ask_one(self, job_id: str, turn: _Turn) -> None:
        if self._sender.is_under_way(self._accounts[job_id]) or self._sender.is_under_way(job_id):
            self._take_late(turn)
            if job_id in turn.jobs or self._sender.is_under_way(job_id):
                return
        try:
            self._found(job_id, self._send(job_id, partial(self._ask, job_id), turn), turn)
        except SlowError:
            return
        except FullError:
            # There may still be room for what is not known to be slow.
            if not self._sender.is_slow(job_id):
                raise
            return
        except MiniMaxNotFoundError as error:
            self._found(job_id, error, turn)
        except MiniMaxError as error:
            self._refuse(job_id, error, turn)
            return
        turn.refused.clear()

    def _found(self, job_id: str, found: Found, turn: _Turn) -> None:
        """Take the response to an id; it is worth more than what the list says."""
        turn.jobs[job_id] = found
        self._refusals.pop(job_id, None)
        if listed := self._listed.get(job_id):
            self._listed[job_id] = listed._replace(checks=listed.checks + 1)

    def _refuse(self, name: str, error: MiniMaxError, turn: _Turn) -> None:
        """Take a refusal for an id or for the list of an account; raise what breaks the round off."""
        turn.refused.append(error)
        turn.last_refusal = error
        failure = end_of_round(turn.refused)
        # It comes last next time, whatever the reason; a break it gets only where the reason is its own.
        self._refusals[name] = self._refusals.pop(name, 0) + (failure is None)
        if failure is not error and name in self._ranks:
            turn.jobs.setdefault(name, error)
        if failure is not None:
            raise failure

    # The list

    def _read_list(self, account: str, ids: list[str], turn: _Turn) -> None:
        if self._sender.is_under_way(account):
            return
        if account not in self._walks and not self._start_walk(account, ids):
            return
        self._walk(account, self._walks[account], ids, turn)

    def _start_walk(self, account: str, ids: list[str]) -> bool:
        """Start to walk through the list where that saves requests."""
        ranks = {job_id: self._ranks[job_id] for job_id in ids}
        planned = poll_plan.pages_worth_reading(ranks.values(), self._page_size)
        if planned == 0 or account in self._walked or not is_due(self._number, self._refusals.get(account, 0)):
            return False
        self._walked.add(account)
        self._walks[account] = _Walk(partial(self._pages, account), planned, ranks)
        return True

    def _walk(self, account: str, walk: _Walk, ids: Sequence[str], turn: _Turn) -> None:
        try:
            while self._take_page(account, walk, self._send(account, walk.next_page, turn), turn):
                pass
        except (SlowError, FullError):
            # What it has not answered for is asked for by id, as far as there is room.
            return
        except MiniMaxAccountOnHoldError as error:
            # The list stands for all jobs of the account.
            del self._walks[account]
            turn.last_refusal = error
            turn.jobs.update(dict.fromkeys((job_id for job_id in ids if job_id not in turn.jobs), error))
        except MiniMaxError as error:
            del self._walks[account]
            self._refuse(account, error, turn)

    def _go_on(self, account: str, walk: _Walk, page: Sequence[Job] | None, turn: _Turn) -> None:
        """Go on with a walk whose page came late."""
        if self._take_page(account, walk, page, turn):
            self._walk(account, walk, (), turn)

    def _take_page(self, account: str, walk: _Walk, page: Sequence[Job] | None, turn: _Turn) -> bool:
        """Take the awaited jobs on a page; tell whether to read the next one."""
        if page is not None:
            met = self._take(page, walk.position, turn)
            if walk.read == 1:
                # The one before was full.
                self._page_size = walk.position
            if walk.note(page, met):
                return True
        del self._walks[account]
        self._refusals.pop(account, None)
        for job_id in walk.unseen:
            # Looked for where it was expected, and not met.
            if job_id in self._ranks:
                self._ranks[job_id] = BEYOND
        return False

    def _take(self, page: Sequence[Job], position: int, turn: _Turn) -> set[str]:
        """Return the awaited jobs on a page."""
        met = set()
        for rank, job in enumerate(page, start=position):
            job_id = str(job.get(f"{self._kind}Id"))
            if job_id not in self._ranks:
                continue
            met.add(job_id)
            self._ranks[job_id] = rank
            turn.jobs[job_id] = job
            if not is_final(job):
                turn.listed.add(job_id)
                if job_id not in self._listed:
                    self._listed[job_id] = Listed(self._clock() - self._age)
        return met


def _failure_of_all(turn: _Turn) -> MiniMaxError | None:
    """Return the passing error, where a round has brought nothing else: it is taken for the service's state."""
    if turn.last_refusal is None or not all(isinstance(found, MiniMaxError) for found in turn.jobs.values()):
        return None
    return None if isinstance(turn.last_refusal, AirflowFailException) else turn.last_refusal
