"""Faults of a sandbox: which kinds exist, how one is written, and which one a request meets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final

#: Statuses that come with the service's flat error object.
PLAIN: Final = frozenset({"400", "401", "402", "403", "404", "408", "412", "422", "429"}) | frozenset(
    {"500", "502", "503", "504", "596"}
)
#: The other kinds, in one line each.
OTHER: Final = {
    "502-html": "502 with the HTML page of a proxy",
    "522": "522 with the HTML page of a proxy",
    "huge-retry-after": "429 with a Retry-After of a day",
    "error-object": "an error whose `error` is an object and that has no `code`; `status` sets the status",
    "accepted-502": "the request is carried out, then the response is 502",
    "accepted-504": "the request is carried out, then the response is 504",
    "accepted-reset": "the request is carried out, then the connection is reset",
    "reset": "the connection is reset before any response",
    "truncated": "half of the body, then the connection ends",
    "slow": "the response starts after `delay` seconds",
    "drip": "the body takes `delay` seconds",
    "not-json": "200 with an HTML page",
    "wrong-shape": "200 with JSON that is not the contract's",
    "empty-ids": "200 without the ids of a create; nothing was created",
    "redirect": "302 to `location`",
    "empty-page": "a list without its items; all else in it, such as `hasNext` and `total`, is correct",
    "unknown-status": "the items have status 99, without label and finality",
    "arrive": "`count` new images (on their list, videos) appear at the head of the list before the response",
}
KINDS: Final = PLAIN | frozenset(OTHER)


@dataclass(frozen=True)
class Fault:
    """One fault and the requests that meet it.

    A fault counts the requests of its operation: it skips the first ``skip``, applies to ``times``
    requests, and is used up. Of several that are due, the one queued first applies, and the
    others wait. An operation is written as ``"GET /images/{id}"``; ``*`` matches any text. The
    default, all of the API, leaves out media (``"GET /media/{name}"``).
    """

    kind: str
    operation: str = "*"
    skip: int = 0
    #: 0: without end.
    times: int = 1
    #: Seconds, or ``"date"`` for an HTTP date two seconds ahead.
    retry_after: float | str | None = None
    #: Seconds, for ``slow`` and ``drip``.
    delay: float = 2.0
    #: New images, for ``arrive``.
    count: int = 1
    #: Of ``error-object``.
    status: int = 400
    #: Of ``redirect``.
    location: str = "https://elsewhere.invalid/"

    def __post_init__(self) -> None:
        """Refuse a fault that could never apply."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(KINDS))}")
        if self.skip < 0 or self.times < 0 or self.count < 0 or self.delay < 0:
            raise ValueError(f"skip, times, count and delay of a fault must not be negative: {self}")
        if isinstance(self.retry_after, str) and self.retry_after != "date":
            raise ValueError(f'retry_after is a number of seconds or "date", not {self.retry_after!r}')

    def matches(self, operation: str) -> bool:
        """Return whether this fault is for an operation."""
        if self.operation == "*":
            return "/media/" not in operation
        return fnmatchcase(operation.rstrip("/"), self.operation.rstrip("/"))


class FaultQueue:
    """The faults that are not used up."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._queue: deque[_Queued] = deque(_Queued(fault, fault.skip, fault.times) for fault in faults)

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        with self._lock:
            self._queue.append(_Queued(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._queue.clear()

    def pending(self) -> list[Fault]:
        """Return the faults that are not used up."""
        with self._lock:
            return [queued.fault for queued in self._queue]

    def take(self, operation: str) -> Fault | None:
        """Count a request and return the fault that it meets."""
        with self._lock:
            due = [queued for queued in self._queue if queued.count(operation)]
            if not due:
                return None
            first = due[0]
            if first.times == 1:
                self._queue.remove(first)
            first.times -= 1 if first.times else 0
            return first.fault


@dataclass(eq=False)
class _Queued:
    fault: Fault
    skip: int
    times: int

    def count(self, operation: str) -> bool:
        """Count a request; return whether the fault is due now."""
        if not self.fault.matches(operation):
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True


def parse_fault(text: str) -> Fault:
    """Parse a fault as the command line writes it: ``429@GET /images/:skip=1,times=2,retry_after=1``."""
    kind, _, rest = text.partition("@")
    operation, _, options = rest.partition(":")
    known = {option.name: option.type for option in fields(Fault)}
    values: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if not equals or name not in known or name in ("kind", "operation"):
            raise ValueError(f"unknown option {option!r} in fault {text!r}")
        values[name] = _value(str(known[name]), value)
    return Fault(kind.strip(), operation.strip() or "*", **values)


def _value(declared: str, text: str) -> float | int | str:
    """Convert an option to the type of its field."""
    if declared == "int":
        return int(text)
    if declared == "float" or text.replace(".", "", 1).isdigit():
        return float(text)
    return text
