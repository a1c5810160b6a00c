"""The images of one account: a computed history, and on top of it what was created since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_minimax.sandbox.history import History, Image
from airflow_provider_minimax.sandbox.jobs import COMPLETED, Job
from airflow_provider_minimax.sandbox.listing import Listing
from airflow_provider_minimax.sandbox.render import Renderer

#: Batches created since the start have numbers that no history reaches.
_FIRST_NEW_BATCH = 10**9


@dataclass
class ImageChanges:
    """What has happened to the images since the history."""

    new: list[tuple[Image, Job | None]] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    batches: int = 0


class ImageList(Listing):
    """Images by number; the highest number is the newest image."""

    key = "images"

    def __init__(self, history: History, renderer: Renderer) -> None:
        self._history = history
        self._renderer = renderer
        self.changes = ImageChanges()

    @property
    def count(self) -> int:
        """How many numbers are in use, deleted ones included."""
        return self._history.size + len(self.changes.new)

    def job(self, number: int) -> Job | None:
        """Return the job that makes an image; those of the history and arrivals have none."""
        return self.changes.new[number - self._history.size][1] if self._history.size <= number < self.count else None

    def jobs(self) -> Iterator[tuple[int, Job]]:
        """Yield the jobs since the start, oldest first."""
        for image, job in self.changes.new:
            if job is not None:
                yield image.number, job

    def image(self, number: int) -> Image:
        """Return an image by number."""
        new = number - self._history.size
        return self.changes.new[new][0] if new >= 0 else self._history.image(number)

    def status(self, number: int, now: float) -> int:
        """Return the status of an image at a moment."""
        if number < self._history.size:
            return self._history.final_status(number)
        job = self.job(number)
        return COMPLETED if job is None else job.status(now)

    def item(self, number: int, now: float) -> dict[str, Any]:
        """Return an image as the API shows it."""
        return self._renderer.image(self.image(number), self.status(number, now), self.job(number), now)

    def create(self, prompt: str, model: str, aspect: str, optimized: bool, jobs: list[Job]) -> list[int]:
        """Put the images of one create at the head of the list, one for each job."""
        self.changes.batches += 1
        created = self._create_time(jobs[0].started)
        numbers = []
        for job in jobs:
            image = Image(
                self.count, created, prompt, model, aspect, _FIRST_NEW_BATCH + self.changes.batches, optimized
            )
            self.changes.new.append((image, job))
            numbers.append(image.number)
        return numbers

    def arrive(self, now: float) -> int:
        """Put one completed image at the head of the list, as if created in a browser."""
        self.changes.batches += 1
        image = self._history.image(self.count, self._create_time(now))
        self.changes.new.append((replace(image, batch=_FIRST_NEW_BATCH + self.changes.batches), None))
        return image.number

    def delete(self, number: int) -> None:
        """Take an image off the list; by id it is still found."""
        self.changes.deleted.add(number)

    def hidden(self, now: float) -> set[int]:  # noqa: ARG002 - nothing but a delete hides an image
        """Return the numbers that the list does not show."""
        return self.changes.deleted

    def _create_time(self, now: float) -> int:
        """Return a time that is never before the newest image: the list is ordered by time."""
        return max(int(now * 1000), self.image(self.count - 1).created_ms if self.count else 0)
