"""The JSON of the service: every field of the vendor's samples, in their order."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.catalogue import SURROGATE_STAND_IN, Image
from airflow_provider_minimax.sandbox.jobs import COMPLETED, FAILED, FINAL, Job, status_fields

_THUMBNAIL = "?x-oss-process=image/resize,w_1080/format,webp"


def encode(value: object) -> bytes:
    """Encode an answer; the one stand-in becomes the escape of a lone surrogate."""
    body = msgspec.json.encode(value)
    return body.replace(SURROGATE_STAND_IN.encode(), b"\\ud83d")


class Renderer:
    """Writes the items of one account."""

    def __init__(self, user: str, account: int, seed: int, media_origin: str) -> None:
        """Keep what all items of the account share."""
        self._account, self._seed = account, seed
        self._account_id = ids.account_id(account)
        self._prefix = f"user:{user}-minimax:{self._account_id}-"
        self._media = f"{media_origin}/media/"

    def bare(self, kind: ids.Kind, number: int) -> str:
        """Give a bare id of this account."""
        return ids.encode(kind, self._account, number, self._seed)

    def full(self, kind: ids.Kind, number: int) -> str:
        """Give a full id of this account; an image's file is a file like any other."""
        spelled = "file" if kind == "image-file" else kind
        return f"{self._prefix}{spelled}:{self.bare(kind, number)}"

    def image(self, image: Image, status: int, job: Job | None, now: float) -> dict[str, Any]:
        """Give an image as ``GET /images/`` and ``GET /images/{id}`` both answer it.

        Whether the service leaves the links of an unfinished image empty or out is not documented,
        so both occur here: empty while it runs and when it failed, absent when it was moderated.
        """
        bare = self.bare("image", image.number)
        links = status in (COMPLETED, FAILED) or status not in FINAL
        url, clean = self._picture_links(bare) if status == COMPLETED else ("", "")
        item: dict[str, Any] = {"id": bare, "desc": image.prompt}
        if links:
            item |= {"coverURL": clean + _THUMBNAIL if clean else "", "videoURL": url}
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
            "modelID": image.model,
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
            "videoURLs": {"feedURL": "", "downloadURLWithWatermark": url},
            "priority": 0,
            "generatorType": 1,
            "isInFolder": False,
            "batchID": self.bare("batch", image.batch),
            "aspectRatio": image.aspect,
            "fileID": self.full("image-file", image.number),
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

    def video(self, number: int, prompt: str, origin_file: str | None, job: Job, now: float) -> dict[str, Any]:
        """Give a video as ``GET /videos/{id}`` and the list answer it."""
        status = job.status(now)
        bare = self.bare("video", number)
        done = status == COMPLETED
        item = {
            "id": bare,
            "desc": prompt,
            "coverURL": f"{self._media}{bare}.png{_THUMBNAIL}" if done else "",
            "videoURL": f"{self._media}{bare}-watermark.mp4" if done else "",
            "downloadURL": f"{self._media}{bare}.mp4" if done else "",
            "status": status,
            **status_fields(status),
            "width": 1300 if done else 0,
            "height": 760 if done else 0,
            "originFiles": [self._origin(origin_file)] if origin_file else [],
            "canAppeal": status in (5, 7, 14),
            "canRetry": status == FAILED,
            "videoId": self.full("video", number),
        }
        if status not in FINAL:
            item |= job.progress_fields(now)
        return item

    def _origin(self, file_id: str) -> dict[str, Any]:
        return {"id": file_id, "url": f"{self._media}{file_id.rpartition(':')[2]}.png", "type": 0}

    def _picture_links(self, bare: str) -> tuple[str, str]:
        return f"{self._media}{bare}-watermark.png", f"{self._media}{bare}.png"


def _tags(image: Image) -> list[dict[str, str]]:
    texts = [image.model]
    if image.optimized:
        texts.append("Enable Optimization")
    texts.append("Image to video")
    return [{"type": "normal", "tagIcon": "", "tagText": text} for text in texts]
