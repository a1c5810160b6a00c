"""Timestamps as numbers, in seconds or milliseconds."""

from __future__ import annotations

import re
from typing import Final

#: The text of a number of at least ten digits, as JSON or Python writes it.
_NUMBER: Final = re.compile(r"\d{10,}(\.\d+)?|\d\.\d+e\+?\d{1,3}", re.ASCII | re.IGNORECASE)
#: A number of ten digits is one of seconds (from 2001 to 2286); a larger one is one of milliseconds.
_SECONDS: Final = range(10**9, 10**10)
#: The year 10000 in milliseconds: no library can hold a later date.
_END: Final = 253_402_300_800_000


def epoch_milliseconds(value: object) -> int | None:
    """Return a number, or the text of one, as milliseconds since the epoch; None if it is no date.

    Ten digits are seconds: as milliseconds they would lie in the first months of 1970.
    """
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END:
        return None
    return round(value * 1000) if int(value) in _SECONDS else round(value)
