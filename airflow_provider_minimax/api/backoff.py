"""Which request may be sent again, and after how long. No I/O, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Seconds within which a request is repeated, the first try included.
READ_BUDGET: Final = 180.0
CREATE_BUDGET: Final = 60.0
#: The longest pause between two tries, whatever ``Retry-After`` says.
LONGEST_PAUSE: Final = 60.0
#: The first pause is drawn from 0 to this many seconds; each further one from twice as many.
FIRST_PAUSE: Final = 1.0
#: A full queue takes longer to move than a passing fault (the vendor's scripts wait 20 s and more).
FIRST_PAUSE_AT_CAPACITY: Final = 5.0
#: The longest pause that we choose ourselves.
LONGEST_OWN_PAUSE: Final = 30.0
#: The longest time that the service is believed to ask for: a week. What is longer is no number of seconds, but the
#: seconds or milliseconds since 1970, or garbage.
MAX_ASKED: Final = 7 * 86_400.0

#: Seconds more for the answer to an upload, for each GB: the vendor speaks of about one minute.
_PATIENCE_PER_GB: Final = 180.0

CAPACITY: Final = 429
ACCOUNT_ON_HOLD: Final = 596

Uniform = Callable[[float, float], float]


def asked_for(seconds: object) -> float | None:
    """Return the seconds that the service asks us to wait, if they make sense: from 0 to ``MAX_ASKED``; else None."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    # An integer of any size compares; it need not fit into a float.
    return float(seconds) if 0 <= seconds <= MAX_ASKED else None


def may_repeat(*, status: int | None, sent: bool, paid: bool) -> bool:
    """Decide whether a failed request may be sent once more.

    :param status: the HTTP status; None when no whole answer came.
    :param sent: False only when the request certainly never left this machine.
    :param paid: the request creates a job that costs credits; there is no idempotency key, so it is
        repeated only where no job can have been made.
    """
    if not sent:
        return True
    if status == CAPACITY:
        return True
    if paid or status == ACCOUNT_ON_HOLD:
        return False
    return status is None or status == 408 or status >= 500


def pause(failures: int, *, status: int | None, retry_after: float | None, uniform: Uniform = random.uniform) -> float:
    """Return the seconds to wait before the next try.

    :param failures: how many tries have failed so far, from 1.
    :param retry_after: what the service asked for, in seconds; honoured up to ``LONGEST_PAUSE``, with up
        to a tenth on top so that many tasks do not return at once.
    """
    if retry_after is not None:
        return min(retry_after * uniform(1.0, 1.1), LONGEST_PAUSE)
    first = FIRST_PAUSE_AT_CAPACITY if status == CAPACITY else FIRST_PAUSE
    return uniform(0.0, min(first * 2.0 ** (failures - 1), LONGEST_OWN_PAUSE))


def upload_patience(size: int, read_timeout: float) -> float:
    """Return the seconds that the answer to an upload may take.

    :param size: of the file, in bytes.
    :param read_timeout: what any other answer may take.
    """
    return read_timeout + _PATIENCE_PER_GB * size / 1e9
