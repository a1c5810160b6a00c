"""The stand-in for the CDN: pictures and films under ``/media``, without a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.accounts import Account
from airflow_provider_minimax.sandbox.jobs import COMPLETED
from airflow_provider_minimax.sandbox.movie import movie
from airflow_provider_minimax.sandbox.pictures import dimensions, picture
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.world import World

_NAME = re.compile(r"(\d+)(-watermark)?\.(png|mp4)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_TYPES = {"png": "image/png", "mp4": "video/mp4"}

Drawing = Callable[[], bytes]


def media_routes(world: World) -> APIRouter:
    """Give the routes of one world."""
    router = APIRouter()

    @router.api_route("/media/{name}", methods=["GET", "HEAD"])
    async def media(name: str, request: Request) -> Response:
        match = _NAME.fullmatch(name)
        draw = None
        if match is not None:
            with world.state.lock:
                draw = _drawing(world.state, match, thumbnail="x-oss-process" in request.query_params)
        if match is None or draw is None:
            return Response("No such file", 404, media_type="text/plain")
        return _answer(draw(), _TYPES[match[3]], request.headers.get("range"))

    return router


def _drawing(state: State, name: re.Match[str], *, thumbnail: bool) -> Drawing | None:
    """Find how to draw the file of a name; None when there is no such file, or not yet."""
    parts = ids.decode(name[1], state.config.seed)
    if parts is None or not 0 <= parts.account < len(state.accounts):
        return None
    account, seed = state.accounts[parts.account], ids.mix(state.config.seed, int(name[1]))
    if parts.kind == "image" and name[3] == "png":
        return _picture(state, account, parts.number, seed, marked=bool(name[2]), thumbnail=thumbnail)
    if parts.kind == "video" and parts.number < len(account.videos):
        if account.videos[parts.number].job.status(state.now) != COMPLETED:
            return None
        width, height = dimensions("16:9", state.config.media_pixels // 2 or 1)
        return partial(movie, seed) if name[3] == "mp4" else partial(picture, seed, width, height)
    return None


def _picture(
    state: State, account: Account, number: int, seed: int, *, marked: bool, thumbnail: bool
) -> Drawing | None:
    shelf, config = account.images, state.config
    if number >= shelf.count or shelf.status(number, state.now) != COMPLETED:
        return None
    longest = config.media_pixels // 2 or 1 if thumbnail else config.media_pixels
    width, height = dimensions(shelf.image(number).aspect, longest)
    return partial(picture, seed, width, height, watermark=marked, size=None if thumbnail else config.media_bytes)


def _answer(body: bytes, kind: str, wanted: str | None) -> Response:
    """Answer with the whole file or with the one range that is asked for."""
    headers = {"accept-ranges": "bytes"}
    match = _RANGE.fullmatch(wanted) if wanted else None
    if match is None:
        return Response(body, 200, headers, kind)
    first = int(match[1])
    last = min(int(match[2] or len(body)), len(body) - 1)
    if first > last:
        return Response(b"", 416, headers | {"content-range": f"bytes */{len(body)}"}, kind)
    headers["content-range"] = f"bytes {first}-{last}/{len(body)}"
    return Response(body[first : last + 1], 206, headers, kind)
