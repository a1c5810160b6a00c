"""The statistics of a sandbox, for the assertions of a test or a benchmark."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from copy import deepcopy
from dataclasses import dataclass, field

#: Calls that are kept one by one; the counters count all.
_MAX_CALLS = 20_000


@dataclass(frozen=True)
class Call:
    """One request, without its headers and so without the token."""

    operation: str
    path: str
    query: str
    status: int
    #: Kind of the fault that applied to it.
    fault: str | None = None


@dataclass
class Stats:
    """Counts since the start or the last reset; requests to the control calls are not counted."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    #: Images, videos and files that were created over the API.
    creates: Counter[str] = field(default_factory=Counter)
    credits_spent: int = 0
    media_requests: int = 0
    media_requests_with_authorization: int = 0
    peak_requests_per_second: int = 0
    peak_in_flight: int = 0
    #: Errors of the sandbox itself; anything here is a bug of the sandbox.
    internal_errors: list[str] = field(default_factory=list)

    def count(self, operation: str = "") -> int:
        """Return the number of requests of one operation (``"GET /images/"``), or of all."""
        if not operation:
            return sum(self.requests.values())
        return self.requests[operation] or self.requests[operation.rstrip("/")]


class Recorder:
    """Records the requests of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stats = Stats()
        self._calls: deque[Call] = deque(maxlen=_MAX_CALLS)
        self._second: deque[float] = deque()
        self._in_flight = 0

    def request_started(self, operation: str) -> None:
        """Count a request that has arrived."""
        now = time.monotonic()
        with self._lock:
            self._stats.requests[operation] += 1
            self._second.append(now)
            while self._second[0] <= now - 1:
                self._second.popleft()
            self._in_flight += 1
            stats = self._stats
            stats.peak_requests_per_second = max(stats.peak_requests_per_second, len(self._second))
            stats.peak_in_flight = max(stats.peak_in_flight, self._in_flight)

    def request_ended(self, call: Call) -> None:
        """Record the response to a request; status 0 is a connection that was cut."""
        with self._lock:
            self._in_flight -= 1
            self._stats.statuses[call.status] += 1
            if call.fault:
                self._stats.faults[call.fault] += 1
            self._calls.append(call)

    def created(self, kind: str, count: int, price: int) -> None:
        """Count what a request created, and its price in credits."""
        with self._lock:
            self._stats.creates[kind] += count
            self._stats.credits_spent += price

    def media_request(self, authorized: bool) -> None:
        """Count a download, and whether it carried a token, which none should."""
        with self._lock:
            self._stats.media_requests += 1
            self._stats.media_requests_with_authorization += authorized

    def internal_error(self, error: BaseException) -> None:
        """Record an error of the sandbox itself."""
        with self._lock:
            self._stats.internal_errors.append(repr(error))

    def snapshot(self) -> Stats:
        """Return a copy of the current statistics."""
        with self._lock:
            return deepcopy(self._stats)

    def calls(self) -> list[Call]:
        """Return the calls, oldest first."""
        with self._lock:
            return list(self._calls)
