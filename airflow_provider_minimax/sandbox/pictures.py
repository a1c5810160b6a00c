"""Pictures to look at: mountains, skylines, planets and seas, each drawn from its seed alone.

A scene is drawn in shades of grey, from 0 (near and dark) to 255 (light), at twice its size: halving it smooths the
edges, and a palette then colours the shades.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw, ImageOps, PngImagePlugin

#: Colours from dark to light.
_PALETTES = (
    "1d1430 5b2f63 a8437a ffb36b fff1c9",
    "1c3340 4f7186 8fb4c9 e9d9c6 fffaf0",
    "040a20 14295e 3b6fa0 9cc3c9 f6f3dc",
    "123029 3f7260 86b8a0 dcebc9 fffbe8",
    "4a1f14 a3572d e0a066 a9d2e6 fffdf2",
    "020d17 0b3b4a 1f7f7a 7fd9b0 e8fff3",
    "2a0f3d 6a2d86 cf5585 ffb795 fff3e6",
    "243b53 5f7d99 a9bccd fbd8c0 ff7f50",
    "0b0f1c 333f5c 6f6f8a f4a259 ffe8b8",
    "2b4a63 4f9fb5 9adbd9 f4c4d8 fffef5",
)
#: Bytes of length, type and checksum.
_EMPTY_CHUNK = 12


def dimensions(aspect: str, longest: int) -> tuple[int, int]:
    """Return width and height for an aspect ratio such as ``9:16``; ``auto`` is a square."""
    left, _, right = aspect.partition(":")
    ratio = int(left) / int(right) if left.isdigit() and right.isdigit() and int(right) and int(left) else 1.0
    if ratio >= 1:
        return longest, max(1, round(longest / ratio))
    return max(1, round(longest * ratio)), longest


@lru_cache(maxsize=128)
def picture(seed: int, width: int, height: int, *, watermark: bool = False, size: int | None = None) -> bytes:
    """Return the PNG of a seed; the same arguments always give the same bytes.

    :param size: pad the file to exactly this many bytes.
    :raises ValueError: the picture does not fit into ``size`` bytes.
    """
    random = Random(seed)
    canvas = Image.linear_gradient("L").point(_sky(random)).resize((2 * width, 2 * height))
    palette = _palette(random)
    random.choice((_mountains, _skyline, _planet, _sea))(random, canvas)
    if watermark:
        right, bottom = canvas.width * 0.96, canvas.height - canvas.width * 0.04
        ImageDraw.Draw(canvas).rectangle((right * 0.8, bottom - canvas.width * 0.03, right, bottom), fill=255)
    image = canvas.reduce(2)
    image.putpalette(palette)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    if size is not None:
        _pad(file, size)
    return file.getvalue()


def _pad(file: BytesIO, size: int) -> None:
    """Put a chunk that every decoder skips before the last one, which is empty."""
    padding = size - file.tell() - _EMPTY_CHUNK
    if padding < 0:
        raise ValueError(f"a picture of {file.tell()} bytes does not fit into {size} bytes")
    file.seek(-_EMPTY_CHUNK, os.SEEK_END)
    PngImagePlugin.putchunk(file, b"paDd", bytes(padding))
    PngImagePlugin.putchunk(file, b"IEND")


def _palette(random: Random) -> bytes:
    tint = [random.uniform(0.85, 1.1) for _ in range(3)]
    stops = bytes.fromhex(random.choice(_PALETTES))
    tinted = bytes(min(255, round(part * tint[index % 3])) for index, part in enumerate(stops))
    return Image.frombytes("RGB", (5, 1), tinted).resize((256, 1), Image.Resampling.BILINEAR).tobytes()


def _sky(random: Random) -> list[int]:
    """Return the shade of each of 256 heights, from the top down."""
    top, horizon = random.uniform(70, 150), random.uniform(185, 235)
    return [round(top + (horizon - top) * min(1.0, y / 190)) for y in range(256)]


def _sun(random: Random, canvas: Image.Image, x: float, y: float, radius: float) -> None:
    """Draw a disc in a glow."""
    glow = round(radius * random.uniform(6, 12)) or 1
    falloff = [max(0, 110 - shade) ** 2 // 60 for shade in range(256)]
    mask = Image.radial_gradient("L").point(falloff).resize((glow, glow))
    canvas.paste(245, (round(x - glow / 2), round(y - glow / 2)), mask)
    ImageDraw.Draw(canvas).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _mountains(random: Random, canvas: Image.Image) -> None:
    """Draw ridges behind ridges under a sun, the nearest one often with firs."""
    width, height = canvas.size
    x, y = random.uniform(0.15, 0.85) * width, random.uniform(0.15, 0.42) * height
    _sun(random, canvas, x, y, 0.05 * (width + height))
    draw = ImageDraw.Draw(canvas)
    for layer in range(5):
        base, swing = height * (0.45 + 0.11 * layer), height * (0.11 - 0.015 * layer)
        # A few sines of falling size.
        waves = [(swing / (n + 1) ** 1.3, random.uniform(3, 8) * (n + 1), random.uniform(0, 6.3)) for n in range(5)]
        line = [
            (at * width, base + sum(size * math.sin(at * pace + phase) for size, pace, phase in waves))
            for at in (step / 80 for step in range(81))
        ]
        draw.polygon([*line, (width, height), (0, height)], fill=140 - 30 * layer)
    for _ in range(random.choice((0, 40, 90))):
        x, foot, tall = random.uniform(0, width), random.uniform(0.9, 1.05) * height, random.uniform(0.06, 0.2) * height
        draw.polygon([(x - tall / 5, foot), (x, foot - tall), (x + tall / 5, foot)], fill=random.randrange(12))


def _skyline(random: Random, canvas: Image.Image) -> None:
    """Draw rows of houses with lit windows under a moon."""
    width, height = canvas.size
    unit = max(2, min(width, height) // 60)
    _sun(random, canvas, random.uniform(0.15, 0.85) * width, random.uniform(0.12, 0.3) * height, 5 * unit)
    draw = ImageDraw.Draw(canvas)
    for shade, low, high, lit in ((120, 0.35, 0.65, 0.0), (80, 0.25, 0.55, 0.25), (25, 0.1, 0.4, 0.4)):
        left = -random.randrange(3 * unit)
        while left < width:
            wide, top = 2 * unit * random.randrange(3, 7), height * (1 - random.uniform(low, high))
            draw.rectangle((left, top, left + wide, height), fill=shade + random.randrange(12))
            for x in range(left + unit, left + wide - unit, 2 * unit):
                for y in range(round(top) + 2 * unit, height, 3 * unit):
                    if random.random() < lit:
                        draw.rectangle((x, y, x + unit - 1, y + unit), fill=random.randrange(180, 250))
            left += wide + random.choice((0, 0, unit))


def _planet(random: Random, canvas: Image.Image) -> None:
    """Draw a banded planet with a ring among stars."""
    width, height = canvas.size
    canvas.paste(canvas.point([max(0, shade - 70) * 2 // 3 for shade in range(256)]))
    draw = ImageDraw.Draw(canvas)
    for _ in range(60):
        x, y, half = random.uniform(0, width), random.uniform(0, height), random.uniform(0.0006, 0.0025) * width
        draw.ellipse((x - half, y - half, x + half, y + half), fill=random.randrange(190, 256))
    x, y, radius = random.uniform(0.35, 0.65) * width, random.uniform(0.42, 0.58) * height, min(width, height) * 0.27
    flat, reach = radius * random.uniform(0.15, 0.45), radius * random.uniform(1.5, 1.8)
    ring, line = (x - reach, y - flat, x + reach, y + flat), round(radius * 0.09) or 1
    draw.arc(ring, 180, 360, fill=190, width=line)
    side = round(2 * radius) or 1
    surface, disc = Image.new("L", (1, side)), Image.new("L", (side, side))
    top = 0.0
    while top < side:
        surface.paste(random.randrange(110, 230), (0, round(top), 1, side))
        top += radius * random.uniform(0.05, 0.3)
    surface = surface.resize((side, side))
    # Light falls from the upper left.
    shadow = Image.radial_gradient("L").resize((side * 5 // 2, side * 5 // 2)).crop((side, side, 2 * side, 2 * side))
    surface.paste(0, mask=shadow)
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.paste(surface, (round(x - radius), round(y - radius)), disc)
    draw.arc(ring, 0, 180, fill=250, width=line)


def _sea(random: Random, canvas: Image.Image) -> None:
    """Draw a sun over a sea that mirrors the sky."""
    width, height = canvas.size
    x, horizon, radius = random.uniform(0.2, 0.8) * width, random.uniform(0.5, 0.65) * height, 0.05 * (width + height)
    sky = canvas.crop((0, 0, width, round(horizon)))
    _sun(random, canvas, x, horizon - radius * random.uniform(-0.4, 3), radius)
    mirrored = ImageOps.flip(sky).point([shade * 6 // 10 for shade in range(256)])
    canvas.paste(mirrored, (0, round(horizon)))
    draw = ImageDraw.Draw(canvas)
    for n in range(40):
        y = horizon + (height - horizon) * (n / 40) ** 1.5
        half, middle = radius * random.uniform(0.3, 1.3), x + radius * random.uniform(-0.4, 0.4)
        draw.line((middle - half, y, middle + half, y), fill=random.randrange(170, 240), width=1 + n // 12)
