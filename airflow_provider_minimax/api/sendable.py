"""What Airflow can send from process to process and store, made of what the service may send.

JSON allows more than msgpack (between Airflow's processes) and a database column can hold: half of an emoji, which a
service written in JavaScript leaves when it cuts a prompt; a NUL; a number of any size. Airflow's triggerer ends with
all of its waits when it meets one of them in an event.
"""

from __future__ import annotations

import math
from typing import Any, Final

#: The integers of msgpack.
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def sendable(value: Any) -> Any:
    """Return a JSON value with what cannot be sent in it replaced; anything else stays as it is.

    A character without an encoding becomes ``?``, an integer that is too large its text, and what is no number None.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {sendable(name): sendable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [sendable(member) for member in value]
    if isinstance(value, int):
        return value if _SMALLEST <= value <= _LARGEST else str(value)
    if isinstance(value, float):
        # The nearest plain one: a number that none can hold is of a type of its own.
        return float(value) if math.isfinite(value) else None
    return value
