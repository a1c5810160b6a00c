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

_ENCODER: Final = msgspec.json.Encoder()


def loads(body: bytes) -> Any:
    """Decode a JSON document.

    :raises ValueError: the bytes are not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)


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
