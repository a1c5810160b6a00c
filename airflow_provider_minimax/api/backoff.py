"""Which requests are retried, and after how long. No I/O, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Seconds for all attempts of a request, the first one included.
READ_BUDGET: Final = 180.0
CREATE_BUDGET: Final = 60.0
#: The longest delay between two attempts, whatever ``Retry-After`` says.
MAX_DELAY: Final = 60.0
#: The first delay is drawn from 0 to this many seconds; each further one from twice as many.
FIRST_DELAY: Final = 1.0
#: A full queue takes longer to move than a transient fault (the vendor's scripts wait 20 s and more).
FIRST_DELAY_AT_CAPACITY: Final = 5.0
#: The longest delay without ``Retry-After``.
_MAX_OWN_DELAY: Final = 30.0
#: The longest plausible ``Retry-After``: a week. Anything longer is a time since 1970, or garbage.
_MAX_RETRY_AFTER: Final = 7 * 86_400.0

#: Additional seconds for the response to an upload, per GB: the vendor speaks of about one minute.
_UPLOAD_SECONDS_PER_GB: Final = 180.0

_CAPACITY: Final = 429
_ACCOUNT_ON_HOLD: Final = 596

Uniform = Callable[[float, float], float]


def plausible_retry_after(seconds: object) -> float | None:
    """Return the seconds that the service asks us to wait; None unless they are between 0 and a week."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    # An integer of any size compares; it need not fit into a float.
    return float(seconds) if 0 <= seconds <= _MAX_RETRY_AFTER else None


def may_retry(*, status: int | None, sent: bool, billable: bool) -> bool:
    """Return whether a failed request may be sent again.

    :param status: the HTTP status; None without a complete response.
    :param sent: False only if the request certainly never left this machine.
    :param billable: the request creates a job that costs credits. There is no idempotency key, so it is
        repeated only if the service cannot have created one.
    """
    if not sent:
        return True
    if status == _CAPACITY:
        return True
    if billable or status == _ACCOUNT_ON_HOLD:
        return False
    return status is None or status == 408 or status >= 500


def delay(failures: int, *, status: int | None, retry_after: float | None, uniform: Uniform = random.uniform) -> float:
    """Return the seconds to wait before the next attempt.

    :param failures: failed attempts so far, from 1.
    :param retry_after: seconds that the service asked for; honoured up to ``MAX_DELAY``, with up to a tenth of
        jitter on top so that many tasks do not return at once.
    """
    if retry_after is not None:
        return min(retry_after * uniform(1.0, 1.1), MAX_DELAY)
    first = FIRST_DELAY_AT_CAPACITY if status == _CAPACITY else FIRST_DELAY
    return uniform(0.0, min(first * 2.0 ** (failures - 1), _MAX_OWN_DELAY))


def upload_timeout(size: int, read_timeout: float) -> float:
    """Return the read timeout of an upload, in seconds.

    :param size: of the file, in bytes.
    :param read_timeout: the read timeout of other requests, in seconds.
    """
    return read_timeout + _UPLOAD_SECONDS_PER_GB * size / 1e9
