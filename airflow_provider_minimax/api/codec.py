"""JSON as the service sends it, in both directions, without loss.

msgspec is fast and keeps integers of any size. It refuses a lone surrogate (half of an emoji, which a
service written in JavaScript produces by cutting a prompt), and one such prompt must not cost a
whole export; the standard library takes those.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

#: Values that a document may have: each takes about a hundred bytes of memory, however few it takes in the document.
MAX_VALUES: Final = 1_000_000
#: Levels of lists and objects within each other that a document may have. The service's own have five or six; what
#: walks through a document later, here or in Airflow, calls itself for each level.
MAX_DEPTH: Final = 64

_ENCODER: Final = msgspec.json.Encoder()


class UnreadableError(ValueError):
    """Data that would take too much to read; says what they are, in a few words."""


def loads(body: bytes) -> Any:
    """Decode a JSON document in UTF-8.

    :raises UnreadableError: it is nested deeper than ``MAX_DEPTH``, or has more than ``MAX_VALUES``.
    :raises ValueError: the bytes are not JSON.
    """
    if len(body) > MAX_VALUES and body.count(b",") > MAX_VALUES:
        raise UnreadableError(f"JSON of more than {MAX_VALUES} values")
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    if _is_too_deep(value):
        raise _too_deep()
    return value


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        # Not the bytes, of which the standard library would guess the encoding.
        return json.loads(body.decode("utf-8-sig", "surrogatepass"))


def _is_too_deep(value: Any) -> bool:
    # Level by level, so that it cannot itself run out of stack; and in plain loops, which each page of a walk feels.
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        below = []
        for container in level:
            for member in container.values() if type(container) is dict else container:
                if type(member) is dict or type(member) is list:
                    below.append(member)  # noqa: PERF401 - a list for each container takes longer
        level = below
        if not level:
            return False
    return True


def _too_deep() -> UnreadableError:
    return UnreadableError(f"JSON nested deeper than {MAX_DEPTH} levels")


def dumps(value: object) -> bytes:
    """Encode a value as JSON on one line, without its end."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def dump_lines(values: Sequence[object]) -> bytes:
    """Encode values as lines of JSON."""
    try:
        return _ENCODER.encode_lines(values)
    except UnicodeEncodeError:
        return b"".join([dumps(value) + b"\n" for value in values])
