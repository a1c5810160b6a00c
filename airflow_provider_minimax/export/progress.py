"""The progress of a long walk, in the log of the task."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

#: Seconds between two lines.
_LOG_INTERVAL: Final = 5.0


class WalkProgress:
    """Logs how far a walk has come, every few seconds and no more often.

    :param before: images that an earlier attempt has read.
    :param clock: monotonic, in seconds.
    :param verb: what happens to the selected images.
    """

    def __init__(
        self,
        before: int = 0,
        clock: Callable[[], float] = time.monotonic,
        verb: str = "exported",
        items: str = "images",
    ) -> None:
        self._verb = verb
        self._items = items
        self._clock = clock
        self._before = before
        self._started = self._logged = clock()

    def update(self, scanned: int, selected: int, total: int | None) -> None:
        """Log where the walk is, if the last line is old enough; ``total`` is what the service counts."""
        now = self._clock()
        if now - self._logged < _LOG_INTERVAL:
            return
        self._logged = now
        log.info("%s", describe(scanned, selected, total, now - self._started, self._before, self._verb, self._items))


def describe(
    scanned: int,
    selected: int,
    total: int | None,
    seconds: float,
    before: int = 0,
    verb: str = "exported",
    items: str = "images",
) -> str:
    """Return one line: images read of the total, rate, and the longest time left (a window may end it sooner)."""
    rate = (scanned - before) / seconds if seconds > 0 else 0.0
    pace = f"{selected:,} {verb}, {rate:,.0f}/s"
    if not total or total < scanned or not rate:
        return f"{scanned:,} {items} read, {pace}"
    left = (total - scanned) / rate
    at_most = f"{left:,.0f} s" if left < 120 else f"{left / 60:,.0f} min"
    return f"{scanned:,} of {total:,} {items} read ({100 * scanned // total} %), {pace}, at most {at_most} left"
