"""``/media``: pictures and videos without a token, in place of the CDN."""

from __future__ import annotations

import re
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.jobs import WITH_FILE
from airflow_provider_minimax.sandbox.sample_videos import sample_video
from airflow_provider_minimax.sandbox.state import State

PILLOW_MISSING = "Pictures need Pillow, which is missing: pip install 'airflow-provider-minimax[sandbox]'"

_NAME = re.compile(r"(\d+)(-watermark)?\.(png|mp4)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class _Media(NamedTuple):
    """A file that can be served."""

    seed: int
    aspect: str = "16:9"
    #: Smaller, and never padded.
    thumbnail: bool = False
    watermark: bool = False


def media_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.api_route("/media/{name}", methods=["GET", "HEAD"])
    async def media(name: str, request: Request) -> Response:
        state, match = context.state, _NAME.fullmatch(name)
        with state.lock:
            found = _find(state, match, thumbnail="x-oss-process" in request.query_params) if match else None
        if match is None or found is None:
            return Response("No such file", 404, media_type="text/plain")
        wanted = request.headers.get("range")
        if match[3] == "mp4":
            return _ranged(sample_video(found.seed), "video/mp4", wanted)
        return _ranged(_draw(found, state), "image/png", wanted)

    return router


def _find(state: State, name: re.Match[str], *, thumbnail: bool) -> _Media | None:
    """Return what a name stands for; None when there is no such file, or not yet."""
    parts = ids.decode(name[1], state.config.seed)
    if parts is None or not 0 <= parts.account < len(state.accounts):
        return None
    account, seed = state.accounts[parts.account], ids.mix(state.config.seed, int(name[1]))
    if parts.number >= account.count(parts.kind):
        return None
    if parts.kind == "image" and name[3] == "png":
        done = account.images.status(parts.number, state.now) in WITH_FILE
        return _Media(seed, account.images.image(parts.number).aspect, thumbnail, bool(name[2])) if done else None
    if parts.kind == "video":
        done = account.videos[parts.number].job.status(state.now) in WITH_FILE
        return _Media(seed, thumbnail=True) if done else None
    return None


def _draw(media: _Media, state: State) -> bytes:
    try:
        from airflow_provider_minimax.sandbox.pictures import dimensions, picture
    except ImportError:
        raise RefusedError(501, PILLOW_MISSING) from None
    config = state.config
    longest = config.media_pixels // 2 or 1 if media.thumbnail else config.media_pixels
    width, height = dimensions(media.aspect, longest)
    size = None if media.thumbnail else config.media_bytes
    return picture(media.seed, width, height, watermark=media.watermark, size=size)


def _ranged(body: bytes, content_type: str, wanted: str | None) -> Response:
    """Return the whole file, or the one range of it that the client wants."""
    headers = {"accept-ranges": "bytes"}
    match = _RANGE.fullmatch(wanted) if wanted else None
    if match is None:
        return Response(body, 200, headers, content_type)
    first = int(match[1])
    last = min(int(match[2] or len(body)), len(body) - 1)
    if first > last:
        return Response(b"", 416, headers | {"content-range": f"bytes */{len(body)}"}, content_type)
    headers["content-range"] = f"bytes {first}-{last}/{len(body)}"
    return Response(body[first : last + 1], 206, headers, content_type)
