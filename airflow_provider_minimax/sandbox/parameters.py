"""The parameters of a request: read and checked as the service does, or refused with 400."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request

from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.errors import RefusedError

#: A prompt with this word is refused before anything is created.
MODERATED_WORD = "moderated-prompt"

_DEFAULT_LIMIT = 30
_MAX_REPLY_LENGTH = 1024


class Body:
    """The fields of a body, which are all text in a form."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    @classmethod
    async def read(cls, request: Request) -> Body:
        """Return the body of a request: JSON or a form."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as form:
                return cls({name: value for name, value in form.items() if isinstance(value, str)})
        try:
            value = msgspec.json.decode(await request.body())
        except msgspec.DecodeError as error:
            raise RefusedError(400, f"Request body is not valid JSON: {error}") from None
        if not isinstance(value, dict):
            raise RefusedError(400, "Request body must be a JSON object")
        return cls(value)

    def text(self, name: str) -> str | None:
        """Return an optional text; an empty one is None."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise RefusedError(400, f"Parameter {name} must be a string")
        return value or None

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return an optional whole number."""
        given = value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise RefusedError(400, f"Parameter {name} ({given!r}) must be a whole number from {low} to {high}")
        return value

    def prompt(self) -> str | None:
        """Return the prompt; one that moderation stops at once is refused with 422."""
        prompt = self.text("prompt")
        if prompt and MODERATED_WORD in prompt:
            raise RefusedError(422, "Your prompt was moderated")
        return prompt

    def replies(self) -> dict[str, str | None]:
        """Return where, and with which reference, the caller wants to be called back."""
        replies = {}
        for key, name in (("reply_url", "replyUrl"), ("reply_ref", "replyRef")):
            replies[key] = value = self.text(name)
            if value is not None and len(value) > _MAX_REPLY_LENGTH:
                raise RefusedError(400, f"{name} is too long")
        return replies


def page_limit(request: Request, config: SandboxConfig) -> int:
    """Return ``limit``; the largest one that the service takes is not documented."""
    cap = config.page_cap
    given = request.query_params.get("limit")
    if not given:
        return min(_DEFAULT_LIMIT, cap)
    if not (given.isascii() and given.isdigit()) or int(given) < 1:
        raise RefusedError(400, f"Parameter limit ({given}) must be a positive whole number")
    if int(given) > cap and config.over_cap == "error":
        raise RefusedError(400, f"Parameter limit ({given}) must not exceed {cap}")
    return min(int(given), cap)
