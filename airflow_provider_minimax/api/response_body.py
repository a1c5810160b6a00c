"""The body of a response, read and decoded within bounds. No network of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from airflow_provider_minimax.api.serialization import UnreadableError

#: What a request says that it can read. One encoding, whose decoder can be stopped, in any version of the library.
ACCEPT_ENCODING: Final = "gzip"

_PIECE: Final = 2**20
_AS_IT_IS: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")


def read_body(pieces: Iterable[bytes], encoding: str, max_bytes: int) -> bytes:
    """Return the decoded body.

    Reading stops at the bound: a small body that unfolds into a large one takes no more memory than that.

    :param pieces: of the body, as they come, not decoded.
    :param encoding: the response's ``Content-Encoding``.
    :param max_bytes: the most that the decoded body may have.
    :raises UnreadableError: it is larger, or its encoding is not known or broken.
    """
    name = encoding.strip().lower()
    if name in _GZIP:
        pieces = _unzipped(pieces)
    elif name not in _AS_IT_IS:
        raise UnreadableError(f"encoded as {name[:20]!r}, which was not asked for")
    read: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise UnreadableError(f"larger than {max_bytes} bytes")
        read.append(piece)
    return b"".join(read)


def _unzipped(pieces: Iterable[bytes]) -> Iterable[bytes]:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            rest = piece
            # What follows the end of the stream is passed over.
            while rest and not stream.eof:
                yield stream.decompress(rest, _PIECE)
                rest = stream.unconsumed_tail
    except zlib.error:
        raise UnreadableError("not the gzip that it claims to be") from None
    if not stream.eof:
        raise UnreadableError("gzip that breaks off")
