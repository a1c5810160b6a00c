"""The trigger that waits for images."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.triggers.events import ended_badly, ended_well, timed_out
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.poller import Ask, Poller, WaitFor

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings

T = TypeVar("T")
#: Seconds that a request under way may take beyond the deadline before it is given up.
_GRACE: Final = 5.0


class MiniMaxJobTrigger(BaseTrigger):
    """Waits until jobs are final, the deadline passes, or the wait ends badly; fires one event.

    It only asks: it never creates and never cancels anything. Requests run in a thread of their own, since the
    event loop and its default executor belong to all triggers.

    :param ids: full ids.
    :param deadline: seconds since the epoch. Absolute, so that a restarted triggerer does not begin anew.
    :param kind: the kind of the ids.
    :param require: ``"all"`` or ``"any"``.
    :param accept_statuses: labels of final statuses that count as success beside ``completed``.
    :param minimax_conn_id: the Airflow connection.
    :param account: the Hailuo account that the ids have to belong to; None for any.
    :param poke_interval: seconds between two rounds.
    :param silent: stand any failure that a retry could mend until the deadline (a sensor's ``silent_fail``).
    :param failures: rounds that have failed in a row before the deferral.
    """

    def __init__(
        self,
        ids: Sequence[str],
        deadline: float,
        kind: Kind = "image",
        require: str = "all",
        accept_statuses: Sequence[str] = (),
        minimax_conn_id: str = MiniMaxHook.default_conn_name,
        account: str | None = None,
        poke_interval: float = 10.0,
        silent: bool = False,
        failures: int = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ids = list(ids)
        self.deadline = deadline
        self.kind: Kind = kind
        self.require = require
        self.accept_statuses = sorted(accept_statuses)
        self.minimax_conn_id = minimax_conn_id
        self.account = account
        self.poke_interval = poke_interval
        self.silent = silent
        self.failures = failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so a name, once used, stays."""
        return f"{MiniMaxJobTrigger.__module__}.{MiniMaxJobTrigger.__qualname__}", {
            "ids": self.ids,
            "deadline": self.deadline,
            "kind": self.kind,
            "require": self.require,
            "accept_statuses": self.accept_statuses,
            "minimax_conn_id": self.minimax_conn_id,
            "account": self.account,
            "poke_interval": self.poke_interval,
            "silent": self.silent,
            "failures": self.failures,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yield how the wait ended."""
        try:
            payload = await self._wait()
        except MiniMaxError as error:
            payload = ended_badly(error)
        yield TriggerEvent(payload)

    async def _wait(self) -> dict[str, Any]:
        wait = WaitFor.check(self.ids, kind=self.kind, require=self.require, accept_statuses=self.accept_statuses)
        poller = Poller(wait, failures=self.failures, silent=self.silent)
        settings = await MiniMaxHook(self.minimax_conn_id, self.account).aget_settings()
        ask = await in_own_thread(_asker, settings, self.kind)
        until = datetime.fromtimestamp(self.deadline, UTC).isoformat(timespec="seconds")
        self.log.info("Waiting for %d %s(s), until %s at the latest.", len(poller.pending), self.kind, until)
        interval = pacing.floor(self.poke_interval)
        pause = pacing.phase(interval)
        found = None
        while found is None and self._left() > 0:
            await asyncio.sleep(max(0.0, min(pause, self._left())))
            with contextlib.suppress(TimeoutError):
                round_ = in_own_thread(poller.poll, ask)
                found = await asyncio.wait_for(round_, max(0.0, self._left()) + _GRACE)
            pause = poller.pause(interval)
        return timed_out(poller.describe_pending()) if found is None else ended_well(found)

    def _left(self) -> float:
        return self.deadline - time.time()


def _asker(settings: Settings, kind: Kind) -> Ask:
    # Imported here, in a thread: the HTTP stack takes its time.
    from airflow_provider_minimax.api.client import MiniMaxClient

    return MiniMaxClient(settings).without_repeats().asker(kind)


async def in_own_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function in a thread made for it, and await its result.

    A daemon, so that a request that hangs does not keep the triggerer from ending; with the context of the
    caller, so that its log lines reach the log of the task.
    """
    result: Future[T] = Future()
    # From here on it cannot be cancelled: where the caller no longer waits, the result is dropped.
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            value = function(*args)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is awaited
            result.set_exception(error)
        else:
            result.set_result(value)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="minimax-poll", daemon=True).start()
    return await asyncio.wrap_future(result)
