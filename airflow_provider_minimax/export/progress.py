"""What a long walk says in the log of its task."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

#: Seconds between two lines.
_EVERY: Final = 5.0


class Progress:
    """Logs how far a walk has come, every few seconds and no more often.

    :param before: images that an earlier try has seen.
    :param clock: seconds, never going back.
    :param verb: what becomes of those that were chosen.
    """

    def __init__(self, before: int = 0, clock: Callable[[], float] = time.monotonic, verb: str = "exported") -> None:
        self._verb = verb
        self._clock = clock
        self._before = before
        self._begun = self._told = clock()

    def update(self, scanned: int, chosen: int, total: int | None) -> None:
        """Take note of where the walk is; log it when the last line is old enough.

        :param scanned: images seen.
        :param chosen: images that are exported.
        :param total: images of the account, as the service counts them.
        """
        now = self._clock()
        if now - self._told < _EVERY:
            return
        self._told = now
        log.info("%s", describe(scanned, chosen, total, now - self._begun, self._before, self._verb))


def describe(
    scanned: int, chosen: int, total: int | None, seconds: float, before: int = 0, verb: str = "exported"
) -> str:
    """Return one line: done of total, rate, and the time left at the most (a window may end the walk sooner)."""
    rate = (scanned - before) / seconds if seconds > 0 else 0.0
    line = f"{scanned:,} images read, {chosen:,} {verb}, {rate:,.0f}/s"
    if not total or total < scanned or not rate:
        return line
    left = (total - scanned) / rate
    return f"{scanned:,} of {total:,} images read ({100 * scanned // total} %), {chosen:,} {verb}, {rate:,.0f}/s, " + (
        f"at most {left:,.0f} s left" if left < 120 else f"at most {left / 60:,.0f} min left"
    )
