"""The videos of one account: a history of any length, and what was created since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_minimax.sandbox.history import History
from airflow_provider_minimax.sandbox.jobs import COMPLETED, Job
from airflow_provider_minimax.sandbox.listing import Listing
from airflow_provider_minimax.sandbox.render import Renderer


@dataclass(slots=True)
class Video:
    """One video and the job that makes it."""

    prompt: str
    file_id: str | None
    job: Job
    created_ms: int


@dataclass
class VideoChanges:
    """The videos, and what has happened to them since the history.

    :ivar fleeting: those that are gone once they have ended.
    """

    videos: list[Video] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    fleeting: set[int] = field(default_factory=set)


class VideoList(Listing):
    """Videos by number; the highest number is the newest video."""

    key = "videos"

    def __init__(self, history: History, renderer: Renderer) -> None:
        self._history = history
        self._renderer = renderer
        self.changes = VideoChanges()
        for number in range(history.size):
            self._add_ended(history.final_status(number), number, history.image(number).created_ms)

    def __len__(self) -> int:
        return len(self.changes.videos)

    def __iter__(self) -> Iterator[Video]:
        return iter(self.changes.videos)

    def __getitem__(self, number: int) -> Video:
        return self.changes.videos[number]

    @property
    def count(self) -> int:
        """How many numbers are in use, deleted ones included."""
        return len(self.changes.videos)

    def jobs(self) -> Iterator[tuple[int, Job]]:
        """Yield the jobs since the start, oldest first."""
        for number in range(self._history.size, self.count):
            yield number, self.changes.videos[number].job

    def item(self, number: int, now: float) -> dict[str, Any]:
        """Return a video as the API shows it."""
        video = self.changes.videos[number]
        return self._renderer.video(number, video.prompt, video.file_id, video.job, now, video.created_ms)

    def is_gone(self, number: int, now: float) -> bool:
        """Return whether a video has ended, and its prompt asked for it to be gone then."""
        return number in self.changes.fleeting and not self.changes.videos[number].job.running(now)

    def hidden(self, now: float) -> set[int]:
        """Return the numbers that the list does not show."""
        return self.changes.deleted | {number for number in self.changes.fleeting if self.is_gone(number, now)}

    def create(self, prompt: str, file_id: str | None, job: Job) -> int:
        """Put a video at the head of the list."""
        number = self.count
        self.changes.videos.append(Video(prompt, file_id, job, self._create_time(job.started)))
        if job.gone:
            self.changes.fleeting.add(number)
        return number

    def arrive(self, now: float) -> int:
        """Put one completed video at the head of the list, as if created in a browser."""
        self._add_ended(COMPLETED, self.count, self._create_time(now))
        return self.count - 1

    def delete(self, number: int) -> None:
        """Take a video off the list; by id it is still found."""
        self.changes.deleted.add(number)

    def _add_ended(self, status: int, number: int, created_ms: int) -> None:
        job = Job(started=created_ms / 1000, step=0.0, final_status=status, finished=True)
        self.changes.videos.append(Video(self._history.image(number, created_ms).prompt, None, job, created_ms))

    def _create_time(self, now: float) -> int:
        """Return a time that is never before the newest video: the list is ordered by time."""
        return max(int(now * 1000), self.changes.videos[-1].created_ms if self.changes.videos else 0)
