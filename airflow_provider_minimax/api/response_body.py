"""The body of a response, read and decoded within bounds. No I/O of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from airflow_provider_minimax.api.serialization import UnreadableError

#: The ``Accept-Encoding`` of each request: its decoder can stop at a bound, in any version of the library.
ACCEPT_ENCODING: Final = "gzip"

_CHUNK_BYTES: Final = 2**20
_NOT_ENCODED: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")


def read_body(pieces: Iterable[bytes], encoding: str, max_bytes: int) -> bytes:
    """Return the decoded body.

    Reading stops at the bound, also while decompressing: a gzip bomb takes no more memory than that.

    :param pieces: of the body, not yet decoded.
    :param encoding: the response's ``Content-Encoding``.
    :param max_bytes: the most bytes of the decoded body.
    :raises UnreadableError: it is larger, or its encoding is unknown or broken.
    """
    name = encoding.strip().lower()
    if name in _GZIP:
        pieces = _decompress(pieces)
    elif name not in _NOT_ENCODED:
        raise UnreadableError(f"encoded as {name[:20]!r}, which was not asked for")
    read: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise UnreadableError(f"larger than {max_bytes} bytes")
        read.append(piece)
    return b"".join(read)


def _decompress(pieces: Iterable[bytes]) -> Iterable[bytes]:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            rest = piece
            # Anything after the end of the stream is ignored.
            while rest and not stream.eof:
                yield stream.decompress(rest, _CHUNK_BYTES)
                rest = stream.unconsumed_tail
    except zlib.error:
        raise UnreadableError("not the gzip that it claims to be") from None
    if not stream.eof:
        raise UnreadableError("gzip that breaks off")
