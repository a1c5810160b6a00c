"""The connections of a client: each response is bounded as a whole, and whether a request has left is known.

The HTTP library limits only the time between two bytes, and its errors do not tell whether a request has left: behind a
proxy, one error stands for "no connection" and for "the response was lost". The connection itself knows both.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

#: Bytes beside the body: headers, and the frames of chunks.
_MAX_OVERHEAD: Final = 2**20


class Wire(HTTPAdapter):
    """Carries the requests of one session, one at a time.

    :param total_timeout: seconds for a request and its whole response.
    :param max_bytes: the most bytes of a response on the wire, without headers.
    :param clock: seconds that only grow.
    :ivar may_have_left: whether the last request may have left this machine; None if it did not pass through here.
    """

    def __init__(self, total_timeout: float, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.may_have_left: bool | None = None
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes + _MAX_OVERHEAD
        self._clock = clock
        self._deadline = 0.0
        self._bytes_left = 0
        self._pools: dict[str, Any] = {}
        super().__init__()

    @property
    def is_overdue(self) -> bool:
        """Whether the last request has reached its deadline."""
        return self.seconds_left() <= 0.0

    def seconds_left(self) -> float:
        """Return the seconds until the last request's deadline."""
        return self._deadline - self._clock()

    def count(self, received: int) -> None:
        """Count bytes of the response.

        :raises OSError: the response exceeds its limit.
        """
        self._bytes_left -= received
        if self._bytes_left < 0:
            raise OSError(f"more than {self._max_bytes} bytes on the wire")

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, and return its response as soon as the headers have arrived."""
        self._deadline = self._clock() + self._total_timeout
        self._bytes_left = self._max_bytes
        return super().send(request, stream, timeout, verify, cert, proxies)

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the library's pool, whose connections are ours.

        Proxies and certificates of a session stay the same, so its pool does: to find it for each page of a long walk
        takes noticeable time.
        """
        # Only from here on: a release of the library that does not call this method proves nothing.
        self.may_have_left = False
        origin = "/".join((request.url or "").split("/", 3)[:3])
        pool: Any = self._pools.get(origin)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, *args, **kwargs)
            if "ConnectionCls" not in vars(pool):
                pool.ConnectionCls = functools.partial(_connection, _watched(pool.ConnectionCls), self)
            self._pools[origin] = pool
        return pool

    def close(self) -> None:
        """Close all connections."""
        self._pools.clear()
        super().close()


class _WatchedConnection(HTTPConnection):
    """Reports to its wire whether a request may have left, and keeps the wire's deadline."""

    wire: Wire

    def connect(self) -> None:
        super().connect()
        # With its tunnel, if any, and TLS.
        self.wire.may_have_left = True

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            # Open since an earlier request.
            self.wire.may_have_left = True
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            _apply_deadline(self.wire, self.sock)
        super().send(data)


class _WatchedResponse(http.client.HTTPResponse):
    """Reads headers and body within the wire's bounds; also a proxy's response to CONNECT."""

    def __init__(self, wire: Wire, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Bounded(wire, sock, raw))


class _Bounded(io.RawIOBase):
    def __init__(self, wire: Wire, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._wire, self._sock, self._raw = wire, sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _apply_deadline(self._wire, self._sock)
        received: int | None = self._raw.readinto(buffer)
        self._wire.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


def _apply_deadline(wire: Wire, sock: socket.socket) -> None:
    """Shorten the timeout of a socket's next step to the time that is left.

    :raises TimeoutError: none is left.
    """
    left = wire.seconds_left()
    if left <= 0.0:
        raise TimeoutError("the time for the whole response is up")
    own = sock.gettimeout()
    if own is None or left < own:
        sock.settimeout(left)


@functools.cache
def _watched(base: type[HTTPConnection]) -> type[_WatchedConnection]:
    """Return the library's class of connections (plain, TLS or SOCKS) as one that is watched."""
    return type(f"Watched{base.__name__}", (_WatchedConnection, base), {})


def _connection(kind: type[_WatchedConnection], wire: Wire, *args: Any, **kwargs: Any) -> _WatchedConnection:
    connection = kind(*args, **kwargs)
    connection.wire = wire
    connection.response_class = functools.partial(_WatchedResponse, wire)  # type: ignore[assignment] # as it is called
    return connection
