"""Ids that look like the service's and can be computed both ways, without a table.

A bare id is 18 digits, as in the vendor's samples. It hides (kind, account, number) behind a
multiplication modulo a prime: neighbours in time have unrelated ids, so a client that sorts or
compares ids fails its tests, and a history of any size takes no memory.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["image", "image-file", "video", "file", "batch"]

_KINDS: Final[tuple[Kind, ...]] = ("image", "image-file", "video", "file", "batch")
#: How a full id spells a kind; the file of an image is a file like any other.
SPELLED: Final[dict[Kind, str]] = {kind: "file" if kind == "image-file" else kind for kind in _KINDS}
_PER_KIND: Final = 10**12
_PER_ACCOUNT: Final = 10**17
_MODULUS: Final = _PER_ACCOUNT - 3
_FACTOR: Final = 61_803_398_874_989_485
_INVERSE: Final = pow(_FACTOR, -1, _MODULUS)
_SHIFT: Final = 27_182_818_284_590_452

_FULL = re.compile(r"user:(\d+)-minimax:(\d+)-(image|video|file):(\d+)")


class Parts(NamedTuple):
    """What a bare id hides."""

    kind: Kind
    account: int
    number: int


class FullId(NamedTuple):
    """The four parts of ``user:<user>-minimax:<account>-<kind>:<bare>``."""

    user: str
    account: str
    kind: str
    bare: str


def encode(kind: Kind, account: int, number: int, seed: int) -> str:
    """Return the bare id of the ``number``-th item of a kind in an account."""
    value = _KINDS.index(kind) * _PER_KIND + number
    return str((account + 1) * _PER_ACCOUNT + (value * _FACTOR + seed * _SHIFT) % _MODULUS)


def decode(bare: str, seed: int) -> Parts | None:
    """Return what a bare id stands for; None when it cannot be one of ours."""
    if not (bare.isascii() and bare.isdigit() and len(bare) == 18):
        return None
    account, hidden = divmod(int(bare), _PER_ACCOUNT)
    value = (hidden - seed * _SHIFT) * _INVERSE % _MODULUS
    kind, number = divmod(value, _PER_KIND)
    return Parts(_KINDS[kind], account - 1, number) if kind < len(_KINDS) else None


def parse(full: str) -> FullId | None:
    """Return the parts of a full id; None when it is malformed."""
    match = _FULL.fullmatch(full)
    return FullId(*match.groups()) if match else None


def account_id(account: int) -> str:
    """Return an account's id: 18 digits and odd, so no double can hold it."""
    return str(384_729_105_837_264_951 + account * 71_038_264_915_370_282)


def mix(seed: int, number: int) -> int:
    """Return 64 bits that depend on both arguments and nothing else (splitmix64)."""
    value = (number + seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)
