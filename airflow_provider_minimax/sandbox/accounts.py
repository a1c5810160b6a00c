"""An account: its images, videos and files, its slots, its credits."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.ids import Kind
from airflow_provider_minimax.sandbox.images import ImageList
from airflow_provider_minimax.sandbox.render import Renderer
from airflow_provider_minimax.sandbox.videos import VideoList

#: Credits of one image and one video. The vendor's pages name 1 and 25 for the first models; other
#: models cost more, which no client may depend on.
IMAGE_CREDITS = 1
VIDEO_CREDITS = 25


@dataclass
class Account:
    """One Hailuo account."""

    index: int
    id: str
    images: ImageList
    videos: VideoList
    renderer: Renderer
    credits: int
    max_jobs: int
    error: str | None = None
    #: Content types of the uploaded files; a deleted one is None.
    files: list[str | None] = field(default_factory=list)

    def count(self, kind: Kind) -> int:
        """Return how many numbers of a kind are in use, deleted ones included."""
        if kind in ("image", "image-file"):
            return self.images.count
        return {"video": len(self.videos), "file": len(self.files)}.get(kind, 0)

    def running_videos(self, now: float) -> int:
        """Return how many videos occupy a slot; images occupy none."""
        return sum(job.tracked and job.running(now) for _, job in self.videos.jobs())

    def free_slots(self, max_jobs: int | None, now: float) -> int:
        """Return how many more videos may run; a call may set its own limit."""
        return (max_jobs or self.max_jobs) - self.running_videos(now)

    def check_usable(self) -> Account:
        """Return this account, or refuse: 596 stands for a broken session in the documentation."""
        if self.error is not None:
            raise RefusedError(596, f"Account {self.id}: {self.error}")
        return self

    def charge(self, price: int) -> None:
        """Take the price of a job from the credits, or refuse."""
        if self.credits < price:
            raise RefusedError(412, f"Account {self.id} has not enough credits: {self.credits} of {price}")
        self.credits -= price
