"""``/videos``: list, read, create, cancel, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox import ids
from airflow_provider_minimax.sandbox.accounts import VIDEO_CREDITS, Account, RefusedError
from airflow_provider_minimax.sandbox.jobs import FAILED
from airflow_provider_minimax.sandbox.routes_images import checked_prompt
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.web import answer, fields, page_limit, replies, text, whole
from airflow_provider_minimax.sandbox.world import World


def video_routes(world: World) -> APIRouter:
    """Give the routes of one world."""
    router = APIRouter()

    @router.get("/videos")
    @router.get("/videos/")
    async def list_videos(request: Request) -> Response:
        state, query = world.state, request.query_params
        account = state.account(query.get("account"))
        limit = page_limit(request, world.config.page_cap, world.config.over_cap)
        with state.lock:
            below = _cursor(state, account, query.get("lastVideoId"))
            items = state.videos(account, limit, below)
        wrapped = {"videos": items, "hasNext": len(items) == limit, "total": len(account.videos)}
        return answer(items if world.config.videos_form == "array" else wrapped)

    @router.get("/videos/{video_id}")
    async def get_video(video_id: str) -> Response:
        state = world.state
        with state.lock:
            found = state.find(video_id)
            item = state.video(found[0], found[2]) if found and found[1] == "video" else None
        if item is None:
            raise RefusedError(404, "Not found.")
        return answer(item)

    @router.delete("/videos/{video_id}")
    async def delete_video(video_id: str) -> Response:
        # Assumed to be like images: the vendor's page on it was not available.
        state = world.state
        with state.lock:
            found = state.find(video_id)
            if found is not None and found[1] == "video":
                found[0].videos[found[2]].deleted = True
        return answer({})

    @router.post("/videos/cancel")
    async def cancel_video(request: Request) -> Response:
        _cancel(world.state, text(await fields(request), "videoId"))
        return answer({})

    @router.post("/videos/create")
    async def create_video(request: Request) -> Response:
        video_id = _create(world.state, await fields(request))
        world.recorder.created("videos", 1, VIDEO_CREDITS)
        return answer({"videoId": video_id})

    return router


def _create(state: State, body: dict[str, Any]) -> str:
    named, file_id = text(body, "account"), text(body, "fileID")
    prompt = checked_prompt(text(body, "prompt"))
    max_jobs = whole(body, "maxJobs", 1, 10)
    if prompt is None and file_id is None:
        raise RefusedError(400, "Parameter prompt or fileID is required")
    with state.lock:
        account = state.account(named) if named else state.account_with_room(max_jobs)
        for name in body:
            if "fileid" in name.lower():
                state.check_file(body[name], account)
        return state.create_video(account, prompt=prompt or "", file_id=file_id, max_jobs=max_jobs, **replies(body))


def _cancel(state: State, video_id: str | None) -> None:
    """Fail a running video. What a cancelled one ends with is not documented."""
    if video_id is None:
        raise RefusedError(400, "Parameter videoId is required", with_code=False)
    with state.lock:
        found = state.find(video_id)
        if found is None or found[1] != "video":
            raise RefusedError(400, f"Unable to locate video {video_id}", with_code=False)
        job = found[0].videos[found[2]].job
        if job.running(state.now):
            job.finish(FAILED)


def _cursor(state: State, account: Account, given: str | None) -> int | None:
    """Read ``lastVideoId`` in either form; its meaning is taken over from the images."""
    if not given:
        return None
    full = ids.parse(given)
    parts = ids.decode(full.bare if full else given, state.config.seed)
    if parts is None or parts.kind != "video" or parts.account != account.index:
        raise RefusedError(400, f"Video {given} not found")
    return parts.number
