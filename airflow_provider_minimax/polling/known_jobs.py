"""What a reader remembers of the awaited jobs between two rounds, and which of them a round requests by id."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.polling import poll_plan
from airflow_provider_minimax.polling.poll_plan import NOT_LISTED, ListedUnfinished, Rank
from airflow_provider_minimax.polling.refusals import is_due
from airflow_provider_minimax.polling.senders import Sender


@dataclass(slots=True)
class KnownJob:
    """An awaited job.

    :param account: that owns it.
    :param rank: its place in the list.
    :param listed: since when the list shows it as unfinished, if it does.
    """

    account: str
    rank: Rank = None
    listed: ListedUnfinished | None = None


class KnownJobs:
    """The awaited jobs, and the refusals of their ids and lists.

    :param kind: the kind of the ids.
    """

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
        """Record a refusal of an id or a list.

        :param counts: whether it skips rounds for it; it comes last in the next round in any case.
        """
        self.refusals[name] = self.refusals.pop(name, 0) + counts

    def add_response(self, job_id: str) -> None:
        """Record a response to an id, which replaces what the list shows."""
        self.refusals.pop(job_id, None)
        job = self.by_id.get(job_id)
        if job is not None and job.listed is not None:
            job.listed = job.listed._replace(checks=job.listed.checks + 1)

    def is_due(self, name: str, round_number: int) -> bool:
        """Return whether a round requests an id or a list."""
        return is_due(round_number, self.refusals.get(name, 0))

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
