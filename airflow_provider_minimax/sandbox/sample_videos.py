"""Videos that players accept: a few small files of the package, told apart by their last bytes."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

_FILES = tuple(Path(__file__).with_name("assets") / f"{name}.mp4" for name in ("mountains", "planet", "sea"))


def sample_video(seed: int) -> bytes:
    """Return the MP4 of a seed (64 bits); a ``free`` box at its end, which players skip, makes each one unique."""
    return _read(_FILES[seed % len(_FILES)]) + struct.pack(">I4sQ", 16, b"free", seed)


@cache
def _read(file: Path) -> bytes:
    return file.read_bytes()
