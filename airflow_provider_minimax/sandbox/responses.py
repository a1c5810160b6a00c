"""Responses: JSON, errors, the whole response of an application, and those that a fault makes up."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.utils import formatdate
from typing import Any

from fastapi import Response

from airflow_provider_minimax.sandbox.faults import PLAIN, Fault
from airflow_provider_minimax.sandbox.jobs import UNKNOWN
from airflow_provider_minimax.sandbox.render import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[str, str]

_HTML = "text/html; charset=UTF-8"
_BAD_GATEWAY = (
    "<!DOCTYPE html>\n<html><head><title>api.useapi.net | {0}: Bad gateway</title></head>\n"
    "<body><h1>Bad gateway</h1><p>Error code {0}</p><p>The web server reported a bad gateway error."
    "</p><hr>cloudflare (imitated by the sandbox)</body></html>\n"
)
_DAY = 86_400


def json_response(value: object, status: int = 200, headers: Headers | None = None) -> Response:
    """Return JSON, past FastAPI's own encoder, which is slow for pages."""
    return Response(encode(value), status, headers, "application/json")


def error_response(status: int, message: str, headers: Headers | None = None) -> Response:
    """Return the service's flat error object."""
    return json_response({"error": message, "code": status}, status, headers)


def bad_gateway(status: int) -> Response:
    """Return the page of a proxy that could not reach the service."""
    return Response(_BAD_GATEWAY.format(status), status, media_type=_HTML)


def fault_response(fault: Fault, path: str) -> Response:
    """Return the response of a fault that keeps a request from the routes."""
    kind = fault.kind
    if kind in PLAIN:
        return error_response(int(kind), f"Sandbox fault {kind}", _retry_after(fault.retry_after))
    if kind in ("502-html", "522"):
        return bad_gateway(int(kind[:3]))
    if kind == "huge-retry-after":
        return error_response(429, "Sandbox fault 429", _retry_after(_DAY))
    if kind == "error-object":
        details = {"code": fault.status, "message": "Sandbox fault", "status": "INVALID_ARGUMENT"}
        return json_response({"error": details}, fault.status, _retry_after(fault.retry_after))
    if kind == "empty-ids":
        return json_response({"imageIds": []} if "/images/" in path else {})
    if kind == "wrong-shape":
        return json_response(["not", "the", "contract"])
    if kind == "redirect":
        return Response(status_code=302, headers={"location": fault.location})
    return Response("<html><body>Sign in</body></html>", media_type=_HTML)


def _retry_after(value: float | str | None) -> Headers | None:
    if value is None:
        return None
    return {"retry-after": formatdate(time.time() + 2, usegmt=True) if value == "date" else f"{value:g}"}


async def capture(app: App, scope: Scope, receive: Receive) -> Response:
    """Let an application respond, and return the whole response instead of sending it."""
    response, parts = Response(), []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code, response.raw_headers = message["status"], list(message["headers"])
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    response.body = b"".join(parts)
    return response


def replace_body(response: Response, body: bytes) -> None:
    """Replace the body of a response, and its length."""
    response.body = body
    response.headers["content-length"] = str(len(body))


def without_items(value: Any) -> Any:
    """Return a list, wrapped or not, without its items."""
    if isinstance(value, list):
        return []
    return {key: [] if key in ("images", "videos") else item for key, item in value.items()}


def without_status(value: Any) -> Any:
    """Return an item, or all items of a list, with the unknown status."""
    if isinstance(value, list):
        return [without_status(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "status" in value:
        kept = {key: item for key, item in value.items() if key not in ("statusLabel", "statusFinal")}
        return kept | {"status": UNKNOWN}
    return {key: without_status(item) if key in ("images", "videos") else item for key, item in value.items()}
