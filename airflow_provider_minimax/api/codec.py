"""JSON as the service sends it, in both directions, without loss.

msgspec is fast and keeps integers of any size. It refuses a lone surrogate (half of an emoji, which a
service written in JavaScript produces by cutting a prompt), and one such prompt must not cost a
whole export; the standard library takes those.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


def loads(body: bytes) -> Any:
    """Decode a JSON document.

    :raises ValueError: the bytes are not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)


def dumps(value: object) -> bytes:
    """Encode a value as one line of JSON."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")
