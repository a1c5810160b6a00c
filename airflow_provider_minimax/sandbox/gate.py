"""What runs before the routes: the token check, the statistics, and the faults.

A plain ASGI application, because some faults are no HTTP at all: they end the TCP connection. Its
transport is found among the server's connections by the address of the client.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
from fastapi import Response

from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.faults import Fault
from airflow_provider_minimax.sandbox.operations import BASE_PATH, operation_name
from airflow_provider_minimax.sandbox.responses import (
    App,
    Message,
    Receive,
    Scope,
    Send,
    bad_gateway,
    capture,
    error_response,
    fault_response,
    replace_body,
    without_items,
    without_status,
)
from airflow_provider_minimax.sandbox.stats import Call, Recorder

OnCall = Callable[[Call, float], None]

_DRIPS = 20


class Connection(Protocol):
    """The part of uvicorn's protocol objects that is used here, whichever HTTP parser they have."""

    client: tuple[str, int] | None
    transport: asyncio.Transport


class _CutError(Exception):
    """The connection was ended on purpose."""


class _Exchange:
    """One request and its response: recorded at its start, and again before the client sees its end.

    Not after: a test that has its response may read the statistics at once.
    """

    def __init__(self, scope: Scope, send: Send, recorder: Recorder, on_end: OnCall | None) -> None:
        self.operation = operation_name(scope["method"], scope["path"])
        self.fault: Fault | None = None
        self._scope, self._send, self._recorder, self._on_end = scope, send, recorder, on_end
        self._started, self._status, self._ended = time.monotonic(), 0, False
        recorder.request_started(self.operation)

    async def send(self, message: Message) -> None:
        """Take the place of ``send``, and watch what is sent."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif not message.get("more_body", False):
            self.end(self._status)
        await self._send(message)

    def end(self, status: int) -> None:
        """Record the end, once."""
        if self._ended:
            return
        self._ended = True
        query = self._scope["query_string"].decode("latin-1")
        kind = self.fault.kind if self.fault else None
        call = Call(self.operation, self._scope["path"], query, status, kind)
        self._recorder.request_ended(call)
        if self._on_end:
            self._on_end(call, time.monotonic() - self._started)


class Gate:
    """Records every request, and decides whether it reaches the routes and what comes back."""

    def __init__(self, app: App, context: Context) -> None:
        self._app, self._context = app, context
        #: Set by the server: its live connections.
        self.connections: Callable[[], Iterable[Connection]] = tuple
        #: Called after each request, with the seconds it took.
        self.on_call: OnCall | None = None
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        try:
            if path.startswith((BASE_PATH + "/", "/media/")):
                await self._recorded(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.stopping:
                raise

    async def _recorded(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        exchange = _Exchange(scope, send, context.recorder, self.on_call)
        try:
            refusal = self._refusal(scope)
            exchange.fault = context.faults.take(exchange.operation) if refusal is None else None
            config = context.config
            latency = config.media_latency_seconds if "/media/" in exchange.operation else config.latency_seconds
            if latency:
                await asyncio.sleep(latency)
            if refusal is not None:
                await _drain(receive)
                await refusal(scope, receive, exchange.send)
            elif exchange.fault is None:
                await self._app(scope, receive, exchange.send)
            else:
                await self._apply(exchange.fault, scope, receive, exchange.send)
        except _CutError:
            exchange.end(0)
            self._cut(scope, reset=exchange.fault is not None and exchange.fault.kind != "truncated")
            while (await receive())["type"] != "http.disconnect":
                pass
        except Exception as error:
            context.recorder.internal_error(error)
            raise
        finally:
            exchange.end(0)

    def _refusal(self, scope: Scope) -> Response | None:
        """Check the token; media need none, and a request for one that carries it is recorded."""
        given = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if scope["path"].startswith("/media/"):
            self._context.recorder.media_request(given is not None)
            return None
        expected = b"Bearer " + self._context.config.token.encode()
        if given is None or not hmac.compare_digest(given, expected):
            return error_response(401, "Unauthorized")
        if b"%3a" in scope["raw_path"].lower() or b"%40" in scope["raw_path"]:
            # The vendor warns that encoded ids do not match; whether they really fail is untested.
            return error_response(404, "Not found.")
        return None

    async def _apply(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with a fault."""
        kind = fault.kind
        if kind == "reset":
            await _drain(receive)
            raise _CutError
        if kind == "slow":
            await asyncio.sleep(fault.delay)
            await self._app(scope, receive, send)
        elif kind == "arrive":
            self._arrive(fault.count, scope)
            await self._app(scope, receive, send)
        elif kind.startswith("accepted-"):
            await capture(self._app, scope, receive)
            if kind == "accepted-reset":
                raise _CutError
            await bad_gateway(int(kind[-3:]))(scope, receive, send)
        elif kind in ("truncated", "drip", "unknown-status", "empty-page"):
            await self._spoil(fault, await capture(self._app, scope, receive), scope, receive, send)
        else:
            await _drain(receive)
            await fault_response(fault, scope["path"])(scope, receive, send)

    async def _spoil(self, fault: Fault, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a correct response damaged, cut or slowly."""
        body = bytes(response.body)
        if fault.kind in ("unknown-status", "empty-page"):
            spoil = without_status if fault.kind == "unknown-status" else without_items
            replace_body(response, msgspec.json.encode(spoil(msgspec.json.decode(body))))
            await response(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        if fault.kind == "truncated":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise _CutError
        size = max(1, -(-len(body) // _DRIPS))
        for at in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[at : at + size], "more_body": True})
            await asyncio.sleep(fault.delay / _DRIPS)
        await send({"type": "http.response.body", "body": b""})

    def _arrive(self, count: int, scope: Scope) -> None:
        """Let images, or on their list videos, appear in the account that the request names, or in the first one."""
        state = self._context.state
        query = scope["query_string"].decode("latin-1")
        named = [account for account in state.accounts if f"account={account.id}" in query]
        for account in (named or state.accounts)[:1]:
            state.arrive(account, count, "video" if "/videos" in scope["path"] else "image")

    def _cut(self, scope: Scope, *, reset: bool) -> None:
        for connection in list(self.connections()):
            if connection.client and tuple(connection.client) == tuple(scope["client"]):
                cut(connection.transport, reset=reset)


def cut(transport: asyncio.Transport, *, reset: bool) -> None:
    """End a connection: with a reset at once, or properly after what was written."""
    if not reset:
        transport.close()
        return
    # A linger time of zero makes the kernel send RST instead of FIN.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _drain(receive: Receive) -> None:
    """Read a request to its end, so that the client has sent all of it before the response."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
