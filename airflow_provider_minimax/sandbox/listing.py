"""The list of an account's images or videos, page by page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from airflow_provider_minimax.sandbox.jobs import Job


class Listing(ABC):
    """Items by number; the highest number is the newest item."""

    #: The key of the items in a page.
    key: ClassVar[str]

    @property
    @abstractmethod
    def count(self) -> int:
        """How many numbers are in use, deleted ones included."""

    @abstractmethod
    def jobs(self) -> Iterator[tuple[int, Job]]:
        """Yield the jobs since the start, oldest first."""

    @abstractmethod
    def item(self, number: int, now: float) -> dict[str, Any]:
        """Return an item as the API shows it."""

    @abstractmethod
    def hidden(self, now: float) -> set[int]:
        """Return the numbers that the list does not show."""

    def newest_first(self, now: float, below: int | None = None) -> Iterator[int]:
        """Yield the numbers of the list, from the head or from below a number."""
        hidden = self.hidden(now)
        for number in range(self.count - 1 if below is None else below - 1, -1, -1):
            if number not in hidden:
                yield number

    def page(self, limit: int, below: int | None, now: float, *, total_counts: str) -> dict[str, Any]:
        """Return one page of the list as the API shows it."""
        numbers = self.newest_first(now, below)
        items = [self.item(number, now) for number in islice(numbers, limit)]
        head = next(self.newest_first(now), None)
        return {
            self.key: items,
            "hasPre": below is not None and head is not None and head >= below,
            "hasNext": next(numbers, None) is not None if items else False,
            "processing": any(job.running(now) for _, job in self.jobs()),
            "total": self.count - (len(self.hidden(now)) if total_counts == "listed" else 0),
        }
