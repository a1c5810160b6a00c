"""Just enough of PNG to write a picture of palette indices."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Color = tuple[int, int, int]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: An ancillary, private chunk that is safe to copy: every decoder skips it.
_PADDING = b"paDd"
_OVERHEAD = 12


def write(rows: Sequence[bytes], palette: Sequence[Color], *, size: int | None = None) -> bytes:
    """Encode rows of palette indices; with ``size``, padded to exactly that many bytes."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join([b"\0" + row for row in rows]), 2)
    parts = [
        _SIGNATURE,
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", b"".join(bytes(color) for color in palette)),
        _chunk(b"IDAT", pixels),
        _chunk(b"IEND", b""),
    ]
    if size is not None:
        missing = size - sum(map(len, parts)) - _OVERHEAD
        if missing < 0:
            raise ValueError(f"a picture of {len(rows[0])}x{len(rows)} does not fit into {size} bytes")
        parts.insert(-1, _chunk(_PADDING, bytes(missing)))
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
