"""The images of one account: a computed history, and on top of it what was made since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from airflow_provider_minimax.sandbox.catalogue import Catalogue, Image
from airflow_provider_minimax.sandbox.jobs import COMPLETED, FINAL, Job
from airflow_provider_minimax.sandbox.render import Renderer

#: Batches of images made since the start have numbers that no history reaches.
_LATER_BATCH = 10**9


@dataclass(frozen=True)
class Page:
    """One answer of ``GET /images/``, before it is written."""

    items: list[dict[str, Any]]
    has_pre: bool
    has_next: bool
    processing: bool
    total: int

    def answer(self) -> dict[str, Any]:
        """Give the page under the vendor's names."""
        return {
            "images": self.items,
            "hasPre": self.has_pre,
            "hasNext": self.has_next,
            "processing": self.processing,
            "total": self.total,
        }


class ImageShelf:
    """Images by number; the highest number is the newest image."""

    def __init__(self, catalogue: Catalogue, renderer: Renderer) -> None:
        """Start with the history only."""
        self._catalogue = catalogue
        self._renderer = renderer
        self._later: list[tuple[Image, Job | None]] = []
        self._deleted: set[int] = set()
        self._batches = 0

    @property
    def count(self) -> int:
        """Count the numbers in use, deleted ones included."""
        return self._catalogue.size + len(self._later)

    def job(self, number: int) -> Job | None:
        """Give the job that makes an image; the history and arrivals have none."""
        later = number - self._catalogue.size
        return self._later[later][1] if 0 <= later < len(self._later) else None

    def jobs(self) -> Iterator[tuple[int, Job]]:
        """Go through the jobs of this sandbox's life, oldest first."""
        for image, job in self._later:
            if job is not None:
                yield image.number, job

    def image(self, number: int) -> Image:
        """Give an image by number."""
        later = number - self._catalogue.size
        return self._later[later][0] if later >= 0 else self._catalogue.image(number)

    def status(self, number: int, now: float) -> int:
        """Give an image's status at a moment."""
        later = number - self._catalogue.size
        if later < 0:
            return self._catalogue.outcome(number)
        job = self._later[later][1]
        return COMPLETED if job is None else job.status(now)

    def item(self, number: int, now: float) -> dict[str, Any]:
        """Give an image as the API shows it."""
        return self._renderer.image(self.image(number), self.status(number, now), self.job(number), now)

    def create(self, prompt: str, model: str, aspect: str, optimized: bool, jobs: list[Job]) -> list[int]:
        """Put the images of one call at the head of the list."""
        self._batches += 1
        created = self._moment(jobs[0].started)
        numbers = []
        for job in jobs:
            image = Image(self.count, created, prompt, model, aspect, _LATER_BATCH + self._batches, optimized)
            self._later.append((image, job))
            numbers.append(image.number)
        return numbers

    def arrive(self, now: float) -> int:
        """Put one finished image at the head of the list, as if made by hand in a browser."""
        self._batches += 1
        image = self._catalogue.image(self.count, self._moment(now))
        self._later.append((replace(image, batch=_LATER_BATCH + self._batches), None))
        return image.number

    def delete(self, number: int) -> None:
        """Take an image off the list; by id it is still found."""
        self._deleted.add(number)

    def newest_first(self, below: int | None = None) -> Iterator[int]:
        """Go down the list, from a number (not included) or from the head."""
        for number in range(self.count - 1 if below is None else below - 1, -1, -1):
            if number not in self._deleted:
                yield number

    def page(self, limit: int, below: int | None, now: float, *, total_counts: str = "listed") -> Page:
        """Cut a page out of the list."""
        walk = self.newest_first(below)
        items = [self.item(number, now) for number in islice(walk, limit)]
        head = next(self.newest_first(), None)
        return Page(
            items=items,
            has_pre=below is not None and head is not None and head >= below,
            has_next=next(walk, None) is not None if items else False,
            processing=any(job.status(now) not in FINAL for _, job in self.jobs()),
            total=self.count - (len(self._deleted) if total_counts == "listed" else 0),
        )

    def _moment(self, now: float) -> int:
        """Never before the newest image: the list is ordered by time."""
        return max(int(now * 1000), self.image(self.count - 1).created_ms if self.count else 0)
