"""JSON as the service sends it, in both directions, without loss.

msgspec is fast and keeps integers of any size. It refuses a lone surrogate (half of an emoji, which a service written
in JavaScript produces by cutting a prompt). The standard library accepts those, so that one prompt fails no export.

A number that no float can hold (``1e400``, or more than 17 digits) is written back as it came.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn, Self, Union

import msgspec

#: The most values of a document: each takes about a hundred bytes of memory, however short its text.
MAX_VALUES: Final = 1_000_000
#: The most levels of nested lists and objects. The service's own documents have five or six; code that walks through a
#: document later, here or in Airflow, recurses for each level.
MAX_DEPTH: Final = 64
_CONTAINERS: Final = frozenset({dict, list})


class SentNumber(float):
    """A number that a float cannot hold, with its original text.

    Its value is the nearest float, which may be infinite or zero.
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


#: Python refuses to read integers of more digits.
_MAX_DIGITS: Final = 4000


def _number(text: str) -> float:
    number = float(text)
    if repr(number) == text or (number and abs(number) < float("inf") and Decimal(repr(number)) == Decimal(text)):
        return number
    is_zero = not number and not text.lower().partition("e")[0].strip("-0.")
    return number if is_zero else SentNumber(text)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else SentNumber(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _raw(value: object) -> msgspec.Raw:
    if isinstance(value, SentNumber):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} is no JSON")


def _flat_json(levels: int) -> Any:
    """Return the type of JSON without fractions and of at most so many levels of lists and objects."""
    value: Any = None | bool | int | str
    for _ in range(levels):
        value = Union[None, bool, int, str, list[value], dict[str, value]]  # noqa: UP007 - made at run time
    return value


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
#: Reads what the service sends in practice. The decoder itself sees to the depth, which saves every page of a long list
#: a walk through its values.
_FLAT_DECODER: Final = msgspec.json.Decoder(_flat_json(6))
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_raw)


class UnreadableError(ValueError):
    """A body that cannot be read within bounds; the message describes it in a few words."""


def loads(body: bytes) -> Any:
    """Decode a JSON document in UTF-8.

    :raises UnreadableError: it is nested deeper than ``MAX_DEPTH``, or has more than ``MAX_VALUES``.
    :raises ValueError: the bytes are not JSON.
    """
    if len(body) > MAX_VALUES and body.count(b",") > MAX_VALUES:
        raise UnreadableError(f"JSON of more than {MAX_VALUES} values")
    with contextlib.suppress(msgspec.DecodeError):
        return _FLAT_DECODER.decode(body)
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    if _is_too_deep(value):
        raise _too_deep()
    return value


def _decode(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        # Not the bytes, of which the standard library would guess the encoding.
        text = body.decode("utf-8-sig", "surrogatepass")
        return json.loads(text, parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant)


def _is_too_deep(value: Any) -> bool:
    # Level by level: recursion could itself run out of stack.
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        members = (member for one in level for member in (one.values() if type(one) is dict else one))
        level = [member for member in members if type(member) in _CONTAINERS]
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


#: The integers of msgpack, in which Airflow's processes talk to each other.
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**64 - 1


def to_plain_json(value: Any) -> Any:
    """Return a JSON value in which everything is replaced that Airflow cannot send between its processes or store.

    JSON allows more than msgpack and a database column can hold. One such value in an event would end Airflow's
    triggerer with all of its triggers. A lone surrogate or a NUL becomes ``?``, a too large integer its text, and a
    number that is not finite None.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {to_plain_json(name): to_plain_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [to_plain_json(member) for member in value]
    if isinstance(value, int):
        return value if _MIN_INTEGER <= value <= _MAX_INTEGER else str(value)
    if isinstance(value, float):
        # A plain float: a `SentNumber` is a subclass that msgpack does not know.
        return float(value) if math.isfinite(value) else None
    return value
