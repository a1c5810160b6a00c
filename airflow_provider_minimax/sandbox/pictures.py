"""Pictures to look at: landscapes, skylines, planets and waves, each from its seed alone.

A picture is drawn column by column, each a few runs of palette indices, and turned into rows by
slicing with a stride. So there is no Python code per pixel, and a thumbnail takes about a
millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from random import Random

from airflow_provider_minimax.sandbox import png
from airflow_provider_minimax.sandbox.png import Color

#: Palette: a background of 128 shades, then four layers of 30 shades, then eight accents.
_SKY, _LAYER, _LAYERS, _ACCENTS = 128, 30, 4, 248

#: Top, middle and bottom of the background; light; the far and the near layer.
_SCHEMES = (
    ("1b1f4b", "a8437a", "ffb36b", "fff1c9", "8a4f86", "1d1430"),
    ("3a6ea5", "a9c9dd", "ffe3c2", "fffaf0", "8fa6bf", "24404f"),
    ("040a20", "12275c", "3b6fa0", "f6f3dc", "27477a", "050b1a"),
    ("bfe3d0", "e4f2df", "fff7da", "fffbe8", "86b8a0", "173a34"),
    ("2f80c2", "9ccbe6", "ffe1b3", "fffdf2", "e0a066", "6b2f1a"),
    ("03071e", "0a3d4f", "4fd1a1", "e8fff3", "14565c", "020d17"),
    ("5b2a86", "e0577f", "ffd0a8", "fff3e6", "9a4c95", "2a0f3d"),
    ("d9e2ec", "f0f4f8", "ffe8d6", "ff7f50", "9fb3c8", "334e68"),
    ("0b132b", "3a506b", "f4a259", "ffe8b8", "5b6b86", "0b0f1c"),
    ("f7d6e0", "f2b5d4", "b2f7ef", "fffef5", "7bdff2", "2b5d73"),
)

Column = Callable[[int], bytes]


def dimensions(aspect: str, longest: int) -> tuple[int, int]:
    """Give width and height for an aspect ratio such as ``9:16``; ``auto`` is a square."""
    left, _, right = aspect.partition(":")
    ratio = int(left) / int(right) if left.isdigit() and right.isdigit() and int(right) and int(left) else 1.0
    if ratio >= 1:
        return longest, max(1, round(longest / ratio))
    return max(1, round(longest * ratio)), longest


@lru_cache(maxsize=128)
def picture(seed: int, width: int, height: int, *, watermark: bool = False, size: int | None = None) -> bytes:
    """Draw the PNG of a seed; the same arguments always give the same bytes."""
    random = Random(seed)
    palette = _palette(random)
    column = random.choice((_mountains, _mountains, _skyline, _planet, _waves))(random, width, height)
    drawn = b"".join([column(x) for x in range(width)])
    rows = [drawn[y::height] for y in range(height)]
    if watermark:
        rows = _marked(rows, width, height)
    return png.write(rows, palette, size=size)


def _palette(random: Random) -> list[Color]:
    top, middle, bottom, light, far, near = map(_color, random.choice(_SCHEMES))
    tilt = [random.uniform(0.85, 1.1) for _ in range(3)]
    colors = [_blend(top, middle, shade / 80) for shade in range(80)]
    colors += [_blend(middle, bottom, shade / 48) for shade in range(48)]
    for layer in range(_LAYERS):
        base = _blend(far, near, layer / (_LAYERS - 1))
        colors += [_blend(_blend(base, bottom, 0.25), base, shade / _LAYER) for shade in range(_LAYER)]
    colors += [_blend(light, bottom, shade / 8) for shade in range(8)]
    return [_tilted(color, tilt) for color in colors]


def _color(text: str) -> Color:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def _blend(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _tilted(color: Color, tilt: list[float]) -> Color:
    red, green, blue = (min(255, round(part * factor)) for part, factor in zip(color, tilt, strict=True))
    return red, green, blue


def _background(height: int) -> tuple[bytes, bytes]:
    """Give two columns whose shades change at different heights: side by side they are a dither."""
    scale = (_SKY - 1) / height
    return bytes(int(y * scale) for y in range(height)), bytes(int(y * scale + 0.5) for y in range(height))


def _shades(layer: int, height: int) -> bytes:
    """Give a column of a layer, from its lit top down."""
    first = _SKY + layer * _LAYER
    return bytes(first + min(_LAYER - 1, y * _LAYER // max(1, height // 3)) for y in range(height))


def _ridge(random: Random, base: float, swing: float, width: int) -> Callable[[int], int]:
    """Give a line of hills: a few sines of falling size."""
    waves = [
        (swing / (n + 1) ** 1.3, random.uniform(0.6, 1.4) * (n + 1) * 6 / width, random.uniform(0, 6.3))
        for n in range(4)
    ]
    return lambda x: int(base + sum(size * math.sin(x * pace + phase) for size, pace, phase in waves))


class _Disc:
    """A sun or a moon: vertical runs of a circle, with a halo around it."""

    def __init__(self, x: float, y: float, radius: float) -> None:
        self.x, self.y, self.radius = x, y, radius

    def onto(self, column: bytearray, x: int) -> None:
        """Draw the part of the disc that lies in a column."""
        for shade, radius in ((6, self.radius * 1.5), (3, self.radius * 1.2), (0, self.radius)):
            inside = radius * radius - (x - self.x) ** 2
            if inside > 0:
                half = math.sqrt(inside)
                _run(column, self.y - half, self.y + half, _ACCENTS + shade)


def _run(column: bytearray, top: float, bottom: float, index: int) -> None:
    first, last = max(0, int(top)), min(len(column), int(bottom))
    if last > first:
        column[first:last] = bytes((index,)) * (last - first)


def _mountains(random: Random, width: int, height: int) -> Column:
    """Draw ridges behind ridges, a sun, and often a lake that mirrors it."""
    skies = _background(height)
    sun = _Disc(random.uniform(0.2, 0.8) * width, random.uniform(0.18, 0.42) * height, min(width, height) * 0.11)
    ridges = [
        _ridge(random, height * (0.46 + 0.13 * layer), height * (0.10 - 0.012 * layer), width)
        for layer in range(_LAYERS)
    ]
    shades = [_shades(layer, height) for layer in range(_LAYERS)]
    stars = {random.randrange(width): random.randrange(max(1, height // 3)) for _ in range(width // 9)}

    def column(x: int) -> bytes:
        pixels = bytearray(skies[x % 2])
        if x in stars:
            pixels[stars[x]] = _ACCENTS + 2
        sun.onto(pixels, x)
        for ridge, shade in zip(ridges, shades, strict=True):
            top = min(max(0, ridge(x)), height)
            pixels[top:] = shade[: height - top]
        return bytes(pixels)

    return column


def _skyline(random: Random, width: int, height: int) -> Column:
    """Draw two rows of houses with lit windows."""
    skies = _background(height)
    moon = _Disc(random.uniform(0.15, 0.85) * width, random.uniform(0.12, 0.3) * height, min(width, height) * 0.08)
    unit = max(2, min(width, height) // 60)
    streets = [
        _houses(random, width, height, layer, low, high, unit) for layer, low, high in ((1, 0.35, 0.6), (3, 0.55, 0.85))
    ]

    def column(x: int) -> bytes:
        pixels = bytearray(skies[x % 2])
        moon.onto(pixels, x)
        for street in streets:
            wall = street[x]
            pixels[height - len(wall) :] = wall
        return bytes(pixels)

    return column


def _houses(random: Random, width: int, height: int, layer: int, low: float, high: float, unit: int) -> list[bytes]:
    """Give, for each x, the column of the house that stands there."""
    columns: list[bytes] = []
    shades = _shades(layer, height)
    while len(columns) < width:
        stripes = random.randrange(3, 7)
        tall = int(height * (1 - random.uniform(low, high)))
        wall = shades[:tall]
        columns += [wall] * unit
        for _ in range(stripes):
            lit = bytearray(wall)
            for y in range(2 * unit, tall - unit, 3 * unit):
                if random.random() < 0.45:
                    lit[y : y + 2 * unit] = bytes((_ACCENTS + random.randrange(4),)) * (2 * unit)
            columns += [bytes(lit)] * unit + [wall] * unit
    return columns[:width]


def _planet(random: Random, width: int, height: int) -> Column:
    """Draw a banded planet among stars, with a moon."""
    skies = _background(height)
    span = min(width, height)
    x0, y0, radius = width * random.uniform(0.35, 0.65), height * random.uniform(0.4, 0.6), span * 0.34
    moon = _Disc(width * random.uniform(0.1, 0.9), height * random.uniform(0.08, 0.2), span * 0.05)
    bands = bytes(_SKY + random.randrange(_LAYERS) * _LAYER + random.randrange(_LAYER) for _ in range(14))
    surface = bytes(bands[y * len(bands) // (height + 1)] for y in range(height))
    stars = {random.randrange(width): random.randrange(height) for _ in range(width // 2)}
    slope, reach, tilt = random.uniform(-0.3, 0.3), radius * 1.65, radius * random.uniform(0.12, 0.3)

    def column(x: int) -> bytes:
        pixels = bytearray(skies[x % 2])
        if x in stars:
            pixels[stars[x]] = _ACCENTS
        moon.onto(pixels, x)
        middle, thick = y0 + slope * (x - x0), span * 0.018
        gape = tilt * math.sqrt(max(0.0, 1 - ((x - x0) / reach) ** 2))
        if gape > 0:
            _run(pixels, middle - gape - thick / 2, middle - gape + thick / 2, _ACCENTS + 4)
        inside = radius * radius - (x - x0) ** 2
        if inside > 0:
            half = math.sqrt(inside)
            top, bottom = max(0, int(y0 - half)), min(height, int(y0 + half))
            pixels[top:bottom] = surface[top:bottom]
        if gape > 0:
            _run(pixels, middle + gape - thick, middle + gape + thick, _ACCENTS + 1)
        return bytes(pixels)

    return column


def _waves(random: Random, width: int, height: int) -> Column:
    """Draw ribbons that cross the whole picture."""
    skies = _background(height)
    ribbons = []
    for n in range(9):
        line = _ridge(random, height * (0.08 + 0.1 * n), height * 0.07, width)
        index = _SKY + random.randrange(_LAYERS) * _LAYER + random.randrange(_LAYER)
        ribbons.append((line, height * random.uniform(0.02, 0.08), index))
    sun = _Disc(random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.7) * height, min(width, height) * 0.14)

    def column(x: int) -> bytes:
        pixels = bytearray(skies[x % 2])
        for n, (line, thick, index) in enumerate(ribbons):
            if n == 4:
                sun.onto(pixels, x)
            top = line(x)
            _run(pixels, top, top + thick, index)
            _run(pixels, top, top + max(1, thick / 8), _ACCENTS + 4)
        return bytes(pixels)

    return column


def _marked(rows: list[bytes], width: int, height: int) -> list[bytes]:
    """Put a bright bar, in place of a logo, into the lower right corner."""
    wide, tall, gap = width // 5, max(2, height // 60), max(2, height // 40)
    bar = bytes((_ACCENTS,)) * wide
    start, end = width - gap - wide, width - gap
    return [row[:start] + bar + row[end:] if gap <= height - y < gap + tall else row for y, row in enumerate(rows)]
