"""Send requests so that a slow response delays only those who wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, TypeVar

from airflow_provider_minimax.polling.threads import start_in_own_thread

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.jobs import Job

T = TypeVar("T")

#: Requests of one poll that are pending at the same time, the slow ones included.
MAX_PENDING: Final = 4


class SlowResponseError(Exception):
    """The response is late. The request continues in the background and is not sent again meanwhile."""


class SenderFullError(Exception):
    """The maximum of pending requests is reached; nothing was sent."""


class Sender:
    """Sends requests, each known by its name while it is pending.

    A request that was slow before is not waited for, and leaves one thread free for the others. For one caller at a
    time.

    :param max_wait: seconds to wait for a response. The request then continues in a thread of its own. None for a wait
        on its own, which sends in the thread of the caller and waits for each response.
    :param on_late_response: called, in another thread, when a slow response arrives.
    :param max_pending: requests that are pending at the same time.
    """

    def __init__(
        self,
        max_wait: float | None = None,
        on_late_response: Callable[[], None] = lambda: None,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._max_wait = max_wait
        self._on_late_response = on_late_response
        self._max_pending = max_pending
        self._pending: dict[str, Future[object]] = {}
        self._slow: set[str] = set()

    def send(self, name: str, request: Callable[[], T]) -> T:
        """Send a request and return its response.

        :raises SlowResponseError: the response is late.
        :raises SenderFullError: nothing was sent.
        """
        max_wait = self._max_wait
        if max_wait is None:
            return request()
        is_slow = name in self._slow
        if len(self._pending) >= self._max_pending - is_slow:
            raise SenderFullError
        started = time.monotonic()

        def timed() -> T:
            try:
                return request()
            finally:
                if time.monotonic() - started < max_wait:
                    self._slow.discard(name)

        response = start_in_own_thread(timed)
        done, _ = wait((response,), 0.0 if is_slow else max_wait)
        if done:
            return response.result()
        if not is_slow:
            self._slow.add(name)
        self._pending[name] = response  # type: ignore[assignment]
        response.add_done_callback(lambda _: self._on_late_response())
        raise SlowResponseError

    def is_pending(self, name: str) -> bool:
        """Return whether a request still has no response."""
        return name in self._pending

    def is_slow(self, name: str) -> bool:
        """Return whether the last response to a request was slow."""
        return name in self._slow

    def forget(self, name: str) -> None:
        """Forget whether a request was slow; a pending one continues."""
        self._slow.discard(name)

    def pop_late(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield each slow request that has a response by now, with a function that returns or raises it."""
        for name in [name for name, response in self._pending.items() if response.done()]:
            yield name, self._pending.pop(name).result


class ClientPool:
    """Clients for several threads: each request has a client to itself.

    :param client: the first one; the others are made like it.
    """

    def __init__(self, client: MiniMaxClient) -> None:
        self._client = client
        # A list, since `pop` and `append` are atomic.
        self._idle = [client]

    def get_job(self, kind: Kind, job_id: str) -> Job:
        """Return one job, as a client does."""
        client = self._acquire()
        try:
            return client.get_job(kind, job_id)
        finally:
            self._idle.append(client)

    def iter_job_pages(self, kind: Kind, account: str) -> Iterator[Sequence[Job]]:
        """Walk through the jobs of an account, as a client does."""
        client = self._acquire()
        try:
            yield from client.iter_job_pages(kind, account)
        finally:
            self._idle.append(client)

    def _acquire(self) -> MiniMaxClient:
        try:
            return self._idle.pop()
        except IndexError:
            return type(self._client)(self._client.settings)
