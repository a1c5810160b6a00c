"""One round of asking for all awaited jobs of a connection. The driver brings the ways to ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.api.parameters import PAGE_SIZE
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.waiting.plan import BEYOND, Rank, looks_again, pages_worth_reading, worth_another_page
from airflow_provider_minimax.waiting.refusals import end_of_round, is_due

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

#: Asks for one job by its id.
Ask = Callable[[str], Job]
#: Walks through the jobs of an account, newest first, page by page.
Pages = Callable[[str], Iterable[Sequence[Job]]]
#: Called before each request; may raise, to end a round that nobody wants to know of any more.
Check = Callable[[], None]
#: What was found for an id: the job, or the error that is the service's answer to this id alone.
Found = Job | MiniMaxError


class Answers(NamedTuple):
    """What a round has brought: what was found for each id, and the failure that concerns all.

    An id may be missing, where a failure broke the round off, or where it was not its turn.
    """

    jobs: dict[str, Found]
    failure: MiniMaxError | None = None


class Reader:
    """Asks for jobs with as few requests as will answer for all, and remembers where they stand in the list.

    What is refused while the rest is answered (an id, or the list of an account) comes last in the next rounds, and is
    not asked for in each of them.

    :param kind: the kind of the ids.
    :param ask: asks for one job.
    :param pages: walks through the list of an account.
    """

    def __init__(self, kind: Kind, ask: Ask, pages: Pages, check: Check = lambda: None) -> None:
        self._kind = kind
        self._ask = ask
        self._pages = pages
        self._check = check
        # Until the service has shown how many it gives.
        self._page_size = PAGE_SIZE
        self._number = 0
        self._ranks: dict[str, Rank] = {}
        self._accounts: dict[str, str] = {}
        #: How often in a row an id, or the list of an account, was refused.
        self._refusals: dict[str, int] = {}

    @classmethod
    def of(cls, client: MiniMaxClient, kind: Kind, check: Check = lambda: None) -> Self:
        """Return a reader that asks this client, without repeats, since a wait paces itself.

        Each id names its own account; which one the connection would work on has no say in what may be waited for.
        """
        client = type(client)(replace(client.settings, account=None)).without_repeats()
        return cls(kind, partial(client.get_job, kind), partial(client.iter_job_pages, kind), check)

    def read(self, ids: Collection[str]) -> Answers:
        """Ask for jobs. A failure that concerns all ends the round, so that a service in trouble is left alone.

        :param ids: full ids, of any account.
        """
        self._begin(ids)
        jobs: dict[str, Found] = {}
        refused: list[MiniMaxError] = []
        try:
            for account, of_account in self._by_account(ids).items():
                self._read_list(account, of_account, jobs, refused)
            for job_id in self._due([job_id for job_id in ids if job_id not in jobs], is_all=not jobs):
                self._ask_one(job_id, jobs, refused)
        except MiniMaxError as failure:
            return Answers(jobs, failure)
        return Answers(jobs, _failure_of_all(jobs, refused))

    def _begin(self, ids: Collection[str]) -> None:
        self._number += 1
        for job_id in ids:
            if job_id not in self._ranks:
                self._ranks[job_id] = None
                self._accounts[job_id] = parse_id(job_id, self._kind).account
        if looks_again(self._number):
            self._ranks = {job_id: None if rank == BEYOND else rank for job_id, rank in self._ranks.items()}

    def forget(self, job_id: str) -> None:
        """Forget an id that may not be awaited any more; a reader may live for days."""
        for memory in (self._ranks, self._accounts, self._refusals):
            memory.pop(job_id, None)

    def _by_account(self, ids: Collection[str]) -> dict[str, list[str]]:
        grouped: dict[str, list[str]] = {}
        for job_id in ids:
            grouped.setdefault(self._accounts[job_id], []).append(job_id)
        return grouped

    def _due(self, ids: list[str], *, is_all: bool) -> list[str]:
        """Return the ids to ask for, those last that were refused before.

        :param is_all: no other id is awaited; then the pause between two rounds is a break already.
        """
        due = [job_id for job_id in ids if is_due(self._number, self._refusals.get(job_id, 0))]
        return sorted(due or ids if is_all else due, key=self._refusals.__contains__)

    def _ask_one(self, job_id: str, jobs: dict[str, Found], refused: list[MiniMaxError]) -> None:
        self._check()
        try:
            jobs[job_id] = self._ask(job_id)
        except MiniMaxNotFoundError as error:
            jobs[job_id] = error
        except MiniMaxError as error:
            self._refuse(job_id, error, refused)
            jobs[job_id] = error
            return
        self._refusals.pop(job_id, None)
        refused.clear()

    def _refuse(self, name: str, error: MiniMaxError, refused: list[MiniMaxError]) -> None:
        """Take a refusal for an id or for the list of an account; raise what breaks the round off."""
        refused.append(error)
        # It comes last next time, whatever the reason; a break it gets only where the reason is its own.
        self._refusals.setdefault(name, 0)
        if failure := end_of_round(refused):
            raise failure
        self._refusals[name] += 1

    def _read_list(self, account: str, ids: list[str], jobs: dict[str, Found], refused: list[MiniMaxError]) -> None:
        planned = pages_worth_reading((self._ranks[job_id] for job_id in ids), self._page_size)
        if planned == 0 or not is_due(self._number, self._refusals.get(account, 0)):
            return
        try:
            self._walk(account, ids, planned, jobs)
        except MiniMaxError as error:
            # What it has not answered for is asked for by id.
            self._refuse(account, error, refused)
        else:
            self._refusals.pop(account, None)

    def _walk(self, account: str, ids: list[str], planned: int, jobs: dict[str, Found]) -> None:
        awaited = set(ids)
        unseen = {job_id for job_id in ids if self._ranks[job_id] != BEYOND}
        unknown = sum(self._ranks[job_id] is None for job_id in unseen)
        position = 0
        self._check()
        for read, page in enumerate(self._pages(account), start=1):
            met = self._take(page, position, awaited, jobs)
            unseen -= met
            unknown = min(unknown, len(unseen))
            if read == 2:
                # The one before was full.
                self._page_size = position
            position += len(page)
            if not worth_another_page(read=read, planned=planned, unseen=len(unseen), unknown=unknown, met=len(met)):
                break
            self._check()
        for job_id in unseen:
            # Looked for where it was expected, and not met.
            self._ranks[job_id] = BEYOND

    def _take(self, page: Sequence[Job], position: int, awaited: set[str], jobs: dict[str, Found]) -> set[str]:
        """Return the awaited jobs on a page."""
        met = set()
        for rank, job in enumerate(page, start=position):
            job_id = str(job.get(f"{self._kind}Id"))
            if job_id in awaited:
                met.add(job_id)
                jobs[job_id] = job
                self._ranks[job_id] = rank
        return met


def _failure_of_all(jobs: dict[str, Found], refused: Sequence[MiniMaxError]) -> MiniMaxError | None:
    """Return the passing error, where a round has brought nothing else: it is taken for the service's state."""
    if not refused or not all(isinstance(found, MiniMaxError) for found in jobs.values()):
        return None
    return None if isinstance(refused[-1], AirflowFailException) else refused[-1]
