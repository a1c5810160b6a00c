"""When a task that has found no room at the service asks again. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Seconds between two askings: letting go of a worker for less is not worth it.
PAUSE: Final = 60.0
#: The most seconds that the service can ask for between two of them.
MAX_ASKED: Final = 3600.0
#: What is added at random, so that tasks that were refused together do not return together.
_JITTER: Final = 0.1

Uniform = Callable[[float, float], float]


def next_asking(
    now: float, since: float, timeout: float, retry_after: float | None, uniform: Uniform = random.uniform
) -> float | None:
    """Return the moment at which to ask again; None when the time is up. All in seconds since the epoch.

    :param since: when the task began to ask.
    :param timeout: seconds for which it goes on asking; the last asking is at their end.
    :param retry_after: seconds that the service asked us to wait; honoured up to ``MAX_ASKED``.
    """
    left = since + timeout - now
    if left < 1.0:
        return None
    pause = max(PAUSE, min(retry_after or 0.0, MAX_ASKED))
    return now + min(pause * uniform(1.0, 1.0 + _JITTER), left)
