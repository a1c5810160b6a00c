"""An account: what it owns, what it may still spend, and how a request is declined."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_minimax.sandbox.images import ImageShelf
from airflow_provider_minimax.sandbox.jobs import Job
from airflow_provider_minimax.sandbox.render import Renderer

#: Credits of one image and one video. The vendor's pages name 1 and 25 for the first models; other
#: models cost more, which no client may depend on.
IMAGE_CREDITS = 1
VIDEO_CREDITS = 25


class RefusedError(Exception):
    """A request that the service declines; some of its endpoints leave ``code`` out."""

    def __init__(self, status: int, message: str, *, with_code: bool = True) -> None:
        """Keep what the answer needs."""
        super().__init__(message)
        self.status, self.message, self.with_code = status, message, with_code


@dataclass
class Video:
    """One video and the call that made it."""

    prompt: str
    file_id: str | None
    job: Job
    deleted: bool = False


@dataclass
class Account:
    """One Hailuo account."""

    index: int
    id: str
    images: ImageShelf
    renderer: Renderer
    credits: int
    max_jobs: int
    error: str | None = None
    videos: list[Video] = field(default_factory=list)
    #: Content types of the uploaded files; a deleted one is None.
    files: list[str | None] = field(default_factory=list)

    def running_videos(self, now: float) -> int:
        """Count the videos that occupy a slot; images do not."""
        return sum(video.job.tracked and video.job.running(now) for video in self.videos)

    def usable(self) -> Account:
        """Give this account unless its session is broken, which 596 stands for in the documentation."""
        if self.error is not None:
            raise RefusedError(596, f"Account {self.id}: {self.error}")
        return self

    def room(self, max_jobs: int | None, now: float) -> int:
        """Count the free video slots; a call may set its own limit."""
        return (max_jobs or self.max_jobs) - self.running_videos(now)

    def pay(self, price: int) -> None:
        """Take the price of a job, or refuse."""
        if self.credits < price:
            raise RefusedError(412, f"Account {self.id} has not enough credits: {self.credits} of {price}")
        self.credits -= price
