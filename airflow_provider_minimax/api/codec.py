"""JSON as the service sends it, in both directions, without loss.

msgspec is fast and keeps integers of any size. It refuses a lone surrogate (half of an emoji, which a
service written in JavaScript produces by cutting a prompt), and one such prompt must not cost a
whole export; the standard library takes those.

A number that no float can hold (``1e400``, or more digits than 17) is written again as it came.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn, Self

import msgspec


class SentNumber(float):
    """A number that a float cannot hold, with the text that it came as.

    To calculate with, it is the nearest float, which may be infinite or zero.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Read a number of JSON."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        """Let a copy keep the text."""
        return (self.text,)


#: An integer of more digits than Python reads is a number nevertheless.
_LONGEST_INTEGER: Final = 4000


def _number(text: str) -> float:
    number = float(text)
    if repr(number) == text or (number and abs(number) < float("inf") and Decimal(repr(number)) == Decimal(text)):
        return number
    is_zero = not number and not text.lower().partition("e")[0].strip("-0.")
    return number if is_zero else SentNumber(text)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_INTEGER else SentNumber(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _raw(value: object) -> msgspec.Raw:
    if isinstance(value, SentNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} is no JSON")


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_raw)


def loads(body: bytes) -> Any:
    """Decode a JSON document.

    :raises ValueError: the bytes are not JSON.
    """
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        return json.loads(body, parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant)


def dumps(value: object) -> bytes:
    """Encode a value as JSON on one line, without its end."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ascii(value).encode("ascii")


def _ascii(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_ascii(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_ascii, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else dumps(value).decode("ascii")


def dump_lines(values: Sequence[object]) -> bytes:
    """Encode values as lines of JSON."""
    try:
        return _ENCODER.encode_lines(values)
    except UnicodeEncodeError:
        return b"".join([dumps(value) + b"\n" for value in values])
