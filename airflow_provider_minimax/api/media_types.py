"""What a file is, told from its first bytes and never from its name."""

from __future__ import annotations

from typing import Final

#: How many bytes the functions here want to see.
MAGIC_BYTES: Final = 16


def upload_type(head: bytes) -> str | None:
    """Return the Content-Type under which the service takes a file; None for a kind that it does not take.

    The vendor's page for POST /files/ wants webp sent as image/jpeg.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff") or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return None


def picture_extension(head: bytes) -> str | None:
    """Return what a generated picture or video should be called; None where these bytes begin neither."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[4:8] == b"ftyp":
        return "avif" if head[8:12] in (b"avif", b"avis") else "mp4"
    return None
