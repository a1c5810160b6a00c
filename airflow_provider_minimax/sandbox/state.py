"""What the service knows: accounts, images, videos, files, and the jobs that run.

Everything here is behind one lock, because the server's thread and the test's both use it. Nothing
here knows of HTTP; a request that is refused raises :class:`RefusedError`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.accounts import IMAGE_CREDITS, VIDEO_CREDITS, Account, RefusedError, Video
from airflow_provider_minimax.sandbox.catalogue import Catalogue
from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.images import ImageShelf, Page
from airflow_provider_minimax.sandbox.jobs import Job, new_job
from airflow_provider_minimax.sandbox.render import Renderer


@dataclass(frozen=True)
class Running:
    """A job as the scheduler lists it."""

    account: Account
    kind: ids.Kind
    number: int
    job: Job

    @property
    def full_id(self) -> str:
        """Give the job's id."""
        return self.account.renderer.full(self.kind, self.number)


class State:
    """The service's memory, from one reset to the next."""

    def __init__(self, config: SandboxConfig, media_origin: str) -> None:
        """Set up the accounts and their histories."""
        self.config = config
        self.lock = threading.RLock()
        #: When the accounts got their sessions and their memberships, which do not change with every look.
        self.began = self.now
        end = int(self.began * 1000) if config.history_end is None else config.history_end
        self.accounts = [self._account(index, end, media_origin) for index in range(config.accounts)]
        self._by_id = {account.id: account for account in self.accounts}

    def _account(self, index: int, end_ms: int, media_origin: str) -> Account:
        config = self.config
        renderer = Renderer(config.user, index, config.seed, media_origin)
        catalogue = Catalogue(
            account=index,
            seed=config.seed,
            size=config.images,
            end_ms=end_ms,
            spacing_ms=config.spacing_seconds * 1000,
            surrogate_at=config.surrogate_at,
        )
        return Account(
            index=index,
            id=ids.account_id(index),
            images=ImageShelf(catalogue, renderer),
            renderer=renderer,
            credits=0 if index in config.accounts_without_credits else config.credits,
            max_jobs=config.max_jobs,
            error="Session expired, please update the account" if index in config.accounts_in_error else None,
        )

    @property
    def now(self) -> float:
        """Give the sandbox's time."""
        return self.config.clock()

    # Accounts

    def configured(self, account: str) -> Account | None:
        """Give an account by id."""
        return self._by_id.get(account)

    def account(self, wanted: str | None) -> Account:
        """Apply the account rule: optional with exactly one account, required with several."""
        if wanted:
            account = self._by_id.get(wanted)
            if account is None:
                raise RefusedError(400, f"Account {wanted} is not configured")
        elif len(self.accounts) == 1:
            account = self.accounts[0]
        elif self.accounts:
            raise RefusedError(400, "Parameter account is required: several accounts are configured")
        else:
            raise RefusedError(400, "No MiniMax account is configured")
        return account.usable()

    def account_with_room(self, max_jobs: int | None) -> Account:
        """Pick an account for a video; the documentation says "randomly", here it is the emptiest."""
        if not self.accounts:
            return self.account(None)
        now = self.now
        usable = [account for account in self.accounts if account.error is None] or [self.accounts[0].usable()]
        best = max(usable, key=lambda account: account.room(max_jobs, now))
        if best.room(max_jobs, now) <= 0:
            raise RefusedError(429, "All configured accounts are running at their maximum of jobs")
        return best

    # Ids

    def find(self, full_id: str) -> tuple[Account, ids.Kind, int] | None:
        """Find what a full id names; None when nothing has this id."""
        full = ids.parse(full_id)
        if full is None or full.user != self.config.user:
            return None
        parts = ids.decode(full.bare, self.config.seed)
        account = self._by_id.get(full.account)
        if parts is None or account is None or account.index != parts.account:
            return None
        kinds = ("file", "image-file") if full.kind == "file" else (full.kind,)
        known = parts.kind in kinds and parts.number < self._count(account, parts.kind)
        return (account, parts.kind, parts.number) if known else None

    def _count(self, account: Account, kind: ids.Kind) -> int:
        if kind in ("image", "image-file"):
            return account.images.count
        return {"video": len(account.videos), "file": len(account.files)}.get(kind, 0)

    def find_job(self, full_id: str) -> Job | None:
        """Give the job behind an image or video id."""
        found = self.find(full_id)
        if found is None:
            return None
        account, kind, number = found
        if kind == "video":
            return account.videos[number].job
        return account.images.job(number) if kind == "image" else None

    def check_file(self, file_id: object, account: Account) -> None:
        """Refuse a file that is malformed, unknown, deleted or another account's."""
        found = self.find(file_id) if isinstance(file_id, str) else None
        if found is None:
            raise RefusedError(400, f"File {file_id} not found")
        owner, kind, number = found
        if kind not in ("file", "image-file") or (kind == "file" and owner.files[number] is None):
            raise RefusedError(400, f"File {file_id} not found")
        if owner is not account:
            raise RefusedError(400, f"File {file_id} belongs to account {owner.id}, not to {account.id}")

    # Images

    def images_page(self, account: Account, limit: int, cursor: str | None) -> Page:
        """Give a page of the list; ``cursor`` is ``lastImageId`` as it came."""
        with self.lock:
            below = self._below(account, cursor) if cursor else None
            return account.images.page(limit, below, self.now, total_counts=self.config.total_counts)

    def _below(self, account: Account, cursor: str) -> int | None:
        """Give the number that a page stays below; None for the first page."""
        number = self._cursor(account, cursor)
        if number is not None:
            return number if self.config.cursor == "exclusive" else number + 1
        if self.config.bad_cursor == "error":
            raise RefusedError(400, f"Image {cursor} not found")
        return 0 if self.config.bad_cursor == "empty" else None

    def _cursor(self, account: Account, cursor: str) -> int | None:
        form = self.config.cursor_form
        if ":" in cursor:
            found = self.find(cursor) if form != "bare" else None
            return found[2] if found and found[0] is account and found[1] == "image" else None
        parts = ids.decode(cursor, self.config.seed) if form != "full" else None
        if parts is None or parts.kind != "image" or parts.account != account.index:
            return None
        return parts.number if parts.number < account.images.count else None

    def create_images(
        self,
        account: Account,
        *,
        prompt: str,
        model: str = "image-01",
        aspect: str = "16:9",
        optimized: bool = True,
        quantity: int = 1,
        reply_url: str | None = None,
        reply_ref: str | None = None,
    ) -> list[str]:
        """Start a batch and give its full ids."""
        with self.lock:
            account.pay(IMAGE_CREDITS * quantity)
            jobs = [self._job(prompt, position, reply_url, reply_ref) for position in range(1, quantity + 1)]
            numbers = account.images.create(prompt, model, aspect, optimized, jobs)
            return [account.renderer.full("image", number) for number in numbers]

    def arrive(self, account: Account, count: int) -> list[str]:
        """Let finished images appear at the head of the list."""
        with self.lock:
            return [account.renderer.full("image", account.images.arrive(self.now)) for _ in range(count)]

    # Videos

    def create_video(
        self,
        account: Account,
        *,
        prompt: str,
        file_id: str | None,
        max_jobs: int | None = None,
        reply_url: str | None = None,
        reply_ref: str | None = None,
    ) -> str:
        """Start a video and give its full id."""
        with self.lock:
            if account.room(max_jobs, self.now) <= 0:
                raise RefusedError(429, f"Account {account.id} is running at its maximum of jobs")
            account.pay(VIDEO_CREDITS)
            account.videos.append(Video(prompt, file_id, self._job(prompt, 1, reply_url, reply_ref)))
            return account.renderer.full("video", len(account.videos) - 1)

    def video(self, account: Account, number: int) -> dict[str, Any] | None:
        """Give a video; None once it was removed after its end."""
        video = account.videos[number]
        if video.job.gone and not video.job.running(self.now):
            return None
        return account.renderer.video(number, video.prompt, video.file_id, video.job, self.now)

    def videos(self, account: Account, limit: int, below: int | None) -> list[dict[str, Any]]:
        """List videos, newest first."""
        numbers = range(len(account.videos) - 1 if below is None else below - 1, -1, -1)
        shown = (self.video(account, number) for number in numbers if not account.videos[number].deleted)
        return list(islice(filter(None, shown), limit))

    # The scheduler

    def running(self) -> Iterator[Running]:
        """Go through the jobs that the scheduler follows."""
        now = self.now
        for account in self.accounts:
            for number, job in account.images.jobs():
                if job.tracked and job.running(now):
                    yield Running(account, "image", number, job)
            for number, video in enumerate(account.videos):
                if video.job.tracked and video.job.running(now):
                    yield Running(account, "video", number, video.job)

    def _job(self, prompt: str, position: int, reply_url: str | None, reply_ref: str | None) -> Job:
        job = new_job(prompt, position, self.now, self.config.step_seconds)
        job.reply_url, job.reply_ref = reply_url, reply_ref
        return job
