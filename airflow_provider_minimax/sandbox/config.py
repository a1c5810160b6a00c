"""The configuration of a sandbox: frozen, and valid or refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_minimax.sandbox.faults import Fault

#: Shaped like a real token, and plainly not one.
DEFAULT_TOKEN = "user:1000-sandbox-token"  # noqa: S105

_USER = re.compile(r"user:(\d+)-")


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """The size, the pace and the behaviour of a sandbox.

    Several options exist because the documentation of the service is silent: what ``lastImageId``
    means, what ``total`` counts, which ``limit`` is the largest, whether the list of videos is
    wrapped. A client that works with every setting works with the service.
    """

    #: Images that each account has from the start; they are computed, not stored.
    images: int = 60
    #: Videos that each account has from the start.
    videos: int = 0
    accounts: int = 1
    token: str = DEFAULT_TOKEN
    #: Another seed makes other ids, prompts, statuses and pictures.
    seed: int = 1

    #: How long a job stays in each of the statuses 0, 11, 1 and 12. Zero: it is final at once.
    step_seconds: float = 0.5
    #: Added before every response of the API.
    latency_seconds: float = 0.0
    #: Added before every picture and video.
    media_latency_seconds: float = 0.0
    #: Seconds since the epoch; tests inject their own.
    clock: Callable[[], float] = time.time
    #: No history image is newer than this (epoch milliseconds); by default the time of the start.
    history_end: int | None = None
    #: Mean distance between images of the history: 60 of them cover six days.
    spacing_seconds: float = 8640.0

    #: The largest page. A larger ``limit`` is reduced to it, or refused with 400.
    page_cap: int = 100
    over_cap: Literal["clamp", "error"] = "clamp"
    #: Whether a page starts after the image of ``lastImageId`` or with it.
    cursor: Literal["exclusive", "inclusive"] = "exclusive"
    #: Which form of ``lastImageId`` is understood: ``id``, ``imageId``, or both.
    cursor_form: Literal["any", "bare", "full"] = "any"
    #: What an unknown cursor gets: 400, the first page, or an empty page.
    bad_cursor: Literal["error", "ignore", "empty"] = "error"
    #: What ``total`` counts: the listed images, or the deleted ones as well.
    total_counts: Literal["listed", "made"] = "listed"
    videos_form: Literal["array", "wrapped"] = "array"
    #: Whether videos carry ``createTime``, which is documented for images only.
    video_times: bool = False
    #: Accounts (0 is the first) whose lists show four models in ``modelID`` under the names of the web application
    #: behind the service; True for all. Whether the service passes them through is not documented.
    upstream_model_names: bool | tuple[int, ...] = True
    #: Further names in lists, by the name that a create takes: as if the service had renamed a model.
    renamed_models: Mapping[str, str] = field(default_factory=dict)
    #: The key of an image's id in the scheduler: the vendor's sample says one, its model the other.
    scheduler_image_key: Literal["videoId", "imageId"] = "videoId"

    #: Running videos that one account accepts.
    max_jobs: int = 3
    credits: int = 10_000
    #: Accounts (0 is the first) that carry an ``error``, and that have no credits.
    accounts_in_error: tuple[int, ...] = ()
    accounts_without_credits: tuple[int, ...] = ()

    #: The origin of media links; by default the sandbox itself.
    media_origin: str | None = None
    #: The longer side of a picture, in pixels.
    media_pixels: int = 640
    #: Pad every full picture to exactly this many bytes.
    media_bytes: int | None = None
    #: The history image (0 is the newest) whose prompt holds a lone surrogate, which is legal in
    #: JSON text and cannot be encoded as UTF-8.
    surrogate_at: int | None = None

    #: Faults that are queued from the start.
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        for name in (
            "images",
            "videos",
            "accounts",
            "step_seconds",
            "latency_seconds",
            "media_latency_seconds",
            "credits",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)!r}")
        for name in ("page_cap", "max_jobs", "media_pixels", "spacing_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if self.accounts > 9:
            raise ValueError(f"accounts must be at most 9, not {self.accounts}")
        if not self.token:
            raise ValueError("token must not be empty")

    @property
    def user(self) -> str:
        """The user number in all ids; it comes from the token."""
        match = _USER.match(self.token)
        return match.group(1) if match else "1000"
