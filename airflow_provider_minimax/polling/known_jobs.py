"""What a reader remembers between two calls: the awaited jobs, and its walks through the lists of accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.polling import poll_plan
from airflow_provider_minimax.polling.poll_plan import NOT_LISTED, ListedUnfinished, Rank
from airflow_provider_minimax.polling.senders import Sender


@dataclass(slots=True)
class KnownJob:
    """An awaited job: its account, its place in the list, and since when the list shows it as unfinished."""

    account: str
    rank: Rank = None
    listed: ListedUnfinished | None = None


class KnownJobs:
    """The awaited jobs, and the refusals of their ids and lists."""

    def __init__(self, kind: Kind) -> None:
        self._kind: Final = kind
        self.by_id: dict[str, KnownJob] = {}
        #: How often in a row an id, or the list of an account, was refused; the latest refusal comes last.
        self.refusals: dict[str, int] = {}

    def add(self, ids: Iterable[str]) -> None:
        """Add the ids that are new."""
        for job_id in ids:
            if job_id not in self.by_id:
                self.by_id[job_id] = KnownJob(parse_id(job_id, self._kind).account)

    def forget(self, job_id: str) -> None:
        """Forget an id."""
        self.by_id.pop(job_id, None)
        self.refusals.pop(job_id, None)

    def add_refusal(self, name: str, *, counts: bool = True) -> None:
        """Record a refusal of an id or a list: it comes last in the next round, and skips rounds if this counts."""
        self.refusals[name] = self.refusals.pop(name, 0) + counts

    def add_response(self, job_id: str) -> None:
        """Record a response to an id, which replaces what the list shows."""
        self.refusals.pop(job_id, None)
        job = self.by_id.get(job_id)
        if job is not None and job.listed is not None:
            job.listed = job.listed._replace(checks=job.listed.checks + 1)

    def is_due(self, name: str, round_number: int) -> bool:
        """Return whether a round requests an id or a list."""
        return poll_plan.is_due(round_number, self.refusals.get(name, 0))

    def set_not_listed(self, ids: Iterable[str]) -> None:
        """Record that a search of the list did not find some ids."""
        for job_id in ids:
            if job_id in self.by_id:
                self.by_id[job_id].rank = NOT_LISTED

    def search_again(self) -> None:
        """Let the next walk search the list for the jobs that it did not show."""
        for job in self.by_id.values():
            if job.rank == NOT_LISTED:
                job.rank = None

    def group_by_account(self, ids: Collection[str]) -> dict[str, list[str]]:
        """Return the ids of each account."""
        grouped: dict[str, list[str]] = {}
        for job_id in ids:
            grouped.setdefault(self.by_id[job_id].account, []).append(job_id)
        return grouped

    def select_due(self, ids: list[str], round_number: int, sender: Sender, *, is_all: bool) -> list[str]:
        """Return the ids to request, in this order: healthy, refused before, slow.

        :param is_all: no other id is awaited; the interval between two rounds then spares the service enough.
        """
        due = [job_id for job_id in ids if self.is_due(job_id, round_number)]
        place = {name: number for number, name in enumerate(self.refusals)}
        without_list = [job_id for job_id in due or ids if sender.is_pending(self.by_id[job_id].account)]
        # The list may still arrive, and needs far fewer requests.
        spared = set(without_list).difference(
            poll_plan.sample_ids(without_list, round_number, poll_plan.MAX_BY_ID_WITHOUT_LIST)
        )
        return sorted(
            (job_id for job_id in (due or ids if is_all else due) if job_id not in spared),
            key=lambda job_id: (sender.is_slow(job_id), place.get(job_id, -1)),
        )

    def select_checks(self, unfinished: Iterable[str], now: float, seed: int) -> list[str]:
        """Return the ids to request although the list shows them as unfinished; see ``poll_plan.due_checks``."""
        listed = {job_id: self.by_id[job_id].listed for job_id in unfinished}
        return poll_plan.due_checks({job_id: one for job_id, one in listed.items() if one}, now, seed)


class ListWalk:
    """Reads the list of an account page by page, and knows which awaited jobs it still has to find.

    :param pages: from the newest job on.
    :param planned: pages that are worth reading.
    :param ranks: the known place of each awaited job.
    """

    def __init__(self, pages: Iterable[Sequence[Job]], planned: int, ranks: Mapping[str, Rank]) -> None:
        self.pages = iter(pages)
        self._planned = planned
        self._never_searched = sum(rank is None for rank in ranks.values())
        #: Awaited jobs that the list may show and that are not found yet.
        self.missing = {job_id for job_id, rank in ranks.items() if rank != NOT_LISTED}
        self.pages_read = 0
        self.jobs_read = 0

    def add_page(self, page: Sequence[Job], found: set[str]) -> bool:
        """Count a page and return whether to read the next one.

        :param found: the awaited jobs on it.
        """
        self.pages_read += 1
        self.jobs_read += len(page)
        self.missing -= found
        self._never_searched = min(self._never_searched, len(self.missing))
        return poll_plan.should_read_next_page(
            read=self.pages_read,
            planned=self._planned,
            missing=len(self.missing),
            never_searched=self._never_searched,
            found=len(found),
        )
