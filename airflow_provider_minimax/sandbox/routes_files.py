"""``/files``: upload, list, delete."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import RefusedError
from airflow_provider_minimax.sandbox.responses import json_response

#: Audio and video since 2026; images are what operators send.
_CONTENT_TYPES = ("audio/mpeg", "audio/wav", "image/jpeg", "image/png", "video/mp4")


def file_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.post("/files")
    @router.post("/files/")
    async def upload_file(request: Request) -> Response:
        state = context.state
        account = state.account(request.query_params.get("account"))
        content_type = request.headers.get("content-type", "")
        size = len(await request.body())
        if content_type not in _CONTENT_TYPES:
            raise RefusedError(400, f"Content-Type ({content_type}) must be one of: {', '.join(_CONTENT_TYPES)}")
        if size == 0:
            raise RefusedError(400, "Request body is empty")
        with state.lock:
            account.files.append(content_type)
            number = len(account.files) - 1
        context.recorder.created("files", 1, 0)
        oss_path = f"moss/prod/{account.renderer.bare_id('file', number)}.{content_type.partition('/')[2]}"
        return json_response({"ossPath": oss_path, "fileID": account.renderer.full_id("file", number)})

    @router.get("/files")
    @router.get("/files/")
    async def list_files(request: Request) -> Response:
        # The vendor says of this call, since March 2025, that it looks retired and finds nothing.
        context.state.account(request.query_params.get("account"))
        return json_response([])

    @router.delete("/files/{file_id}")
    async def delete_file(file_id: str) -> Response:
        state = context.state
        with state.lock:
            located = state.locate(file_id, "file")
            if located is not None:
                located.account.files[located.number] = None
        return json_response({})

    return router
