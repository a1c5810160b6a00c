"""The trigger that waits for images and videos."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.polling.events import Payload, ended_badly, for_an_event, left_to_this_worker
from airflow_provider_minimax.polling.poller import Poller, WaitFor
from airflow_provider_minimax.polling.shared_poll import Stream
from airflow_provider_minimax.triggers.endings import end_here

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)


class MiniMaxJobTrigger(BaseEventTrigger):
    """Waits until jobs are final, the deadline passes, or the wait ends badly; fires one event.

    All triggers on the same connection, account and interval share one poll. It asks, and never creates anything; it
    cancels only when a person ends the task, and only if told to (Airflow 3.3 and newer). Requests run in a thread,
    since the event loop and its default executor belong to all triggers.

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
    :param single: the result is one job and not a list.
    :param ends: end a successful wait here, with the XCom that the task would have returned, and start no worker.
    :param fresh_until: seconds since the epoch until which "not found" may only mean "not yet".
    :param cancel_on_kill: cancel the jobs (videos; images cannot be) when a person marks or clears the task.
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
        poke_interval: float = timing.DEFAULTS["image"].interval,
        silent: bool = False,
        failures: int = 0,
        single: bool = False,
        ends: bool = False,
        fresh_until: float = 0.0,
        cancel_on_kill: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Tuples, which the garbage collector passes over.
        self.ids: Sequence[str] = tuple(ids)
        self.deadline = deadline
        self.kind: Kind = kind
        self.require = require
        self.accept_statuses = tuple(sorted(accept_statuses))
        self.minimax_conn_id = minimax_conn_id
        self.account = account
        self.poke_interval = poke_interval
        self.silent = silent
        self.failures = failures
        self.single = single
        self.ends = ends
        self.fresh_until = fresh_until
        self.cancel_on_kill = cancel_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so a name, once used, stays."""
        return f"{MiniMaxJobTrigger.__module__}.{MiniMaxJobTrigger.__qualname__}", {
            "ids": list(self.ids),
            "deadline": self.deadline,
            "kind": self.kind,
            "require": self.require,
            "accept_statuses": list(self.accept_statuses),
            "minimax_conn_id": self.minimax_conn_id,
            "account": self.account,
            "poke_interval": self.poke_interval,
            "silent": self.silent,
            "failures": self.failures,
            "single": self.single,
            "ends": self.ends,
            "fresh_until": self.fresh_until,
            "cancel_on_kill": self.cancel_on_kill,
        }

    def shared_stream_key(self) -> Hashable | None:
        """Return what is equal for triggers that can share a poll. User and account are inside the ids.

        The user, since ids of another one are refused, which must not meet those who wait for the right ones.
        """
        return self._key

    @cached_property
    def _key(self) -> Hashable | None:
        # Once: with thousands of ids it takes its time, and the event loop belongs to all triggers.
        try:
            owners = tuple(sorted({parse_id(job_id, self.kind).owner for job_id in self.ids}))
        except MiniMaxBadRequestError:
            # It will say so itself.
            return None
        return ("minimax", self.kind, self.minimax_conn_id, owners, self.poke_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[None]:
        """Drive the poll of a group. It yields nothing: it wakes those whose wait has ended, and no others."""
        trigger = cls(**kwargs)
        key = trigger.shared_stream_key()
        stream = shared_poll.shared_stream(key, trigger._make_stream)
        try:
            await stream.drive()
        finally:
            shared_poll.forget_if_idle(key, stream)
        yield

    async def filter_shared_stream(
        self,
        shared_stream: AsyncIterator[Any] | None = None,  # noqa: ARG002 - Airflow passes it; it brings nothing
    ) -> AsyncIterator[TriggerEvent]:
        """Wait on the shared poll; yield how the wait ended."""
        try:
            poller = self._make_poller()
        except MiniMaxBadRequestError as error:
            yield TriggerEvent(ended_badly(error))
            return
        key = self._key
        stream = shared_poll.shared_stream(key, self._make_stream)
        wait = stream.join(poller, self.deadline, self._earliest())
        # Awaited here and not in a method: thousands wait, and each frame is one more for the garbage collector.
        try:
            payload = await wait.end
        finally:
            stream.leave(wait)
            shared_poll.forget_if_idle(key, stream)
        yield await self._event(payload)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait on the same poll, driven from here: where Airflow drives none, or does not know of it yet."""
        key = self._key
        stream = shared_poll.shared_stream(key, self._make_stream)
        driver = asyncio.create_task(stream.drive())
        driver.add_done_callback(lambda _: shared_poll.forget_if_idle(key, stream))
        try:
            async for event in self.filter_shared_stream():
                yield event
        finally:
            driver.cancel()

    async def on_kill(self) -> None:
        """Cancel the jobs: a person has ended the task. Airflow does not call this for anything less.

        Nor for a task that is ended before the triggerer has taken it up, about a second after it was deferred.
        """
        if not self.cancel_on_kill:
            return
        settings = await MiniMaxHook(self.minimax_conn_id, self.account).aget_settings()
        for job_id in self.ids:
            try:
                await shared_poll.in_own_thread(_cancel, settings, job_id)
            except MiniMaxError as error:
                log.error("The video %s was not cancelled and goes on. %s", job_id, error)
            else:
                log.warning("The task was ended by a person: asked the service to cancel %s.", job_id)

    def _earliest(self) -> float:
        return time.time() + timing.shortest_deferral(self.poke_interval)

    def _is_fresh(self) -> bool:
        return time.time() < self.fresh_until

    def _make_stream(self) -> Stream:
        return Stream(self.kind, self.poke_interval, self._get_settings)

    async def _get_settings(self) -> Settings:
        try:
            return await MiniMaxHook(self.minimax_conn_id).aget_settings()
        except MiniMaxError:
            raise
        except ValueError as error:
            # Its text may quote the connection.
            raise MiniMaxBadRequestError(
                f"Connection {self.minimax_conn_id!r} cannot be read ({type(error).__name__}). "
                "A retry will not help until it is mended."
            ) from None

    def _make_poller(self) -> Poller:
        wait_for = WaitFor.check(
            self.ids,
            kind=self.kind,
            require=self.require,
            accept_statuses=self.accept_statuses,
            account=self.account,
        )
        until = datetime.fromtimestamp(self.deadline, UTC).isoformat(timespec="seconds")
        log.info("Waiting for %d %s(s), until %s at the latest.", len(wait_for.ids), self.kind, until)
        poller = Poller(wait_for, self.failures, silent=self.silent)
        if self.fresh_until:
            poller.is_fresh = self._is_fresh
        return poller

    async def _event(self, payload: Payload | None) -> TriggerEvent:
        if payload is None:
            log.warning(
                "The connection %r is not defined in the triggerer (a test run of a DAG cannot read those of Airflow's "
                "database there): the task goes on waiting on a worker.",
                self.minimax_conn_id,
            )
            return TriggerEvent(left_to_this_worker(self.ids, self.deadline, self.fresh_until))
        if self.ends and self.task_instance is not None and payload["end"] == "completed":
            ended = await end_here(self.task_instance, payload["jobs"], single=self.single)
            if ended is not None:
                return ended
        return TriggerEvent(for_an_event(payload))


def _cancel(settings: Settings, video_id: str) -> None:
    # Imported here, in a thread: the HTTP stack takes its time.
    from airflow_provider_minimax.api.client import MiniMaxClient

    MiniMaxClient(settings).cancel_video(video_id)
