"""The time between two rounds of a wait, and how many failures it stands."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from airflow_provider_minimax.api.ids import Kind

#: Seconds; a shorter interval is not asked of the service by anybody.
SHORTEST_INTERVAL: Final = 1.0
#: Rounds in a row that may fail in passing before a wait gives up. With the stretching below that is about
#: eight minutes at the default interval: an upgrade or a short outage of the service costs nobody a wait.
MOST_FAILURES: Final = 10
#: Failing rounds are stretched up to this many seconds (or to the interval, where that is longer).
LONGEST_STRETCH: Final = 60.0
#: Seconds after its deadline within which a wait is asked for once more before it is given up: what was final by then,
#: and is paid for, is not thrown away. A triggerer that comes back has to read the connection first.
LAST_LOOK: Final = 10.0
#: Seconds for which a shared poll waits for one response, or one interval where that is shorter, but a second at least.
#: A response that takes longer is waited for apart, so that it holds up nobody else.
_LONGEST_PATIENCE: Final = 2.0
_SHORTEST_PATIENCE: Final = 1.0
#: Seconds that a deferral lasts at least, or one interval where that is shorter. Airflow's scheduler notes about once a
#: second, and less often under load, that a worker has let go of a task. One that is back on its way to a worker before
#: that passes for lost, and its try has failed ("the task instance's state attribute is queued"; seen in 3.3.2).
_SHORTEST_DEFERRAL: Final = 5.0
#: Seconds that Airflow waits longer than a trigger's own deadline before it ends a trigger that says nothing.
_BACKSTOP: Final = 60.0
#: What is added at random, so that waits that began together drift apart: a tenth of the interval, but no
#: more than half a second, since it also delays the end of the wait.
_JITTER: Final = 0.1
_LONGEST_JITTER: Final = 0.5


class Patience(NamedTuple):
    """How often a wait asks, and for how long: seconds."""

    interval: float
    timeout: float


#: What a wait does when its task does not say so itself.
DEFAULTS: Final[Mapping[Kind, Patience]] = {"image": Patience(10.0, 1800.0), "video": Patience(30.0, 3600.0)}

Uniform = Callable[[float, float], float]


def floor(interval: float) -> float:
    """Return the interval that is used for one that was asked for, in seconds."""
    return max(float(interval), SHORTEST_INTERVAL)


def pause(
    interval: float, failures: int = 0, retry_after: float | None = None, uniform: Uniform = random.uniform
) -> float:
    """Return the seconds until the next round.

    :param interval: seconds between two rounds while all is well.
    :param failures: rounds that have failed in a row; each doubles the pause.
    :param retry_after: what the service asked for in the last round.
    """
    longest = max(interval, LONGEST_STRETCH)
    seconds = min(interval * 2.0 ** min(failures, 16), longest)
    if retry_after is not None:
        seconds = max(seconds, min(retry_after, longest))
    return seconds + uniform(0.0, min(_JITTER * seconds, _LONGEST_JITTER))


def patience(interval: float) -> float:
    """Return the seconds for which a shared poll waits for one response before it goes on with the others.

    :param interval: seconds between two rounds.
    """
    return min(max(interval, _SHORTEST_PATIENCE), _LONGEST_PATIENCE)


def shortest_deferral(interval: float) -> float:
    """Return the seconds for which a task that a worker has deferred stays deferred, whatever is found meanwhile.

    :param interval: seconds between two rounds.
    """
    return min(floor(interval), _SHORTEST_DEFERRAL)


def backstop(left: float, interval: float) -> timedelta:
    """Return the time-out of a deferral, which is Airflow's own and only strikes where the trigger is silent.

    :param left: seconds until the trigger's deadline.
    :param interval: seconds between two rounds.
    """
    return timedelta(seconds=max(0.0, left) + interval + _BACKSTOP)


def phase(interval: float, uniform: Uniform = random.uniform) -> float:
    """Return a random delay before the first round of a wait that starts together with many others."""
    return uniform(0.0, interval)
