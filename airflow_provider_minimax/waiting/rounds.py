"""One round of asking for all awaited jobs of a connection. The driver brings the ways to ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.waiting.plan import BEYOND, Rank, pages_worth_reading, worth_another_page

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

#: Asks for one job by its id.
Ask = Callable[[str], Job]
#: Walks through the jobs of an account, newest first, page by page.
Pages = Callable[[str], Iterable[Sequence[Job]]]

#: Jobs on a page, until the service has shown how many it gives.
_FIRST_GUESS: Final = 100


class Answers(NamedTuple):
    """What a round has brought: a job or its absence for each id, and the failure that broke the round off."""

    jobs: dict[str, Job | MiniMaxNotFoundError]
    failure: MiniMaxError | None = None


class Reader:
    """Asks for jobs with as few requests as will answer for all, and remembers where they stand in the list.

    :param kind: the kind of the ids.
    :param ask: asks for one job.
    :param pages: walks through the list of an account.
    """

    def __init__(self, kind: Kind, ask: Ask, pages: Pages) -> None:
        self._kind = kind
        self._ask = ask
        self._pages = pages
        self._page_size = _FIRST_GUESS
        self._ranks: dict[str, Rank] = {}

    @classmethod
    def of(cls, client: MiniMaxClient, kind: Kind) -> Self:
        """Return a reader that asks this client, without repeats: a wait paces itself."""
        client = client.without_repeats()
        return cls(kind, partial(client.get_job, kind), partial(client.iter_job_pages, kind))

    def read(self, ids: Collection[str]) -> Answers:
        """Ask for jobs; the first failure ends the round, so that a service in trouble gets one request.

        :param ids: full ids, of any account.
        """
        self._ranks = {job_id: self._ranks.get(job_id) for job_id in ids}
        answers = Answers({})
        try:
            for account, of_account in self._by_account(ids).items():
                self._read_list(account, of_account, answers)
            for job_id in ids:
                if job_id not in answers.jobs:
                    answers.jobs[job_id] = self._ask_one(job_id)
        except MiniMaxError as failure:
            return answers._replace(failure=failure)
        return answers

    def _by_account(self, ids: Collection[str]) -> dict[str, list[str]]:
        accounts: dict[str, list[str]] = {}
        for job_id in ids:
            accounts.setdefault(parse_id(job_id, self._kind).account, []).append(job_id)
        return accounts

    def _ask_one(self, job_id: str) -> Job | MiniMaxNotFoundError:
        try:
            return self._ask(job_id)
        except MiniMaxNotFoundError as error:
            return error

    def _read_list(self, account: str, ids: list[str], answers: Answers) -> None:
        planned = pages_worth_reading((self._ranks[job_id] for job_id in ids), self._page_size)
        if planned == 0:
            return
        unseen = {job_id for job_id in ids if self._ranks[job_id] != BEYOND}
        unknown = sum(self._ranks[job_id] is None for job_id in unseen)
        position = 0
        for read, page in enumerate(self._pages(account), start=1):
            met = self._take(page, position, unseen, answers)
            unknown = min(unknown, len(unseen))
            position += len(page)
            if read == 1:
                self._page_size = len(page)
            if not worth_another_page(read=read, planned=planned, unseen=len(unseen), unknown=unknown, met=met):
                break
        for job_id in unseen:
            # Looked for where it was expected, and not met.
            self._ranks[job_id] = BEYOND

    def _take(self, page: Sequence[Job], position: int, unseen: set[str], answers: Answers) -> int:
        met = 0
        for rank, job in enumerate(page, start=position):
            job_id = str(job.get(f"{self._kind}Id"))
            if job_id in unseen:
                unseen.discard(job_id)
                answers.jobs[job_id] = job
                self._ranks[job_id] = rank
                met += 1
        return met
