"""JSON values that Airflow can send between its processes and store.

JSON allows more than msgpack (between Airflow's processes) and a database column can hold: half of an emoji, which a
service written in JavaScript leaves when it cuts a prompt; a NUL; a number of any size. One of them in an event would
end Airflow's triggerer with all of its triggers.
"""

from __future__ import annotations

import math
from typing import Any, Final

#: The integers of msgpack.
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**64 - 1


def sendable(value: Any) -> Any:
    """Return a JSON value in which everything that cannot be sent is replaced.

    A lone surrogate or a NUL becomes ``?``, a too large integer its text, and a number that is not finite None.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {sendable(name): sendable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [sendable(member) for member in value]
    if isinstance(value, int):
        return value if _MIN_INTEGER <= value <= _MAX_INTEGER else str(value)
    if isinstance(value, float):
        # A plain float: a `SentNumber` is a subclass that msgpack does not know.
        return float(value) if math.isfinite(value) else None
    return value
