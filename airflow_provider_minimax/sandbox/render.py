"""The JSON of the service: every field of the vendor's samples, in their order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.history import SURROGATE_STAND_IN, Image
from airflow_provider_minimax.sandbox.jobs import FAILED, FINAL, WITH_FILE, Job, status_fields

#: Models that the web application behind the service lists under other names than a create takes. Whether
#: useapi.net passes them through is unknown.
_UPSTREAM_MODEL_NAMES = {
    "nano-banana-2": "nano_banana21_flash",
    "nano-banana-pro": "nano-banana2",
    "midjourney-v7": "mj_v7",
    "midjourney-niji7": "mj_niji7",
}
_THUMBNAIL = "?x-oss-process=image/resize,w_1080/format,webp"


def encode(value: object) -> bytes:
    """Encode a body as JSON; the stand-in for a lone surrogate becomes its escape."""
    return msgspec.json.encode(value).replace(SURROGATE_STAND_IN.encode(), b"\\ud83d")


def iso_time(seconds: float) -> str:
    """Return a time as the service writes it, such as ``2026-01-10T01:43:30.000Z``."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Renderer:
    """Renders the images and videos of one account."""

    def __init__(self, config: SandboxConfig, account: int, media_origin: str) -> None:
        self._account, self._seed = account, config.seed
        self._account_id = ids.account_id(account)
        self._prefix = f"user:{config.user}-minimax:{self._account_id}-"
        self._media = f"{media_origin}/media/"
        self._has_video_times = config.video_times
        names = config.upstream_model_names
        is_upstream = account in names if isinstance(names, tuple) else names
        self._model_names = {**(_UPSTREAM_MODEL_NAMES if is_upstream else {}), **config.renamed_models}

    def bare_id(self, kind: ids.Kind, number: int) -> str:
        """Return a bare id of this account."""
        return ids.encode(kind, self._account, number, self._seed)

    def full_id(self, kind: ids.Kind, number: int) -> str:
        """Return a full id of this account."""
        return f"{self._prefix}{ids.SPELLED[kind]}:{self.bare_id(kind, number)}"

    def image(self, image: Image, status: int, job: Job | None, now: float) -> dict[str, Any]:
        """Return an image as ``GET /images/`` and ``GET /images/{id}`` both show it.

        Whether the service leaves the links of an unfinished image empty or out is not documented,
        so both occur here: empty while it runs and when it failed, missing when it was moderated.
        """
        bare = self.bare_id("image", image.number)
        links = status in (*WITH_FILE, FAILED) or status not in FINAL
        file = self._media + bare if status in WITH_FILE else ""
        watermarked, clean = (f"{file}-watermark.png", f"{file}.png") if file else ("", "")
        item: dict[str, Any] = {"id": bare, "desc": image.prompt}
        if links:
            item |= {"coverURL": clean + _THUMBNAIL if clean else "", "videoURL": watermarked}
        item |= {
            "status": status,
            "canRetry": status == FAILED,
            "width": 0,
            "height": 0,
            "originFiles": [],
            "canAppeal": status in (5, 7, 14),
        }
        if links:
            item["downloadURL"] = clean
        item |= {
            "hasVoice": False,
            "modelID": self._model_names.get(image.model, image.model),
            "useOriginPrompt": not image.optimized,
            "isBookmarked": False,
            "disableGenerateSimilar": False,
            "createTime": image.created_ms,
            "postStatus": 0,
            "userID": int(self._account_id),
            "createType": 4,
            "promptImgURL": "",
            "extra": {"cameraMotions": [], "promptStruct": ""},
            "isVisitor": False,
            "videoURLs": {"feedURL": "", "downloadURLWithWatermark": watermarked},
            "priority": 0,
            "generatorType": 1,
            "isInFolder": False,
            "batchID": self.bare_id("batch", image.batch),
            "aspectRatio": image.aspect,
            "fileID": self.full_id("image-file", image.number),
            "tags": _tags(image),
            "duration": 0,
            "resolution": 0,
            "humanCheckStatus": 0,
            "userIDStr": self._account_id,
            **status_fields(status),
            "imageId": f"{self._prefix}image:{bare}",
        }
        if job is not None and status not in FINAL:
            item |= job.progress_fields(now)
        return item

    def video(
        self, number: int, prompt: str, origin_file: str | None, job: Job, now: float, created_ms: int
    ) -> dict[str, Any]:
        """Return a video as ``GET /videos/{id}`` and the list show it."""
        status = job.status(now)
        done, file = status in WITH_FILE, self._media + self.bare_id("video", number)
        item = {
            "id": self.bare_id("video", number),
            "desc": prompt,
            "coverURL": f"{file}.png{_THUMBNAIL}" if done else "",
            "videoURL": f"{file}-watermark.mp4" if done else "",
            "downloadURL": f"{file}.mp4" if done else "",
            "status": status,
            **status_fields(status),
            "width": 1300 if done else 0,
            "height": 760 if done else 0,
            "originFiles": [self._origin(origin_file)] if origin_file else [],
            "canAppeal": status in (5, 7, 14),
            "canRetry": status == FAILED,
            **({"createTime": created_ms} if self._has_video_times else {}),
            "videoId": self.full_id("video", number),
        }
        if status not in FINAL:
            item |= job.progress_fields(now)
        return item

    def _origin(self, file_id: str) -> dict[str, Any]:
        return {"id": file_id, "url": f"{self._media}{file_id.rpartition(':')[2]}.png", "type": 0}


def _tags(image: Image) -> list[dict[str, str]]:
    texts = [image.model, *(["Enable Optimization"] if image.optimized else []), "Image to video"]
    return [{"type": "normal", "tagIcon": "", "tagText": text} for text in texts]
