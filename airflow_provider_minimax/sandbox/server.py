"""The sandbox: a server in a thread of this process, and the methods that control it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

import uvicorn

from airflow_provider_minimax.sandbox import memory
from airflow_provider_minimax.sandbox.accounts import Account
from airflow_provider_minimax.sandbox.app import build_app
from airflow_provider_minimax.sandbox.config import SandboxConfig
from airflow_provider_minimax.sandbox.context import Context
from airflow_provider_minimax.sandbox.faults import Fault
from airflow_provider_minimax.sandbox.gate import Connection, cut
from airflow_provider_minimax.sandbox.jobs import Job
from airflow_provider_minimax.sandbox.listing import Listing
from airflow_provider_minimax.sandbox.operations import BASE_PATH
from airflow_provider_minimax.sandbox.render import encode
from airflow_provider_minimax.sandbox.state import Listed
from airflow_provider_minimax.sandbox.stats import Call, Stats

_START_TIMEOUT = 30.0


class _Server(uvicorn.Server):
    """Signals when it accepts requests, and stops without waiting for clients."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            cut(cast(Connection, connection).transport, reset=True)
        await super().shutdown(sockets)


class Sandbox:
    """A running stand-in for the service.

    ::

        with Sandbox(SandboxConfig(images=60, step_seconds=0.05)) as sandbox:
            requests.get(f"{sandbox.base_url}/images/", headers={"Authorization": f"Bearer {sandbox.token}"})
    """

    def __init__(self, config: SandboxConfig | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind at once, so that the port is known.

        :param port: 0 takes a free one.
        :raises OSError: the address is in use.
        """
        config = config or SandboxConfig()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY; without it each response takes 40 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except (OSError, OverflowError):
            self._socket.close()
            raise
        netloc = f"[{host}]" if ":" in host else host
        #: The origin, such as ``http://127.0.0.1:43211``.
        self.url = f"http://{netloc}:{self._socket.getsockname()[1]}"
        self._context = Context(config, self.url)
        self._gate = build_app(self._context)
        self._server = _Server(
            uvicorn.Config(
                self._gate, http="h11", loop="asyncio", ws="none", lifespan="off",
                log_config=None, access_log=False, server_header=False, timeout_keep_alive=60,
            )
        )  # fmt: skip
        self._gate.connections = lambda: cast("set[Connection]", self._server.server_state.connections)
        self._thread = threading.Thread(target=self._run, name="minimax-sandbox", daemon=True)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._server.ready.set()

    @property
    def on_call(self) -> Callable[[Call, float], None] | None:
        """Called after each request, in the server's thread, with the seconds that it took."""
        return self._gate.on_call

    @on_call.setter
    def on_call(self, call: Callable[[Call, float], None] | None) -> None:
        self._gate.on_call = call

    def start(self) -> Sandbox:
        """Start the server and return when it accepts requests."""
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT) or not self._server.started:
            raise RuntimeError(f"the sandbox did not start at {self.url}")
        return self

    def stop(self) -> None:
        """Stop at once; requests in flight are reset."""
        self._gate.stopping = True
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Sandbox:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    # Reading

    @property
    def base_url(self) -> str:
        """The URL that the API's paths are appended to."""
        return self.url + BASE_PATH

    @property
    def config(self) -> SandboxConfig:
        """The current configuration."""
        return self._context.config

    @property
    def token(self) -> str:
        """The token that is accepted."""
        return self._context.config.token

    @property
    def accounts(self) -> list[str]:
        """The account ids."""
        return [account.id for account in self._context.state.accounts]

    @property
    def stats(self) -> Stats:
        """A copy of the current statistics."""
        return self._context.recorder.snapshot()

    @property
    def calls(self) -> list[Call]:
        """The calls one by one, oldest first."""
        return self._context.recorder.calls()

    def all_images(self, account: str | None = None) -> list[dict[str, Any]]:
        """Return all images as the API would show them now, newest first."""
        state = self._context.state
        with state.lock:
            return self._all_items(self._account(account).images)

    def all_videos(self, account: str | None = None) -> list[dict[str, Any]]:
        """Return all videos as the API would show them now, newest first."""
        state = self._context.state
        with state.lock:
            return self._all_items(self._account(account).videos)

    def _all_items(self, listing: Listing) -> list[dict[str, Any]]:
        now = self._context.state.now
        items = [listing.item(number, now) for number in listing.newest_first(now)]
        return cast("list[dict[str, Any]]", json.loads(encode(items)))

    # Control

    def reset(self, config: SandboxConfig | None = None) -> None:
        """Start from scratch at the same address, with another configuration if one is given."""
        self._context.reset(config or self._context.config)

    def dump(self) -> bytes:
        """Return everything but faults and statistics, for a later sandbox to resume from; running jobs continue."""
        return memory.dump(self._context.state)

    def restore(self, dumped: bytes) -> None:
        """Resume from what an earlier sandbox with this configuration has dumped.

        :raises ValueError: it is of another version, or of another configuration.
        """
        self._context.restore(dumped)

    def fail(self, kind: str, operation: str = "*", **options: Any) -> Fault:
        """Queue a fault; the options are the fields of :class:`Fault`."""
        fault = Fault(kind, operation, **options)
        self._context.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._context.faults.clear()

    @property
    def pending_faults(self) -> list[Fault]:
        """The faults that are not used up."""
        return self._context.faults.pending()

    def arrive(self, count: int = 1, account: str | None = None, kind: Listed = "image") -> list[str]:
        """Let completed images or videos appear at the head of the list; return their ids."""
        return self._context.state.arrive(self._account(account), count, kind)

    def create_image(
        self, prompt: str, quantity: int = 1, account: str | None = None, model: str = "image-01"
    ) -> list[str]:
        """Start a batch without a request; return the image ids."""
        return self._context.state.create_images(self._account(account), prompt=prompt, model=model, quantity=quantity)

    def create_video(self, prompt: str, account: str | None = None) -> str:
        """Start a video without a request; return its id."""
        return self._context.state.create_video(self._account(account), prompt=prompt, file_id=None)

    def hold(self, job_id: str) -> None:
        """Keep a job in its current status."""
        self._change_job(job_id, lambda job, now: job.hold(now))

    def release(self, job_id: str) -> None:
        """Resume a held job."""
        self._change_job(job_id, lambda job, now: job.release(now))

    def finish(self, job_id: str, status: int = 2) -> None:
        """End a job at once with a status."""
        self._change_job(job_id, lambda job, _: job.finish(status))

    def set_account_error(self, error: str | None, account: str | None = None) -> None:
        """Put an account in error, or out of it."""
        self._account(account).error = error

    def set_credits(self, number: int, account: str | None = None) -> None:
        """Set the credits that an account has left."""
        self._account(account).credits = number

    def _change_job(self, job_id: str, change: Callable[[Job, float], None]) -> None:
        state = self._context.state
        with state.lock:
            job = state.find_job(job_id)
            if job is None:
                raise KeyError(f"unknown job {job_id}")
            change(job, state.now)

    def _account(self, account_id: str | None) -> Account:
        """Return an account, the first one by default, whatever its health."""
        state = self._context.state
        found = state.configured(account_id) if account_id else next(iter(state.accounts), None)
        if found is None:
            raise KeyError(f"unknown account {account_id}")
        return found
