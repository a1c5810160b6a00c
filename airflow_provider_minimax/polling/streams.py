"""What the polls of waits and of watches have in common: members, and a place among the streams of a triggerer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.threads import start_in_own_thread

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings

T = TypeVar("T")
MemberT = TypeVar("MemberT")


class SharedStream(Generic[MemberT]):
    """A poll and the members that it serves, from the next round on.

    :param interval: seconds between two rounds.
    :param get_settings: reads the connection, on the event loop.
    """

    def __init__(self, interval: float, get_settings: Callable[[], Awaitable[Settings]]) -> None:
        self._interval = timing.at_least_minimum(interval)
        self._get_settings = get_settings
        self._members: set[MemberT] = set()
        self._has_members = asyncio.Event()
        #: Rounds that have failed in a row.
        self._failures = 0
        self._thread: Future[Any] | None = None
        #: Whether nobody awaits the thread any more.
        self._is_abandoned = threading.Event()
        #: How many drive it. Those keep it, so that whoever comes later is a member of a stream that is driven.
        self.drivers = 0

    @property
    def is_idle(self) -> bool:
        """Whether it has neither members nor drivers."""
        return not self._members and self.drivers == 0

    def add(self, member: MemberT) -> None:
        """Add a member."""
        self._members.add(member)
        self._has_members.set()

    def remove(self, member: MemberT) -> None:
        """Remove a member."""
        self._members.discard(member)
        if not self._members:
            self._has_members.clear()

    async def _run_in_thread(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in a thread, one at a time: a reader is not thread-safe."""
        if self._thread is not None:
            # It may be that of a driver that was cancelled. Nobody needs its result.
            with contextlib.suppress(Exception):
                await asyncio.wrap_future(self._thread)
        self._is_abandoned.clear()
        thread = self._thread = start_in_own_thread(function, *args)
        try:
            return await asyncio.wrap_future(thread)
        except asyncio.CancelledError:
            self._is_abandoned.set()
            raise


StreamT = TypeVar("StreamT", bound=SharedStream[Any])


class Streams(dict[Hashable, StreamT]):
    """The streams of a triggerer, by key, each as long as somebody uses it."""

    def get_or_make(self, key: Hashable, make: Callable[[], StreamT]) -> StreamT:
        """Return the stream of a key, made on the first call: its users may come in any order."""
        if key not in self:
            self[key] = make()
        return self[key]

    def forget_if_idle(self, key: Hashable, stream: StreamT) -> None:
        """Forget a stream that nobody uses; the next user starts a new one."""
        if stream.is_idle and self.get(key) is stream:
            del self[key]
