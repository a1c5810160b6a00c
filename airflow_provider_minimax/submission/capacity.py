"""When a task that found no capacity at the service submits again. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Seconds between two submits: for less it is not worth releasing the worker.
MIN_DELAY: Final = 60.0
#: The longest ``Retry-After`` that is honoured, in seconds.
MAX_RETRY_AFTER: Final = 3600.0
#: The largest share added at random, so that tasks that were refused together do not return together.
_JITTER: Final = 0.1

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
