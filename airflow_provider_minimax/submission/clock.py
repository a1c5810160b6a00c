"""How far the time that the service shows for a job may be from ours, and what is certain about it. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

#: Milliseconds by which two clocks may differ that were never compared.
CLOCK_SKEW: Final = 120_000
#: What is left of that once they were: ``Date`` has whole seconds, and one machine may stamp the response that
#: another has made the job for.
COMPARED_SKEW: Final = 15_000


class Clock(NamedTuple):
    """The service's clock, from ours.

    :param offset: milliseconds by which it is ahead.
    :param margin: milliseconds by which it may differ from that, either way.
    """

    offset: int = 0
    margin: int = CLOCK_SKEW


def compared(date_offset: float | None, newest: int | None, now: int) -> Clock:
    """Return what is known of the service's clock.

    :param date_offset: seconds by which it is ahead by the ``Date`` of its responses; None when they bear none.
    :param newest: the latest time of creation that its lists show, in epoch milliseconds. No job can have been made
        in the future, whatever ``Date`` says: the clock that stamps jobs is then another one.
    :param now: our time when the lists were read.
    """
    clock = Clock() if date_offset is None else Clock(round(date_offset * 1000), COMPARED_SKEW)
    if newest is None or newest - now <= clock.offset + clock.margin:
        return clock
    return Clock(newest - now, CLOCK_SKEW)
