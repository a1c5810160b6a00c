"""One walk through the list of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.polling import poll_plan
from airflow_provider_minimax.polling.poll_plan import NOT_LISTED, Rank


class ListWalk:
    """Reads the list of an account page by page, and knows which awaited jobs it still has to find.

    :param open_pages: opens the list at its newest job.
    :param planned: pages that are worth reading.
    :param ranks: the known place of each awaited job.
    """

    def __init__(
        self, open_pages: Callable[[], Iterable[Sequence[Job]]], planned: int, ranks: Mapping[str, Rank]
    ) -> None:
        self._open_pages = open_pages
        self._pages: Iterator[Sequence[Job]] | None = None
        self._planned = planned
        self._never_searched = sum(rank is None for rank in ranks.values())
        #: Awaited jobs that the list may show and that are not found yet.
        self.missing = {job_id for job_id, rank in ranks.items() if rank != NOT_LISTED}
        self.pages_read = 0
        self.jobs_read = 0

    def next_page(self) -> Sequence[Job] | None:
        """Request the next page; None at the end of the list."""
        if self._pages is None:
            self._pages = iter(self._open_pages())
        return next(self._pages, None)

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
