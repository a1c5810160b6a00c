"""The difference between the service's clock and ours. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

#: Milliseconds by which two clocks may differ that were never compared.
CLOCK_SKEW: Final = 120_000
#: Milliseconds of uncertainty after a comparison: ``Date`` has whole seconds, and the machine that stamps a job may not
#: be the one that sends the response.
COMPARED_SKEW: Final = 15_000


class Clock(NamedTuple):
    """The service's clock, relative to ours.

    :param offset: milliseconds by which it is ahead.
    :param margin: milliseconds of uncertainty of ``offset``.
    """

    offset: int = 0
    margin: int = CLOCK_SKEW


def estimate_clock(date_offset: float | None, newest: int | None, now: int) -> Clock:
    """Return the best estimate of the service's clock.

    :param date_offset: seconds by which the ``Date`` of its responses is ahead; None without ``Date``.
    :param newest: the latest creation time in its lists, in epoch milliseconds. A job cannot be made in the future, so
        a later time than ``Date`` allows means that another clock stamps jobs.
    :param now: epoch milliseconds by our clock when the lists were read.
    """
    clock = Clock() if date_offset is None else Clock(round(date_offset * 1000), COMPARED_SKEW)
    if newest is None or newest - now <= clock.offset + clock.margin:
        return clock
    return Clock(newest - now, CLOCK_SKEW)
