"""The trigger that waits for images and videos: it translates between the shared poll and Airflow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.polling.events import Payload, back_on_worker_event, failure_event, fit_event
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.shared_poll import Stream
from airflow_provider_minimax.polling.threads import run_in_own_thread
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from airflow_provider_minimax.triggers.endings import end_task

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.arguments import TriggerArguments

log = logging.getLogger(__name__)


class MiniMaxJobTrigger(BaseEventTrigger):
    """Waits until jobs are final, the wait fails or its deadline passes; fires one event.

    All triggers on the same connection, account and interval share one poll. It never creates anything; it cancels
    only when a user ends the task, and only if told to (Airflow 3.3 and newer). Requests run in a thread, since the
    event loop and its default executor belong to all triggers.

    :param ids: full ids.
    :param deadline: seconds since the epoch.
    :param options: the other fields of ``WaitSpec``.
    """

    spec_class: ClassVar[type[WaitSpec]] = WaitSpec
    poller_class: ClassVar[type[Poller]] = Poller
    #: Whether a worker defers the task: Airflow has to process that before the wait may end.
    is_deferred: ClassVar[bool] = True
    spec: WaitSpec

    def __init__(self, ids: Sequence[str], deadline: float, **options: Unpack[TriggerArguments]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.spec = self.spec_class.from_kwargs(ids, deadline=deadline, **options)

    @classmethod
    def from_spec(cls, spec: WaitSpec) -> Self:
        """Return the trigger for a wait."""
        return cls(**spec.to_kwargs())

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so their names must not change."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.spec.to_kwargs()

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of the triggers that share a poll. User and account are inside the ids.

        The user, since the ids of another one are refused, which must not count for the waits on the right ones.
        """
        return self._key

    @cached_property
    def _key(self) -> Hashable | None:
        # Cached: with thousands of ids it takes its time, and the event loop belongs to all triggers.
        spec = self.spec
        try:
            return ("minimax", spec.kind, spec.minimax_conn_id, spec.owners(), spec.poke_interval)
        except MiniMaxBadRequestError:
            # The wait itself reports it.
            return None

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[None]:
        """Drive the poll of a group. It yields nothing: the poll wakes only the waits that have ended."""
        trigger = cls(**kwargs)
        stream = trigger._stream()
        try:
            await stream.drive()
        finally:
            shared_poll.streams.forget_if_idle(trigger._key, stream)
        yield

    async def filter_shared_stream(
        self,
        shared_stream: AsyncIterator[Any] | None = None,  # noqa: ARG002 - Airflow passes it; it yields nothing
    ) -> AsyncIterator[TriggerEvent]:
        """Wait on the shared poll; yield how the wait ended."""
        try:
            poller = self.poller_class(self.spec.checked())
        except MiniMaxBadRequestError as error:
            yield TriggerEvent(failure_event(error))
            return
        deadline = datetime.fromtimestamp(self.spec.deadline, UTC).isoformat(timespec="seconds")
        log.info("Waiting for %s until %s.", self.spec.label, deadline)
        # Not by the clock of the day, which may be set meanwhile.
        started = time.monotonic()
        stream = self._stream()
        wait = stream.join(poller, self.spec.deadline)
        # Awaited here and not in a method: thousands wait, and the garbage collector visits each frame.
        try:
            payload = await wait.end
        finally:
            stream.leave(wait)
            shared_poll.streams.forget_if_idle(self._key, stream)
        if self.is_deferred:
            await asyncio.sleep(started + timing.min_deferral(self.spec.poke_interval) - time.monotonic())
        metrics.timing(metrics.WAIT_SECONDS, time.monotonic() - started, kind=self.spec.kind)
        yield await self._to_event(payload)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait on the same poll, driven from here: for an Airflow that does not know shared streams."""
        stream = self._stream()
        driver = asyncio.create_task(stream.drive())
        driver.add_done_callback(lambda _: shared_poll.streams.forget_if_idle(self._key, stream))
        try:
            async for event in self.filter_shared_stream():
                yield event
        finally:
            driver.cancel()

    async def on_kill(self) -> None:
        """Cancel the jobs: a user has ended the task. Airflow calls this for no other reason.

        It does not call it for a task that ends before the triggerer has picked it up, about a second after the
        deferral.
        """
        if not self.spec.cancel_on_kill:
            return
        settings = await MiniMaxHook(self.spec.minimax_conn_id, self.spec.account).aget_settings()
        for job_id in self.spec.ids:
            try:
                await run_in_own_thread(_cancel_video, settings, job_id)
            except MiniMaxError as error:
                log.error("Could not cancel video %s; it continues at the service. %s", job_id, error)
            else:
                log.warning("Cancelled video %s because a user ended the task.", job_id)

    def _stream(self) -> Stream:
        spec = self.spec
        get_settings = partial(read_connection, spec.minimax_conn_id)
        return shared_poll.streams.get_or_make(
            self._key, lambda: Stream(spec.kind, spec.poke_interval, get_settings, account=self._account())
        )

    def _account(self) -> str | None:
        """Return the account of the ids; None if there are several."""
        match self._key:
            case (_, _, _, (str(owner),), _):
                return owner.rpartition(":")[2]
        return None

    async def _to_event(self, payload: Payload | None) -> TriggerEvent:
        spec = self.spec
        if payload is None:
            log.info(
                "Connection %r is not defined in the triggerer (a test run of a DAG cannot read those of Airflow's "
                "database there); the task continues to wait on a worker.",
                spec.minimax_conn_id,
            )
            return TriggerEvent(back_on_worker_event(spec.ids, spec.deadline, spec.fresh_until))
        if spec.end_in_triggerer and self.task_instance is not None and payload["end"] == "completed":
            event = await end_task(self.task_instance, payload["jobs"], single=spec.single)
            if event is not None:
                return event
        return TriggerEvent(fit_event(payload))


async def read_connection(conn_id: str, account: str | None = None) -> Settings:
    """Return the settings of a connection.

    :raises MiniMaxError: it cannot be used.
    :raises AirflowNotFoundException: there is no such connection.
    """
    try:
        return await MiniMaxHook(conn_id, account).aget_settings()
    except MiniMaxError:
        raise
    except ValueError as error:
        # Its text may quote the connection.
        raise MiniMaxBadRequestError(
            f"Connection {conn_id!r} cannot be read ({type(error).__name__}). Correct it before a retry."
        ) from None


def _cancel_video(settings: Settings, video_id: str) -> None:
    # Imported here, in a thread: the HTTP stack takes its time.
    from airflow_provider_minimax.api.client import MiniMaxClient

    MiniMaxClient(settings).cancel_video(video_id)
