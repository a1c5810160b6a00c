"""``/images``: list, read, create, delete."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.accounts import IMAGE_CREDITS
from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.errors import NotFoundError, RefusedError
from airflow_provider_minimax.sandbox.parameters import Body, page_limit
from airflow_provider_minimax.sandbox.responses import json_response
from airflow_provider_minimax.sandbox.state import State


def image_routes(context: Context) -> APIRouter:
    """Return the routes of a sandbox."""
    router = APIRouter()

    @router.get("/images")
    @router.get("/images/")
    async def list_images(request: Request) -> Response:
        state, query = context.state, request.query_params
        account = state.account(query.get("account"))
        limit = page_limit(request, context.config)
        return json_response(state.page("image", account, limit, query.get("lastImageId")))

    @router.get("/images/{image_id}")
    async def get_image(image_id: str) -> Response:
        state = context.state
        with state.lock:
            located = state.locate(image_id, "image")
            if located is None:
                raise NotFoundError
            return json_response(located.account.images.item(located.number, state.now))

    @router.delete("/images/{image_id}")
    async def delete_image(image_id: str) -> Response:
        state = context.state
        with state.lock:
            located = state.locate(image_id, "image")
            if located is not None:
                located.account.images.delete(located.number)
        return json_response({})

    @router.post("/images/create")
    async def create_images(request: Request) -> Response:
        image_ids = _create(context.state, await Body.read(request))
        context.recorder.created("images", len(image_ids), IMAGE_CREDITS * len(image_ids))
        return json_response({"imageIds": image_ids})

    return router


def _create(state: State, body: Body) -> list[str]:
    """Check a create as far as the rules are documented, and start the batch."""
    account = state.account(body.text("account"))
    prompt = body.prompt()
    if prompt is None:
        raise RefusedError(400, "Parameter prompt is required")
    model = body.text("model") or "image-01"
    quantity = body.integer("quantity", 1, 4) or 1
    if body.fields.get("quality") and model != "gpt-image-2":
        raise RefusedError(400, "Parameter quality is supported by gpt-image-2 only")
    for name, file_id in body.fields.items():
        if name == "characterFileId" or name.startswith("referenceFileId"):
            state.check_file(file_id, account)
    return state.create_images(
        account,
        prompt=prompt,
        model=model,
        aspect=body.text("aspectRatio") or "16:9",
        optimized=str(body.fields.get("promptOptimization", True)).lower() != "false",
        quantity=4 if model.startswith("midjourney") else quantity,
        **body.replies(),
    )
