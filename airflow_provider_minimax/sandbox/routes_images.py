"""``/images``: list, read, create, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider_minimax.sandbox.accounts import IMAGE_CREDITS, RefusedError
from airflow_provider_minimax.sandbox.state import State
from airflow_provider_minimax.sandbox.web import answer, fields, page_limit, replies, text, whole
from airflow_provider_minimax.sandbox.world import World

#: A prompt with this word is refused before anything is made.
MODERATED_WORD = "moderated-prompt"


def image_routes(world: World) -> APIRouter:
    """Give the routes of one world."""
    router = APIRouter()

    @router.get("/images")
    @router.get("/images/")
    async def list_images(request: Request) -> Response:
        state, query = world.state, request.query_params
        account = state.account(query.get("account"))
        limit = page_limit(request, world.config.page_cap, world.config.over_cap)
        return answer(state.images_page(account, limit, query.get("lastImageId")).answer())

    @router.get("/images/{image_id}")
    async def get_image(image_id: str) -> Response:
        state = world.state
        with state.lock:
            found = state.find(image_id)
            if found is None or found[1] != "image":
                raise RefusedError(404, "Not found.")
            return answer(found[0].images.item(found[2], state.now))

    @router.delete("/images/{image_id}")
    async def delete_image(image_id: str) -> Response:
        state = world.state
        with state.lock:
            found = state.find(image_id)
            if found is not None and found[1] == "image":
                found[0].images.delete(found[2])
        return answer({})

    @router.post("/images/create")
    async def create_images(request: Request) -> Response:
        image_ids = _create(world.state, await fields(request))
        world.recorder.created("images", len(image_ids), IMAGE_CREDITS * len(image_ids))
        return answer({"imageIds": image_ids})

    return router


def _create(state: State, body: dict[str, Any]) -> list[str]:
    """Check a create as far as the documentation tells the rules, and start the batch."""
    account = state.account(text(body, "account"))
    prompt = checked_prompt(text(body, "prompt"))
    if prompt is None:
        raise RefusedError(400, "Parameter prompt is required")
    model = text(body, "model") or "image-01"
    quantity = whole(body, "quantity", 1, 4) or 1
    if body.get("quality") and model != "gpt-image-2":
        raise RefusedError(400, "Parameter quality is supported by gpt-image-2 only")
    for name in body:
        if name == "characterFileId" or name.startswith("referenceFileId"):
            state.check_file(body[name], account)
    return state.create_images(
        account,
        prompt=prompt,
        model=model,
        aspect=text(body, "aspectRatio") or "16:9",
        optimized=str(body.get("promptOptimization", True)).lower() != "false",
        quantity=4 if model.startswith("midjourney") else quantity,
        **replies(body),
    )


def checked_prompt(prompt: str | None) -> str | None:
    """Refuse a prompt that moderation stops at once."""
    if prompt and MODERATED_WORD in prompt:
        raise RefusedError(422, "Your prompt was moderated")
    return prompt
