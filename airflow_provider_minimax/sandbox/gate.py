"""What stands before the routes: the token check, the counting, and the faults.

A plain ASGI application, because some faults are no HTTP at all: they end the TCP connection. Its
transport is found among the server's connections by the address of the client.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from airflow_provider_minimax.sandbox.answers import (
    Answer,
    Message,
    Receive,
    Scope,
    Send,
    error_answer,
    html_answer,
    made_up,
    without_items,
    without_status,
)
from airflow_provider_minimax.sandbox.faults import Fault
from airflow_provider_minimax.sandbox.stats import Call, Recorder
from airflow_provider_minimax.sandbox.world import BASE_PATH, World, operation

App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnCall = Callable[[Call, float], None]

_DRIPS = 20


class Connection(Protocol):
    """What is used of uvicorn's protocol objects, whichever HTTP parser they have."""

    client: tuple[str, int] | None
    transport: asyncio.Transport


class _CutError(Exception):
    """The connection was ended on purpose."""


class _Visit:
    """One request on its way: counted when it comes, and once more before the client sees its end.

    Not after: a test that has its answer may ask for the counts at once.
    """

    def __init__(self, scope: Scope, send: Send, recorder: Recorder, on_end: OnCall | None) -> None:
        self.operation = operation(scope["method"], scope["path"])
        self.fault: Fault | None = None
        self._scope, self._send, self._recorder, self._on_end = scope, send, recorder, on_end
        self._started, self._status, self._ended = time.monotonic(), 0, False
        recorder.started(self.operation)

    async def send(self, message: Message) -> None:
        """Take the place of ``send``, and see what is sent."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif not message.get("more_body", False):
            self.end(self._status)
        await self._send(message)

    def end(self, status: int) -> None:
        """Record the end, the first time that it is called."""
        if self._ended:
            return
        self._ended = True
        query = self._scope["query_string"].decode("latin-1")
        kind = self.fault.kind if self.fault else None
        call = Call(self.operation, self._scope["path"], query, status, kind)
        self._recorder.ended(call)
        if self._on_end:
            self._on_end(call, time.monotonic() - self._started)


class Gate:
    """Counts every request, and decides whether it reaches the routes, and what comes back."""

    def __init__(self, app: App, world: World) -> None:
        """Stand before an application."""
        self._app, self._world = app, world
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
                await self._counted(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.stopping:
                raise

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        world = self._world
        visit = _Visit(scope, send, world.recorder, self.on_call)
        try:
            refusal = self._refusal(scope)
            visit.fault = world.faults.take(visit.operation) if refusal is None else None
            config = world.config
            latency = config.media_latency_seconds if "/media/" in visit.operation else config.latency_seconds
            if latency:
                await asyncio.sleep(latency)
            if refusal is not None:
                await _drain(receive)
                await refusal.send(visit.send)
            elif visit.fault is None:
                await self._app(scope, receive, visit.send)
            else:
                await self._show(visit.fault, scope, receive, visit.send)
        except _CutError:
            visit.end(0)
            self._cut(scope, reset=visit.fault is not None and visit.fault.kind != "truncated")
            while (await receive())["type"] != "http.disconnect":
                pass
        except Exception as error:
            world.recorder.broke(error)
            raise
        finally:
            visit.end(0)

    def _refusal(self, scope: Scope) -> Answer | None:
        """Check the token; media need none, and record when one comes."""
        given = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if scope["path"].startswith("/media/"):
            self._world.recorder.media(given is not None)
            return None
        wanted = b"Bearer " + self._world.config.token.encode()
        if given is None or not hmac.compare_digest(given, wanted):
            return error_answer(401, "Unauthorized")
        if b"%3a" in scope["raw_path"].lower() or b"%40" in scope["raw_path"]:
            # The vendor warns that encoded ids do not match; whether they really fail is untested.
            return error_answer(404, "Not found.")
        return None

    async def _show(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a fault happen."""
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
            await self._app(scope, receive, Answer().catch)
            if kind == "accepted-reset":
                raise _CutError
            await html_answer(int(kind[-3:])).send(send)
        elif kind in ("truncated", "drip", "unknown-status", "empty-page"):
            answer = Answer()
            await self._app(scope, receive, answer.catch)
            await self._spoil(fault, answer, send)
        else:
            await _drain(receive)
            await made_up(fault, scope).send(send)

    async def _spoil(self, fault: Fault, answer: Answer, send: Send) -> None:
        """Send a true answer badly."""
        if fault.kind in ("unknown-status", "empty-page"):
            spoilt = without_status if fault.kind == "unknown-status" else without_items
            answer.body = msgspec.json.encode(spoilt(msgspec.json.decode(answer.body)))
            await answer.send(send)
            return
        await send(answer.start())
        if fault.kind == "truncated":
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
            raise _CutError
        size = max(1, -(-len(answer.body) // _DRIPS))
        for at in range(0, len(answer.body), size):
            await send({"type": "http.response.body", "body": answer.body[at : at + size], "more_body": True})
            await asyncio.sleep(fault.delay / _DRIPS)
        await send({"type": "http.response.body", "body": b""})

    def _arrive(self, count: int, scope: Scope) -> None:
        """Let images appear in the account that is asked for, or in the first one."""
        state = self._world.state
        query = scope["query_string"].decode("latin-1")
        named = [account for account in state.accounts if f"account={account.id}" in query]
        for account in (named or state.accounts)[:1]:
            state.arrive(account, count)

    def _cut(self, scope: Scope, *, reset: bool) -> None:
        for connection in list(self.connections()):
            if connection.client and tuple(connection.client) == tuple(scope["client"]):
                cut(connection.transport, reset=reset)


def cut(transport: asyncio.Transport, *, reset: bool) -> None:
    """End a connection: with a reset at once, or in peace after what was written."""
    if not reset:
        transport.close()
        return
    # A lingering time of zero is what makes the kernel send RST in place of FIN.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _drain(receive: Receive) -> None:
    """Read a request to its end, so that the client has sent it when the answer comes."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
