"""A small film that players accept: MP4 around H.264, without an encoder.

Every macroblock is I_PCM, that is, its samples stand in the stream as they are; so the film is a
second long and small. No sample is zero, hence no start code can appear among them and nothing in
the pictures needs escaping.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from random import Random

_BLOCKS_WIDE, _BLOCKS_HIGH = 10, 6
_WIDTH, _HEIGHT = _BLOCKS_WIDE * 16, _BLOCKS_HIGH * 16
_FRAMES, _FRAMES_PER_SECOND = 8, 8
_TIMESCALE = 1000

#: mb_type 25 (I_PCM) as Exp-Golomb code, then zeros to the byte boundary where the samples begin.
_PCM = b"\x0d\x00"
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@lru_cache(maxsize=32)
def movie(seed: int) -> bytes:
    """Give the MP4 of a seed: a disc that moves over a coloured sky."""
    random = Random(seed)
    sky, disc = (random.randrange(40, 216), random.randrange(40, 216)), (random.randrange(40, 216), 128)
    height = random.uniform(0.3, 0.7) * _HEIGHT
    samples = [_slice(number, _picture(number, sky, disc, height)) for number in range(_FRAMES)]
    brand = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    # The index comes first, and its length does not depend on the offset that it holds.
    offset = len(brand) + len(_index(samples, 0)) + 8
    return brand + _index(samples, offset) + _box(b"mdat", *samples)


# Pictures


def _picture(number: int, sky: tuple[int, int], disc: tuple[int, int], height: float) -> list[bytes]:
    """Give the macroblocks of a frame: 256 luma samples, then 64 of each chroma, each."""
    x0, radius = _WIDTH * (number + 0.5) / _FRAMES, _HEIGHT * 0.22
    luma = [_row(y, _WIDTH, x0, height, radius, 60 + y * 100 // _HEIGHT, 225) for y in range(_HEIGHT)]
    blue, red = (
        [_row(y, _WIDTH // 2, x0 / 2, height / 2, radius / 2, sky[plane], disc[plane]) for y in range(_HEIGHT // 2)]
        for plane in (0, 1)
    )
    return [
        _square(luma, x, y, 16) + _square(blue, x, y, 8) + _square(red, x, y, 8)
        for y in range(_BLOCKS_HIGH)
        for x in range(_BLOCKS_WIDE)
    ]


def _row(y: int, width: int, x0: float, y0: float, radius: float, around: int, inside: int) -> bytes:
    row = bytearray((around,)) * width
    square = radius * radius - (y - y0) ** 2
    if square > 0:
        first, last = max(0, int(x0 - square**0.5)), min(width, int(x0 + square**0.5))
        row[first:last] = bytes((inside,)) * (last - first)
    return bytes(row)


def _square(plane: list[bytes], x: int, y: int, side: int) -> bytes:
    return b"".join(row[x * side : (x + 1) * side] for row in plane[y * side : (y + 1) * side])


# H.264


class _Bits:
    """Writes bits, most significant first, and the Exp-Golomb codes made of them."""

    def __init__(self) -> None:
        self._text = ""

    def fixed(self, value: int, width: int) -> _Bits:
        self._text += f"{value:0{width}b}"
        return self

    def golomb(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self._text += "0" * (len(code) - 1) + code
        return self

    def aligned(self) -> bytes:
        text = self._text + "0" * (-len(self._text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _sequence_parameters() -> bytes:
    """Baseline, level 3, no picture is a reference for another, order of output is order of decoding."""
    bits = _Bits().golomb(0, 0, 2, 0).fixed(0, 1).golomb(_BLOCKS_WIDE - 1, _BLOCKS_HIGH - 1)
    return b"\x67\x42\xc0\x1e" + bits.fixed(0b110001, 6).aligned()


def _picture_parameters() -> bytes:
    """CAVLC, one slice group, nothing weighted, no deblocking control."""
    bits = _Bits().golomb(0, 0).fixed(0, 2).golomb(0, 0, 0).fixed(0, 3).golomb(0, 0, 0).fixed(0, 3)
    return b"\x68" + bits.fixed(1, 1).aligned()


def _slice(number: int, blocks: list[bytes]) -> bytes:
    """Write a frame as one IDR slice, with its length before it as MP4 wants."""
    header = _Bits().golomb(0, 7, 0).fixed(0, 4).golomb(number % 2).fixed(0, 2).golomb(0, 25).aligned()
    unit = b"\x65" + header + blocks[0] + b"".join(_PCM + block for block in blocks[1:]) + b"\x80"
    return struct.pack(">I", len(unit)) + unit


# MP4


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, parts))) + kind + b"".join(parts)


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _index(samples: list[bytes], offset: int) -> bytes:
    duration = _FRAMES * _TIMESCALE // _FRAMES_PER_SECOND
    header = _full(
        b"mvhd",
        struct.pack(">IIIIIH10x", 0, 0, _TIMESCALE, duration, 0x10000, 0x100),
        _MATRIX,
        struct.pack(">24xI", 2),
    )
    track = _full(
        b"tkhd",
        struct.pack(">IIIIIQHHHH", 0, 0, 1, 0, duration, 0, 0, 0, 0, 0),
        _MATRIX,
        struct.pack(">II", _WIDTH << 16, _HEIGHT << 16),
        flags=3,
    )
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, _TIMESCALE, duration, 0x55C4, 0)),
        _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"Video\0"),
        _box(
            b"minf",
            _full(b"vmhd", bytes(8), flags=1),
            _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1))),
            _samples(samples, offset),
        ),
    )
    return _box(b"moov", header, _box(b"trak", track, media))


def _samples(samples: list[bytes], offset: int) -> bytes:
    count, sequence, picture = len(samples), _sequence_parameters(), _picture_parameters()
    decoder = _box(
        b"avcC",
        b"\x01" + sequence[1:4] + b"\xff\xe1",
        struct.pack(">H", len(sequence)) + sequence,
        b"\x01" + struct.pack(">H", len(picture)) + picture,
    )
    entry = _box(
        b"avc1",
        struct.pack(">6xH16xHHIIIH32sHh", 1, _WIDTH, _HEIGHT, 0x480000, 0x480000, 0, 1, b"", 24, -1),
        decoder,
    )
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), entry),
        _full(b"stts", struct.pack(">III", 1, count, _TIMESCALE // _FRAMES_PER_SECOND)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        _full(b"stsz", struct.pack(f">II{count}I", 0, count, *map(len, samples))),
        _full(b"stco", struct.pack(">II", 1, offset)),
    )
