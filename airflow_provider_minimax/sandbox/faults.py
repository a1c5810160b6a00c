"""Faults that a sandbox can be told to show: which exist, how one is written, whose turn it is."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final

#: Statuses answered with the service's flat error object.
PLAIN: Final = frozenset({"400", "401", "402", "403", "404", "408", "412", "422", "429"}) | frozenset(
    {"500", "502", "503", "504", "596"}
)
#: What else can go wrong, in one line each.
OTHER: Final = {
    "502-html": "502 with the HTML page of a proxy",
    "522": "522 with the HTML page of a proxy",
    "huge-retry-after": "429 that asks to come back in a day",
    "error-object": "an error whose `error` is an object and that has no `code`; `status` sets the status",
    "accepted-502": "the request is carried out, then the answer is 502",
    "accepted-504": "the request is carried out, then the answer is 504",
    "accepted-reset": "the request is carried out, then the connection is reset",
    "reset": "the connection is reset before any answer",
    "truncated": "half of the body, then the connection ends",
    "slow": "the answer starts after `delay` seconds",
    "drip": "the body takes `delay` seconds",
    "not-json": "200 with an HTML page",
    "wrong-shape": "200 with JSON that is not the contract's",
    "empty-ids": "200 without the ids of a create; nothing was created",
    "redirect": "302 to `location`",
    "empty-page": "a list without its items; what else it says, such as `hasNext` and `total`, is true",
    "unknown-status": "the items have status 99, without label and finality",
    "arrive": "`count` new images appear at the head of the list before the answer",
}
KINDS: Final = PLAIN | frozenset(OTHER)


@dataclass(frozen=True)
class Fault:
    """One order for trouble.

    A fault counts the requests of its operation: it lets the first ``skip`` pass, shows itself
    ``times`` times, and is used up. Of several that are due, the one queued first wins, and the
    others wait. An operation is written as ``"GET /images/{id}"``; ``*`` matches any text. The
    default, all of the API, does not touch media (``"GET /media/{name}"``).
    """

    kind: str
    operation: str = "*"
    skip: int = 0
    #: 0 means for ever.
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
        """Refuse a fault that could never show itself."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(KINDS))}")
        if self.skip < 0 or self.times < 0 or self.count < 0 or self.delay < 0:
            raise ValueError(f"skip, times, count and delay of a fault must not be negative: {self}")
        if isinstance(self.retry_after, str) and self.retry_after != "date":
            raise ValueError(f'retry_after is a number of seconds or "date", not {self.retry_after!r}')

    def concerns(self, operation: str) -> bool:
        """Tell whether this fault is meant for an operation."""
        if self.operation == "*":
            return "/media/" not in operation
        return fnmatchcase(operation.rstrip("/"), self.operation.rstrip("/"))


class FaultQueue:
    """The faults that are still to come."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Queue some from the start."""
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque(_Waiting(fault, fault.skip, fault.times) for fault in faults)

    def add(self, fault: Fault) -> None:
        """Queue one more."""
        with self._lock:
            self._waiting.append(_Waiting(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._waiting.clear()

    def pending(self) -> list[Fault]:
        """List the faults that are not used up."""
        with self._lock:
            return [waiting.fault for waiting in self._waiting]

    def take(self, operation: str) -> Fault | None:
        """Count a request and give the fault that it meets."""
        with self._lock:
            due = [waiting for waiting in self._waiting if waiting.counts(operation)]
            if not due:
                return None
            first = due[0]
            if first.times == 1:
                self._waiting.remove(first)
            first.times -= 1 if first.times else 0
            return first.fault


@dataclass(eq=False)
class _Waiting:
    fault: Fault
    skip: int
    times: int

    def counts(self, operation: str) -> bool:
        """Count a request; tell whether the fault is due now."""
        if not self.fault.concerns(operation):
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line writes it: ``429@GET /images/:skip=1,times=2,retry_after=1``."""
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
    """Convert an option as its field is declared."""
    if declared == "int":
        return int(text)
    if declared == "float" or text.replace(".", "", 1).isdigit():
        return float(text)
    return text
