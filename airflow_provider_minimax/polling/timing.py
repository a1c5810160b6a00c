"""How often a wait polls, how long, and how many failures it tolerates.

An interval is the seconds between two rounds without failures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind

#: Seconds; no wait polls the service more often.
MIN_INTERVAL: Final = 1.0
#: Rounds in a row that may fail before a wait fails. With the backoff below that is about eight minutes at the default
#: interval: a deployment or a short outage of the service ends no wait.
MAX_FAILURES: Final = 10
#: Seconds between two rounds after failures at most (or the interval, where that is longer).
MAX_BACKOFF: Final = 60.0
#: Seconds after its deadline within which a wait polls a last time, so that a job that was final by then is not lost.
#: A triggerer that has just restarted has to read the connection first.
LAST_ROUND_WITHIN: Final = 10.0
#: Seconds for which a shared poll waits for one response: one interval within these bounds. A slower response arrives
#: in the background and delays nobody else.
_MIN_RESPONSE_WAIT: Final = 1.0
_MAX_RESPONSE_WAIT: Final = 2.0
#: Seconds for which a task stays deferred at least (or one interval, where that is shorter). Airflow's scheduler
#: processes a deferral about once a second, and later under load. A task that is queued again before that counts as
#: lost, and its attempt fails ("the task instance's state attribute is queued"; seen in 3.3.2).
_MIN_DEFERRAL: Final = 5.0
#: Seconds after a trigger's own deadline at which Airflow ends a trigger that has sent no event.
_DEFERRAL_MARGIN: Final = 60.0
#: Random seconds that are added to an interval, so that waits that started together drift apart: a tenth of it, up to
#: half a second, since it also delays the end of the wait.
_JITTER: Final = 0.1
_MAX_JITTER: Final = 0.5


class WaitDefaults(NamedTuple):
    """Seconds between two rounds, and seconds until the time-out."""

    interval: float
    timeout: float


#: For a task that sets neither.
DEFAULTS: Final[Mapping[Kind, WaitDefaults]] = {
    "image": WaitDefaults(10.0, 1800.0),
    "video": WaitDefaults(30.0, 3600.0),
    "credits": WaitDefaults(300.0, 43_200.0),
}

Uniform = Callable[[float, float], float]


def seconds(parameter: str, value: timedelta | float | None, default: float) -> float:
    """Return what a parameter says, in seconds.

    :raises MiniMaxBadRequestError: it is no number above 0.
    """
    if value is None:
        return default
    try:
        found = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not found > 0:
        raise MiniMaxBadRequestError(f"{parameter} must be a number of seconds above 0, not {value!r}.")
    return found


def at_least_minimum(interval: float) -> float:
    """Return the interval that is used for a requested one; seconds."""
    return max(float(interval), MIN_INTERVAL)


def next_delay(
    interval: float, failures: int = 0, retry_after: float | None = None, uniform: Uniform = random.uniform
) -> float:
    """Return the seconds until the next round.

    :param failures: rounds that have failed in a row; each doubles the delay.
    :param retry_after: seconds of the ``Retry-After`` in the last round.
    """
    longest = max(interval, MAX_BACKOFF)
    seconds = min(interval * 2.0 ** min(failures, 16), longest)
    if retry_after is not None:
        seconds = max(seconds, min(retry_after, longest))
    return seconds + uniform(0.0, min(_JITTER * seconds, _MAX_JITTER))


def first_delay(interval: float, uniform: Uniform = random.uniform) -> float:
    """Return a random delay before the first round of a wait that starts together with many others."""
    return uniform(0.0, interval)


def response_wait(interval: float) -> float:
    """Return the seconds for which a shared poll waits for one response."""
    return min(max(interval, _MIN_RESPONSE_WAIT), _MAX_RESPONSE_WAIT)


def min_deferral(interval: float) -> float:
    """Return the seconds for which a task stays deferred at least, even if its wait ends sooner."""
    return min(at_least_minimum(interval), _MIN_DEFERRAL)


def deferral_timeout(left: float, interval: float) -> timedelta:
    """Return the time-out that Airflow applies to a deferral. It ends only a trigger that sends no event.

    :param left: seconds until the trigger's own deadline.
    """
    return timedelta(seconds=max(0.0, left) + interval + _DEFERRAL_MARGIN)
