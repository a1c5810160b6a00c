"""What a file is, told from its first bytes and never from its name."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

#: How many bytes the functions here want to see: those of the longest list of brands that is common.
MAGIC_BYTES: Final = 64

#: The brand that an ISO base media file names first, and what such a file is called. Brands of four characters.
_BRANDS: Final[Mapping[bytes, str]] = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "heic"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), "m4a"),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP", b"F4V ", b"f4v "), "mp4"),
    b"qt  ": "mov",
}
#: Brands that say only how the file is built; what is in it say the brands that it is compatible with.
_PICTURE_CONTAINERS: Final = (b"mif1", b"mif2", b"msf1", b"miaf")
_OTHERS: Final[Mapping[bytes, str]] = {b"3gp": "3gp", b"3gr": "3gp", b"3gs": "3gp", b"3ge": "3gp", b"3g2": "3gp"}
#: What a file is called, and how people name it.
_NAMES: Final[Mapping[str, str]] = {
    "avif": "an AVIF picture",
    "heic": "a HEIC picture",
    "gif": "a GIF picture",
    "m4a": "an M4A sound",
    "mov": "a QuickTime film (MOV)",
    "3gp": "a 3GP film",
}
_UPLOADED_AS: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    # The vendor's page for POST /files/ wants it so.
    "webp": "image/jpeg",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}
_VIDEOS: Final = frozenset({"mp4", "mov", "3gp"})
#: How a browser is told what it gets.
_SHOWN_AS: Final[Mapping[str, str]] = {
    **{name: f"image/{name}" for name in ("png", "webp", "gif", "avif", "heic")},
    "jpg": "image/jpeg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "3gp": "video/3gpp",
}
_DOWNLOADED: Final = frozenset({"png", "jpg", "webp", "gif", "avif", "heic", "m4a", *_VIDEOS})


def upload_type(head: bytes) -> str | None:
    """Return the Content-Type under which the service takes a file; None for a kind that it does not take.

    The vendor's page for POST /files/ names png, jpeg, webp, mp3, wav and mp4.
    """
    return _UPLOADED_AS.get(_extension(head) or "")


def why_not_uploaded(head: bytes) -> str:
    """Return what to say of a file that the service does not take."""
    name = _NAMES.get(_extension(head) or "")
    known = "not a png, jpeg, webp, mp3, wav or mp4 file"
    return f"{name}, {known}: convert it" if name else known


def picture_extension(head: bytes) -> str | None:
    """Return what a generated picture or video should be called; None where these bytes begin neither."""
    extension = _extension(head)
    return extension if extension in _DOWNLOADED else None


def video_extension(head: bytes) -> str | None:
    """Return what a generated video should be called; None where these bytes begin none."""
    extension = _extension(head)
    return extension if extension in _VIDEOS else None


def content_type(head: bytes) -> str | None:
    """Return the Content-Type of a picture or video for a browser; None where these bytes begin neither."""
    return _SHOWN_AS.get(_extension(head) or "")


def _extension(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(head[8:12])
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return _brand(head) if head[4:8] == b"ftyp" else None


def _brand(head: bytes) -> str:
    """Return what a file of the family of mp4 is: its first brand says so, or else those that follow.

    A brand that nobody has named here is taken for mp4: there are dozens, most of them of films.
    """
    end = min(int.from_bytes(head[:4]), len(head))
    first, others = head[8:12], [head[at : at + 4] for at in range(16, end - 3, 4)]
    found = _BRANDS.get(first) or _OTHERS.get(first[:3])
    if found is not None:
        return found
    kinds = [_BRANDS[brand] for brand in others if brand in _BRANDS]
    pictures = [kind for kind in kinds if kind in ("avif", "heic")]
    if pictures or first in _PICTURE_CONTAINERS:
        return pictures[0] if pictures else "heic"
    # A film may be compatible with a player of sounds.
    return "m4a" if kinds and set(kinds) == {"m4a"} else "mp4"


class CheckedFile(io.BufferedReader):
    """A file that is read piece by piece, as the HTTP library sends it.

    :param check_stopped: called before each piece; may raise.
    """

    def __init__(self, source: Path, check_stopped: Callable[[], None]) -> None:
        super().__init__(io.FileIO(source))
        self._check_stopped = check_stopped

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        self._check_stopped()
        return super().read(size)
