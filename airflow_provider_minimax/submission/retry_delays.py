"""How long Airflow waits between the attempts of a task. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

#: Airflow's own upper bound, in seconds.
_MAX_DELAY: Final = 86_400.0


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
            backoff = _MAX_DELAY
        return min(backoff, _MAX_DELAY, *(() if self.max_delay is None else (self.max_delay,)))


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
