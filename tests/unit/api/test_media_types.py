"""What a file is, told from its first bytes."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.media_types import MAGIC_BYTES, upload_type

HEADS = {
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00", "image/jpeg"),
    "webp, which is sent as jpeg": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/jpeg"),
    "wav": (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
    "mp3 with ID3": (b"ID3\x04\x00\x00\x00\x00\x00\x00", "audio/mpeg"),
    "mp3 frame": (b"\xff\xfb\x90\x00" + bytes(12), "audio/mpeg"),
    "mp3 frame, MPEG 2": (b"\xff\xf3\x90\x00" + bytes(12), "audio/mpeg"),
    "mp4": (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00", "video/mp4"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_kind_that_the_service_takes_is_known_by_its_head(name: str) -> None:
    head, kind = HEADS[name]
    assert upload_type(head[:MAGIC_BYTES]) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"GIF89a",
        b"BM6\x00",
        b"%PDF-1.7",
        b"RIFF\x10\x00\x00\x00AVI LIST",
        b"plain text",
        b"\x89PNG",
        b"RIFF",
    ],
)
def test_any_other_kind_is_not_taken(head: bytes) -> None:
    assert upload_type(head) is None
