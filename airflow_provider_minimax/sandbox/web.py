"""Requests in, answers out: what all routes share."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request, Response

from airflow_provider_minimax.sandbox.accounts import RefusedError
from airflow_provider_minimax.sandbox.render import encode

_DEFAULT_LIMIT = 30
_REPLY_LENGTH = 1024


def answer(value: object, status: int = 200) -> Response:
    """Answer with JSON, past FastAPI's own encoder, which is slow for pages."""
    return Response(encode(value), status, media_type="application/json")


async def refuse(_: Request, refusal: Exception) -> Response:
    """Write a refusal as the service does."""
    if not isinstance(refusal, RefusedError):
        raise refusal
    body: dict[str, Any] = {"error": refusal.message}
    if refusal.with_code:
        body["code"] = refusal.status
    return answer(body, refusal.status)


async def fields(request: Request) -> dict[str, Any]:
    """Read the body of a create: JSON, or a form whose values are all text."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            return {key: value for key, value in form.items() if isinstance(value, str)}
    try:
        value = msgspec.json.decode(await request.body())
    except msgspec.DecodeError as error:
        raise RefusedError(400, f"Request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "Request body must be a JSON object")
    return value


def text(body: dict[str, Any], name: str) -> str | None:
    """Read an optional text; empty is absent."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise RefusedError(400, f"Parameter {name} must be a string")
    return value or None


def whole(body: dict[str, Any], name: str, low: int, high: int) -> int | None:
    """Read an optional whole number, which a form gives as text."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RefusedError(400, f"Parameter {name} ({body[name]!r}) must be a whole number from {low} to {high}")
    return value


def replies(body: dict[str, Any]) -> dict[str, str | None]:
    """Read where, and with which reference, the caller wants to be called back."""
    found = {"reply_url": text(body, "replyUrl"), "reply_ref": text(body, "replyRef")}
    for name, value in found.items():
        if value is not None and len(value) > _REPLY_LENGTH:
            raise RefusedError(400, f"{'replyUrl' if name == 'reply_url' else 'replyRef'} is too long")
    return found


def page_limit(request: Request, cap: int, over_cap: str) -> int:
    """Read ``limit``; the largest that the service takes is not documented."""
    given = request.query_params.get("limit")
    if not given:
        return min(_DEFAULT_LIMIT, cap)
    if not (given.isascii() and given.isdigit()) or int(given) < 1:
        raise RefusedError(400, f"Parameter limit ({given}) must be a positive whole number")
    if int(given) > cap and over_cap == "error":
        raise RefusedError(400, f"Parameter limit ({given}) must not exceed {cap}")
    return min(int(given), cap)
