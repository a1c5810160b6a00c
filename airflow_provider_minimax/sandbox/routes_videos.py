"""``/videos``: list, read, create, cancel, delete."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.accounts import VIDEO_CREDITS
from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import NotFoundError, RefusedError
from airflow_provider_minimax.sandbox.jobs import FAILED
from airflow_provider_minimax.sandbox.parameters import Body, page_limit
from airflow_provider_minimax.sandbox.responses import json_response
from airflow_provider_minimax.sandbox.state import State


def video_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.get("/videos")
    @router.get("/videos/")
    async def list_videos(request: Request) -> Response:
        state, query = context.state, request.query_params
        account = state.account(query.get("account"))
        limit = page_limit(request, context.config)
        page = state.page("video", account, limit, query.get("lastVideoId"))
        return json_response(page["videos"] if context.config.videos_form == "array" else page)

    @router.get("/videos/{video_id}")
    async def get_video(video_id: str) -> Response:
        state = context.state
        with state.lock:
            located = state.locate(video_id, "video")
            item = state.video(located.account, located.number) if located else None
        if item is None:
            raise NotFoundError
        return json_response(item)

    @router.delete("/videos/{video_id}")
    async def delete_video(video_id: str) -> Response:
        # Assumed to be like images: the vendor's page on it was not available.
        state = context.state
        with state.lock:
            located = state.locate(video_id, "video")
            if located is not None:
                located.account.videos.delete(located.number)
        return json_response({})

    @router.post("/videos/cancel")
    async def cancel_video(request: Request) -> Response:
        _cancel(context.state, (await Body.read(request)).text("videoId"))
        return json_response({})

    @router.post("/videos/create")
    async def create_video(request: Request) -> Response:
        video_id = _create(context.state, await Body.read(request))
        context.recorder.created("videos", 1, VIDEO_CREDITS)
        return json_response({"videoId": video_id})

    return router


def _create(state: State, body: Body) -> str:
    account_id, file_id = body.text("account"), body.text("fileID")
    prompt = body.prompt()
    max_jobs = body.integer("maxJobs", 1, 10)
    if prompt is None and file_id is None:
        raise RefusedError(400, "Parameter prompt or fileID is required")
    with state.lock:
        account = state.account(account_id) if account_id else state.account_with_free_slot(max_jobs)
        for name, given in body.fields.items():
            if "fileid" in name.lower():
                state.check_file(given, account)
        replies = body.replies()
        return state.create_video(account, prompt=prompt or "", file_id=file_id, max_jobs=max_jobs, **replies)


def _cancel(state: State, video_id: str | None) -> None:
    """Fail a running video. How the service ends a cancelled one is not documented."""
    if video_id is None:
        raise RefusedError(400, "Parameter videoId is required", with_code=False)
    with state.lock:
        located = state.locate(video_id, "video")
        if located is None:
            raise RefusedError(400, f"Unable to locate video {video_id}", with_code=False)
        job = located.account.videos[located.number].job
        if job.running(state.now):
            job.finish(FAILED)
