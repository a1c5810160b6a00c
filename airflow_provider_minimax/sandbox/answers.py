"""Answers that no route gives: kept whole before they are sent, or made up for a fault."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec

from airflow_provider_minimax.sandbox.faults import PLAIN, Fault
from airflow_provider_minimax.sandbox.jobs import UNKNOWN

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>api.useapi.net | %d: Bad gateway</title></head>\n"
    b"<body><h1>Bad gateway</h1><p>Error code %d</p><p>The web server reported a bad gateway error."
    b"</p><hr>cloudflare (imitated by the sandbox)</body></html>\n"
)
_DAY = 86_400


@dataclass
class Answer:
    """A whole answer, caught or made up before it is sent."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    async def catch(self, message: Message) -> None:
        """Take the place of ``send``."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    def start(self) -> Message:
        """Give the first message of this answer."""
        headers = [(name, value) for name, value in self.headers if name != b"content-length"]
        headers.append((b"content-length", str(len(self.body)).encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}

    async def send(self, send: Send) -> None:
        """Send it as it is."""
        await send(self.start())
        await send({"type": "http.response.body", "body": self.body})


def json_answer(status: int, value: object, headers: Headers | None = None) -> Answer:
    """Answer with JSON."""
    body = msgspec.json.encode(value)
    return Answer(status, [(b"content-type", b"application/json"), *(headers or [])], body)


def html_answer(status: int) -> Answer:
    """Answer with the page of a proxy that could not reach the service."""
    return Answer(status, [(b"content-type", b"text/html; charset=UTF-8")], _HTML % (status, status))


def error_answer(status: int, message: str, headers: Headers | None = None) -> Answer:
    """Answer with the service's flat error object."""
    return json_answer(status, {"error": message, "code": status}, headers)


def made_up(fault: Fault, scope: Scope) -> Answer:
    """Give an answer that no route had a part in."""
    kind = fault.kind
    if kind in PLAIN:
        return error_answer(int(kind), f"Sandbox fault {kind}", _retry_after(fault.retry_after))
    if kind in ("502-html", "522"):
        return html_answer(int(kind[:3]))
    if kind == "huge-retry-after":
        return error_answer(429, "Sandbox fault 429", _retry_after(_DAY))
    if kind == "error-object":
        details = {"code": fault.status, "message": "Sandbox fault", "status": "INVALID_ARGUMENT"}
        return json_answer(fault.status, {"error": details}, _retry_after(fault.retry_after))
    if kind == "empty-ids":
        return json_answer(200, {"imageIds": []} if "/images/" in scope["path"] else {})
    if kind == "wrong-shape":
        return json_answer(200, ["not", "the", "contract"])
    if kind == "redirect":
        return Answer(302, [(b"location", fault.location.encode())])
    return Answer(200, [(b"content-type", b"text/html; charset=UTF-8")], b"<html><body>Sign in</body></html>")


def _retry_after(value: float | str | None) -> Headers:
    if value is None:
        return []
    text = formatdate(time.time() + 2, usegmt=True) if value == "date" else f"{value:g}"
    return [(b"retry-after", text.encode())]


def without_items(value: Any) -> Any:
    """Take all items out of a list, wrapped or not."""
    if isinstance(value, list):
        return []
    return {key: [] if key in ("images", "videos") else item for key, item in value.items()}


def without_status(value: Any) -> Any:
    """Give every item the unknown status, as deep as items may be."""
    if isinstance(value, list):
        return [without_status(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "status" in value:
        kept = {key: item for key, item in value.items() if key not in ("statusLabel", "statusFinal")}
        return kept | {"status": UNKNOWN}
    return {key: without_status(item) if key in ("images", "videos") else item for key, item in value.items()}
