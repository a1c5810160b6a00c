"""Triggers that start DAGs on new images and videos: they translate between a watch and Airflow's assets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.filters import PointInTime
from airflow_provider_minimax.api.jobs import COMPLETED
from airflow_provider_minimax.api.kinds import IMAGES, VIDEOS, MediaKind
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import failures, timing, watch_stream
from airflow_provider_minimax.polling.new_media import NOW, WatchSpec, WatchState, take_round
from airflow_provider_minimax.polling.watch_stream import Round, Watch, WatchStream
from airflow_provider_minimax.triggers.jobs import read_connection

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import AssetStateStoreAccessor, AssetStateStoreAccessors
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

    from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)


class _NewMediaTrigger(BaseEventTrigger):
    """Watches a list; see the public classes."""

    kind: ClassVar[MediaKind]

    def __init__(
        self,
        minimax_conn_id: str = MiniMaxHook.default_conn_name,
        account: str | None = None,
        *,
        poke_interval: float = 60.0,
        start: PointInTime = NOW,
        max_per_event: int = 10,
        statuses: Collection[str] = (COMPLETED,),
        models: Collection[str] | None = None,
        prompt_pattern: str | None = None,
        look_back: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        try:
            self.spec = WatchSpec(
                self.kind,
                minimax_conn_id,
                account,
                poke_interval,
                start,
                max_per_event,
                statuses,
                models,
                prompt_pattern,
                look_back,
            ).checked()
        except MiniMaxBadRequestError as error:
            # Nothing but this error of a stored trigger leaves Airflow's triggerer, and so all other triggers, alive.
            raise TypeError(str(error)) from None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so their names must not change."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.spec.to_kwargs()

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of the triggers that share a poll; None for an Airflow whose streams tell nothing of events.

        Whether an event is stored decides what a restarted triggerer repeats.
        """
        return self._key if hasattr(BaseEventTrigger, "create_shared_stream_producer") else None

    @property
    def _key(self) -> Hashable:
        spec = self.spec
        return ("minimax new", spec.kind.name, spec.minimax_conn_id, spec.account, spec.poke_interval)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what drives the poll of a group."""
        from airflow.triggers.shared_stream import SharedStreamProducer

        trigger = cls(**kwargs)

        class Producer(SharedStreamProducer):
            async def open_stream(self) -> AsyncIterator[tuple[Round, Round]]:
                stream = trigger._stream()
                stream.drivers += 1
                try:
                    async for found in stream.rounds():
                        yield found, found
                finally:
                    stream.drivers -= 1
                    watch_stream.streams.forget_if_idle(trigger._key, stream)

            async def advance(self, batch: Sequence[AdvanceItem]) -> None:
                for item in batch:
                    item.broker_payload.stored.set()

        return Producer()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch on a poll that this process shares: for an Airflow that does not share streams itself."""
        async for event in self.filter_shared_stream():
            yield event

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Round] | None = None
    ) -> AsyncIterator[TriggerEvent]:
        """Yield the events of each round. It never ends: Airflow would start it again at once."""
        memory = _Memory(self.spec, getattr(self, "asset_state_store", None))
        watch = Watch(await memory.load())
        stream = self._stream()
        stream.add(watch)
        log.info("Watching %s, every %g s.", self.spec.label, self.spec.poke_interval)
        try:
            async for found in shared_stream or stream.subscribe():
                if watch not in found.watches:
                    continue
                if found.view is None:
                    # The events that led to this state are in Airflow's database.
                    await memory.save(watch.state)
                    continue
                progress = take_round(watch.state, found.view)
                if progress.unclear:
                    log.warning(
                        "No events for %d %s, which count as old: neither times nor items seen before are listed.",
                        progress.unclear,
                        self.spec.label,
                    )
                for payload in self.spec.payloads([item for item in progress.ended if self.spec.selects(item)]):
                    yield TriggerEvent(payload)
                watch.state = progress.state
        finally:
            stream.remove(watch)
            watch_stream.streams.forget_if_idle(self._key, stream)

    def _stream(self) -> WatchStream:
        spec = self.spec
        return watch_stream.streams.get_or_make(
            self._key, lambda: WatchStream(spec.kind, spec.poke_interval, self._get_settings, spec.label)
        )

    async def _get_settings(self) -> Settings:
        return await read_connection(self.spec.minimax_conn_id, self.spec.account)


class MiniMaxNewImagesTrigger(_NewMediaTrigger):
    """Fires an event for new images of an account; for an ``AssetWatcher``.

    An image is new when it ends after the watch began, whenever it was created and by whom. The payload of an event is
    ``{"images": [...]}``: id, ``fileID``, status, model, time of creation and the beginning of the prompt of each. All
    triggers on the same connection, account and interval share one poll.

    With Airflow 3.3, a restarted triggerer continues where it was: none is missed, and only events of the last poll may
    be repeated, with the same ids. Before, it begins with what is new then; see ``look_back``.

    :param minimax_conn_id: the Airflow connection.
    :param account: the Hailuo account; defaults to the connection's.
    :param poke_interval: seconds between two polls, at least 1.
    :param start: where a watch begins that has no stored state: ``"now"``, or a time (a datetime, an ISO string, or
        epoch milliseconds), from which on images are events that were created before the watch.
    :param max_per_event: the most images in one event.
    :param statuses: labels of final statuses: ``completed``, ``failed``, ``moderated``.
    :param models: only of these models; None for all.
    :param prompt_pattern: only those in whose prompt this regular expression is found.
    :param look_back: seconds, for an Airflow before 3.3: each start of the triggerer also takes what was created in
        this time before it, so that fewer are missed and some are repeated. ``start`` does not count there.
    """

    kind = IMAGES


class MiniMaxNewVideosTrigger(_NewMediaTrigger):
    """Fires an event for new videos of an account; for an ``AssetWatcher``.

    As for images, with ``{"videos": [...]}`` and the parameters of ``MiniMaxNewImagesTrigger``. The service does not
    document that its list of videos shows times or models. Where it shows none, ``start`` as a time, ``look_back`` and
    ``models`` select nothing.
    """

    kind = VIDEOS


class _Memory:
    """The stored state of a watch: in Airflow's stores of the assets that its trigger serves, or nowhere."""

    def __init__(self, spec: WatchSpec, store: AssetStateStoreAccessors | None) -> None:
        self._spec = spec
        # Airflow makes one trigger of equal ones, so there may be several stores. It offers no way to go through them,
        # and refuses to choose, so they are taken from where it keeps them.
        by_name: Mapping[str, AssetStateStoreAccessor] = getattr(store, "_by_name", {})
        self._stores = [by_name[name] for name in sorted(by_name)]
        self._saved: WatchState | None = None

    async def load(self) -> WatchState:
        """Return the state with which a watch begins. Until the store responds it cannot begin."""
        failed = 0
        while self._stores:
            try:
                stored = [await one.aget(self._spec.state_key) for one in self._stores]
            except Exception as error:  # noqa: BLE001 - to begin from scratch could miss or repeat events
                failed += 1
                if failures.is_worth_logging(failed):
                    reason = f"{type(error).__name__}: {error}"
                    self._warn("No events for %s until their stored state can be read; it is read again. %s", reason)
                await asyncio.sleep(timing.next_delay(1.0, failed))
            else:
                return self._read(next((one for one in stored if one is not None), None))
        self._warn(
            "Events for %s are missed while no triggerer runs: this Airflow cannot store what was seen; 3.3 can."
        )
        back = self._spec.look_back
        return WatchState(floor=round((time.time() - back) * 1000) if back else None)

    def _read(self, stored: object) -> WatchState:
        if stored is not None:
            try:
                self._saved = WatchState.from_json(stored)
            except ValueError:
                self._warn("Events for %s begin from scratch: the stored state is unknown to this version.")
        return self._saved or self._spec.first_state()

    async def save(self, state: WatchState) -> None:
        """Store a state, if it is another one."""
        if state == self._saved:
            return
        try:
            for one in self._stores:
                await one.aset(self._spec.state_key, state.to_json())
        except Exception as error:  # noqa: BLE001 - the next round stores it; until then a restart repeats events
            self._warn("The state of %s is not stored: a restart of the triggerer would repeat events. %s", error)
        else:
            self._saved = state

    def _warn(self, message: str, *reason: object) -> None:
        log.warning(message, self._spec.label, *reason)
