"""When a create without capacity is sent again, when Airflow starts the next attempt, and by whose clock. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, Self

#: Seconds between two submits: for less it is not worth releasing the worker.
MIN_DELAY: Final = 60.0
#: The longest ``Retry-After`` that is honoured, in seconds.
MAX_RETRY_AFTER: Final = 3600.0
#: The largest share added at random, so that tasks that were refused together do not return together.
_JITTER: Final = 0.1
#: Airflow's own upper bound of a retry delay, in seconds.
_MAX_RETRY_DELAY: Final = 86_400.0
#: Milliseconds by which two clocks may differ that were never compared.
CLOCK_SKEW: Final = 120_000
#: Milliseconds of uncertainty after a comparison: ``Date`` has whole seconds, and the machine that stamps a job may not
#: be the one that sends the response.
COMPARED_SKEW: Final = 15_000

Uniform = Callable[[float, float], float]


def next_submit_at(
    now: float, since: float, timeout: float, retry_after: float | None, uniform: Uniform = random.uniform
) -> float | None:
    """Return when to submit again, or None after the timeout. All in seconds, times since the epoch.

    :param since: when the attempt first found no capacity.
    :param timeout: after ``since``; the last submit is at its end.
    :param retry_after: as the service sent it; honoured up to ``MAX_RETRY_AFTER``.
    """
    remaining = since + timeout - now
    if remaining < 1.0:
        return None
    delay = max(MIN_DELAY, min(retry_after or 0.0, MAX_RETRY_AFTER))
    return now + min(delay * uniform(1.0, 1.0 + _JITTER), remaining)


@dataclass(frozen=True)
class RetryDelays:
    """The retry delays of a task. A ``retry_policy`` may override them, which cannot be known beforehand.

    :param delay: ``retry_delay``, in seconds.
    :param multiplier: ``retry_exponential_backoff``; 0 and 1 mean that each delay is the same.
    :param max_delay: ``max_retry_delay``, in seconds; None for no maximum.
    """

    delay: float = 0.0
    multiplier: float = 0.0
    max_delay: float | None = None

    @classmethod
    def of(cls, retry_delay: timedelta | float, backoff: float, max_retry_delay: timedelta | float | None) -> Self:
        """Return the delays from an operator's parameters, in any supported Airflow version.

        :param backoff: ``retry_exponential_backoff``. In older versions a flag that doubles each delay.
        """
        max_delay = None if max_retry_delay is None else _seconds(max_retry_delay)
        return cls(_seconds(retry_delay), 2.0 if isinstance(backoff, bool) and backoff else float(backoff), max_delay)

    def between(self, first: int, last: int) -> float:
        """Return the longest delay between two attempts in seconds, without the attempts' own duration.

        :param first: the number of the earlier attempt.
        :param last: the number of the later one.
        """
        return sum(self._after(number) for number in range(first, last))

    def _after(self, number: int) -> float:
        if self.multiplier in (0.0, 1.0) or self.multiplier < 0.0:
            return self.delay
        try:
            # Airflow adds up to as much again, by a hash of the task instance.
            backoff = 2.0 * max(1.0, self.delay * self.multiplier ** (number - 1))
        except OverflowError:
            backoff = _MAX_RETRY_DELAY
        return min(backoff, _MAX_RETRY_DELAY, *(() if self.max_delay is None else (self.max_delay,)))


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)


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
