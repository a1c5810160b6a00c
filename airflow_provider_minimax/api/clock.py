"""The offset of the service's clock from ours, by the ``Date`` of its responses. No I/O."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

#: Seconds after which a response is no evidence: its ``Date`` may be of any moment in between.
_MAX_DURATION: Final = 10.0
#: ``Date`` has whole seconds, so it is half a second early on average.
_HALF_A_SECOND: Final = 0.5


def offset_of(date: str | None, sent: float, received: float) -> float | None:
    """Return the seconds by which the service's clock is ahead of ours; None if unknown.

    Accurate to about a second, plus the latency of the response.

    :param date: the ``Date`` header.
    :param sent: when the request was sent, in seconds since the epoch.
    :param received: when the headers of its response had come, likewise.
    """
    if not date or not 0.0 <= received - sent <= _MAX_DURATION:
        return None
    at = _timestamp(date)
    return None if at is None else at + _HALF_A_SECOND - received


@lru_cache(maxsize=8)
def _timestamp(date: str) -> float | None:
    """Return a date of HTTP in seconds since the epoch. Cached: a fast list has many pages in a second."""
    try:
        at = parsedate_to_datetime(date)
        # A date without a zone is in UTC: HTTP uses no other.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
