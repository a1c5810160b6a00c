"""Sending requests so that a slow response holds up nobody but those who wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from airflow_provider_minimax.polling.threads import start_in_own_thread

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.jobs import Job

T = TypeVar("T")

#: Requests of one poll that are under way at the same time, the slow ones included.
MAX_UNDER_WAY: Final = 4


class SlowError(Exception):
    """The response has not come yet. The request goes on apart, and is not sent again meanwhile."""


class FullError(Exception):
    """As many requests are under way as may be: nothing was sent."""


class Sender(Protocol):
    """Sends requests. The name of one tells it from the others that are under way."""

    def send(self, name: str, request: Callable[[], T]) -> T:
        """Send a request and return its response.

        :raises SlowError: it has not come yet.
        :raises FullError: nothing was sent.
        """

    def is_under_way(self, name: str) -> bool:
        """Tell whether the response to a request is still to come."""

    def is_slow(self, name: str) -> bool:
        """Tell whether the last response to a request was slow."""

    def forget(self, name: str) -> None:
        """Forget whether a request was slow."""

    def take_late(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield the slow requests whose response has come since, each with what returns or raises it."""


class Direct:
    """Sends each request where it is asked for, and waits for its response: for a wait that is alone."""

    def send(self, name: str, request: Callable[[], T]) -> T:  # noqa: ARG002 - part of the protocol
        """Send a request and return its response."""
        return request()

    def is_under_way(self, name: str) -> bool:  # noqa: ARG002 - part of the protocol
        """Tell that none is."""
        return False

    def is_slow(self, name: str) -> bool:  # noqa: ARG002 - part of the protocol
        """Tell that none was: nobody has waited for something else meanwhile."""
        return False

    def forget(self, name: str) -> None:
        """Do nothing."""

    def take_late(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield nothing."""
        return iter(())


class Lanes:
    """Sends each request in a thread of its own, and leaves one that is slow to go on apart.

    What was slow is not waited for at its next turn, and leaves one lane free for what is not known to be slow.
    For one caller at a time.

    :param patience: seconds in which a response is waited for.
    :param tell: called, in another thread, when a slow response has come.
    :param limit: requests that are under way at the same time.
    """

    def __init__(self, patience: float, tell: Callable[[], None] = lambda: None, limit: int = MAX_UNDER_WAY) -> None:
        self._patience = patience
        self._tell = tell
        self._limit = limit
        self._under_way: dict[str, Future[object]] = {}
        self._slow: set[str] = set()

    def send(self, name: str, request: Callable[[], T]) -> T:
        """Send a request and return its response; see ``Sender``."""
        is_slow = name in self._slow
        if len(self._under_way) >= self._limit - is_slow:
            raise FullError
        begun = time.monotonic()

        def timed() -> T:
            try:
                return request()
            finally:
                if time.monotonic() - begun < self._patience:
                    self._slow.discard(name)

        response = start_in_own_thread(timed)
        done, _ = wait((response,), 0.0 if is_slow else self._patience)
        if done:
            return response.result()
        if not is_slow:
            self._slow.add(name)
        self._under_way[name] = response  # type: ignore[assignment]
        response.add_done_callback(lambda _: self._tell())
        raise SlowError

    def is_under_way(self, name: str) -> bool:
        """Tell whether the response to a request is still to come."""
        return name in self._under_way

    def is_slow(self, name: str) -> bool:
        """Tell whether the last response to a request was slow."""
        return name in self._slow

    def forget(self, name: str) -> None:
        """Forget whether a request was slow; one that is under way goes on."""
        self._slow.discard(name)

    def take_late(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield the slow requests whose response has come since; see ``Sender``."""
        for name in [name for name, response in self._under_way.items() if response.done()]:
            yield name, self._under_way.pop(name).result


class Clients:
    """Clients for several threads: each request has one to itself for as long as it takes.

    :param client: the first of them; the others are made like it.
    """

    def __init__(self, client: MiniMaxClient) -> None:
        self._client = client
        # A list, whose last one is taken and put back in one step of the interpreter.
        self._idle = [client]

    def get_job(self, kind: Kind, job_id: str) -> Job:
        """Return one job, as a client does."""
        client = self._take()
        try:
            return client.get_job(kind, job_id)
        finally:
            self._idle.append(client)

    def iter_job_pages(self, kind: Kind, account: str) -> Iterator[Sequence[Job]]:
        """Walk through the jobs of an account, as a client does."""
        client = self._take()
        try:
            yield from client.iter_job_pages(kind, account)
        finally:
            self._idle.append(client)

    def _take(self) -> MiniMaxClient:
        try:
            return self._idle.pop()
        except IndexError:
            return type(self._client)(self._client.settings)
