"""What the service knows: accounts, images, videos, files, and the running jobs.

One lock guards all of it, because the server's thread and the test's both use it. Nothing here knows
HTTP; a request that is declined raises :class:`RefusedError`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.accounts import IMAGE_CREDITS, VIDEO_CREDITS, Account
from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.history import History
from airflow_provider_minimax.sandbox.images import ImageList
from airflow_provider_minimax.sandbox.jobs import Job, new_job
from airflow_provider_minimax.sandbox.render import Renderer
from airflow_provider_minimax.sandbox.videos import VideoList

#: What has a list.
Listed = Literal["image", "video"]


class Located(NamedTuple):
    """What a full id names."""

    account: Account
    kind: ids.Kind
    number: int


class RunningJob(NamedTuple):
    """A job as the scheduler lists it."""

    kind: ids.Kind
    full_id: str
    job: Job


class State:
    """The service's memory, from one reset to the next."""

    def __init__(self, config: SandboxConfig, media_origin: str) -> None:
        self.config = config
        self.lock = threading.RLock()
        #: When the accounts got their sessions and memberships, which stay the same from call to call.
        self.began = self.now
        self.history_end = int(self.began * 1000) if config.history_end is None else config.history_end
        self.accounts = [self._new_account(index, media_origin) for index in range(config.accounts)]
        self._by_id = {account.id: account for account in self.accounts}

    def _new_account(self, index: int, media_origin: str) -> Account:
        config = self.config
        renderer = Renderer(config, index, media_origin)
        history = History(
            account=index,
            seed=config.seed,
            size=config.images,
            end_ms=self.history_end,
            spacing_ms=config.spacing_seconds * 1000,
            surrogate_at=config.surrogate_at,
        )
        videos = replace(history, seed=config.seed + 500, size=config.videos, surrogate_at=None)
        return Account(
            index=index,
            id=ids.account_id(index),
            images=ImageList(history, renderer),
            videos=VideoList(videos, renderer),
            renderer=renderer,
            credits=0 if index in config.accounts_without_credits else config.credits,
            max_jobs=config.max_jobs,
            error="Session expired, please update the account" if index in config.accounts_in_error else None,
        )

    @property
    def now(self) -> float:
        """The sandbox's time, in seconds since the epoch."""
        return self.config.clock()

    # Accounts

    def configured(self, account_id: str) -> Account | None:
        """Return an account by id, whatever its health."""
        return self._by_id.get(account_id)

    def account(self, account_id: str | None) -> Account:
        """Apply the account rule: optional with exactly one account, required with several."""
        if account_id:
            account = self._by_id.get(account_id)
            if account is None:
                raise RefusedError(400, f"Account {account_id} is not configured")
        elif len(self.accounts) == 1:
            account = self.accounts[0]
        elif self.accounts:
            raise RefusedError(400, "Parameter account is required: several accounts are configured")
        else:
            raise RefusedError(400, "No MiniMax account is configured")
        return account.check_usable()

    def account_with_free_slot(self, max_jobs: int | None) -> Account:
        """Pick an account for a video; the documentation says "randomly", here it is the least busy one."""
        if not self.accounts:
            return self.account(None)
        now = self.now
        usable = [account for account in self.accounts if account.error is None] or [self.accounts[0].check_usable()]
        best = max(usable, key=lambda account: account.free_slots(max_jobs, now))
        if best.free_slots(max_jobs, now) <= 0:
            raise RefusedError(429, "All configured accounts are running at their maximum of jobs")
        return best

    # Ids

    def locate(self, full_id: str, *kinds: ids.Kind) -> Located | None:
        """Return what a full id names; None when nothing of these kinds has it."""
        full = ids.parse(full_id)
        if full is None or full.user != self.config.user:
            return None
        parts = ids.decode(full.bare, self.config.seed)
        account = self._by_id.get(full.account)
        if parts is None or account is None or account.index != parts.account:
            return None
        if parts.kind not in kinds or full.kind != ids.SPELLED[parts.kind]:
            return None
        return Located(account, parts.kind, parts.number) if parts.number < account.count(parts.kind) else None

    def find_job(self, full_id: str) -> Job | None:
        """Return the job that makes an image or a video."""
        located = self.locate(full_id, "image", "video")
        if located is None:
            return None
        account, kind, number = located
        return account.videos[number].job if kind == "video" else account.images.job(number)

    def check_file(self, file_id: object, account: Account) -> None:
        """Refuse a file that is malformed, unknown, deleted or another account's."""
        located = self.locate(file_id, "file", "image-file") if isinstance(file_id, str) else None
        if located is None or (located.kind == "file" and located.account.files[located.number] is None):
            raise RefusedError(400, f"File {file_id} not found")
        if located.account is not account:
            raise RefusedError(400, f"File {file_id} belongs to account {located.account.id}, not to {account.id}")

    # Lists

    def page(self, kind: Listed, account: Account, limit: int, cursor: str | None) -> dict[str, Any]:
        """Return a page of the list; ``cursor`` is ``lastImageId`` or ``lastVideoId`` as it came."""
        with self.lock:
            below = self._below(kind, account, cursor) if cursor else None
            listing = account.images if kind == "image" else account.videos
            return listing.page(limit, below, self.now, total_counts=self.config.total_counts)

    def _below(self, kind: Listed, account: Account, cursor: str) -> int | None:
        """Return the number that a page stays below; None for the first page."""
        number = self._cursor_number(kind, account, cursor)
        if number is not None:
            return number if self.config.cursor == "exclusive" else number + 1
        if self.config.bad_cursor == "error":
            raise RefusedError(400, f"{kind.capitalize()} {cursor} not found")
        return 0 if self.config.bad_cursor == "empty" else None

    def _cursor_number(self, kind: Listed, account: Account, cursor: str) -> int | None:
        form = self.config.cursor_form
        if ":" in cursor:
            located = self.locate(cursor, kind) if form != "bare" else None
            return located.number if located and located.account is account else None
        parts = ids.decode(cursor, self.config.seed) if form != "full" else None
        if parts is None or parts.kind != kind or parts.account != account.index:
            return None
        return parts.number if parts.number < account.count(kind) else None

    # Images

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
        """Start a batch and return its full ids."""
        with self.lock:
            account.charge(IMAGE_CREDITS * quantity)
            jobs = [self._new_job(prompt, position, reply_url, reply_ref) for position in range(1, quantity + 1)]
            numbers = account.images.create(prompt, model, aspect, optimized, jobs)
            return [account.renderer.full_id("image", number) for number in numbers]

    def arrive(self, account: Account, count: int, kind: Listed = "image") -> list[str]:
        """Let completed images or videos appear at the head of the list; return their full ids."""
        listing = account.images if kind == "image" else account.videos
        with self.lock:
            return [account.renderer.full_id(kind, listing.arrive(self.now)) for _ in range(count)]

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
        """Start a video and return its full id."""
        with self.lock:
            if account.free_slots(max_jobs, self.now) <= 0:
                raise RefusedError(429, f"Account {account.id} is running at its maximum of jobs")
            account.charge(VIDEO_CREDITS)
            number = account.videos.create(prompt, file_id, self._new_job(prompt, 1, reply_url, reply_ref))
            return account.renderer.full_id("video", number)

    def video(self, account: Account, number: int) -> dict[str, Any] | None:
        """Return a video; None once it ended and its prompt asked for it to be gone."""
        return None if account.videos.is_gone(number, self.now) else account.videos.item(number, self.now)

    # The scheduler

    def running_jobs(self) -> Iterator[RunningJob]:
        """Yield the jobs that the scheduler follows."""
        now = self.now
        for account in self.accounts:
            for number, job in account.images.jobs():
                if job.tracked and job.running(now):
                    yield RunningJob("image", account.renderer.full_id("image", number), job)
            for number, job in account.videos.jobs():
                if job.tracked and job.running(now):
                    yield RunningJob("video", account.renderer.full_id("video", number), job)

    def _new_job(self, prompt: str, position: int, reply_url: str | None, reply_ref: str | None) -> Job:
        job = new_job(prompt, position, self.now, self.config.step_seconds)
        job.reply_url, job.reply_ref = reply_url, reply_ref
        return job
