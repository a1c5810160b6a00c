"""What a file is, told from its first bytes."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.media_types import MAGIC_BYTES, picture_extension, upload_type, why_not_uploaded

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
        b"\xff\xf1\x50\x80",
        b"\x1a\x45\xdf\xa3",
        b"OggS",
        b"fLaC",
    ],
)
def test_any_other_kind_is_not_taken(head: bytes) -> None:
    assert upload_type(head) is None


def ftyp(first: str, *others: str, size: int | None = None) -> bytes:
    """Return the beginning of a file of the family of mp4, as brands name it."""
    brands = first.encode() + bytes(4) + b"".join(other.encode() for other in others)
    length = 8 + len(brands) if size is None else size
    return (length.to_bytes(4) + b"ftyp" + brands + b"\x00\x00\x00\x08freemoov" + bytes(60))[:MAGIC_BYTES]


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        pytest.param(ftyp("isom", "isom", "iso2", "avc1", "mp41"), "mp4", id="ffmpeg"),
        pytest.param(ftyp("mp42", "mp42", "isom"), "mp4", id="mp42"),
        pytest.param(ftyp("mp42", "mp42", "mp41", "qt  "), "mp4", id="mp42 that QuickTime plays"),
        pytest.param(ftyp("iso5", "iso6", "mp41", "dash"), "mp4", id="fragments"),
        pytest.param(ftyp("M4V ", "M4V ", "M4A ", "mp42", "isom"), "mp4", id="film of iTunes"),
        pytest.param(ftyp("isom", "M4V ", "M4A "), "mp4", id="film, compatible with sounds"),
        pytest.param(ftyp("MSNV", "MSNV", "mp42"), "mp4", id="unknown first brand"),
        pytest.param(ftyp("zzzz"), "mp4", id="unknown alone"),
        pytest.param(ftyp("mp42"), "mp4", id="no further brand"),
        pytest.param(ftyp("M4A ", "M4A ", "mp42", "isom"), "m4a", id="m4a"),
        pytest.param(ftyp("M4B ", "M4A "), "m4a", id="audio book"),
        pytest.param(ftyp("mp42", "M4A ", "isom"), "m4a", id="m4a that calls itself mp42"),
        pytest.param(ftyp("qt  "), "mov", id="mov"),
        pytest.param(ftyp("qt  ", "qt  ", "mp42"), "mov", id="mov, compatible with mp4"),
        pytest.param(ftyp("3gp4", "3gp4", "isom"), "3gp", id="3gp"),
        pytest.param(ftyp("3g2a", "3g2a"), "3gp", id="3g2"),
        pytest.param(ftyp("avif", "avif", "mif1", "miaf", "MA1B"), "avif", id="avif"),
        pytest.param(ftyp("avis", "avis", "msf1"), "avif", id="avif that moves"),
        pytest.param(ftyp("mif1", "mif1", "avif", "miaf"), "avif", id="avif that calls itself mif1"),
        pytest.param(ftyp("heic", "mif1", "heic"), "heic", id="heic"),
        pytest.param(ftyp("heix", "mif1", "heix"), "heic", id="heic of ten bits"),
        pytest.param(ftyp("hevc", "msf1", "hevc", "iso8"), "heic", id="heic that moves"),
        pytest.param(ftyp("mif1", "mif1", "heic"), "heic", id="heic that calls itself mif1"),
        pytest.param(ftyp("msf1", "iso8"), "heic", id="mif of no further brand"),
        pytest.param(ftyp("isom", "mif1", "heic"), "heic", id="heic that calls itself isom"),
        pytest.param(ftyp("isom", size=0), "mp4", id="a box of no length"),
        pytest.param(ftyp("isom", size=2**31), "mp4", id="a box without end"),
        pytest.param(ftyp("isom")[:12], "mp4", id="cut off after the first brand"),
        pytest.param(ftyp("heic")[:12], "heic", id="cut off after the first brand, heic"),
    ],
)
def test_the_family_of_mp4_is_told_apart_by_its_brands(head: bytes, extension: str) -> None:
    assert picture_extension(head) == extension
    assert upload_type(head) == ("video/mp4" if extension == "mp4" else None)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (ftyp("heic"), "a HEIC picture, not a png, jpeg, webp, mp3, wav or mp4 file: convert it"),
        (ftyp("avif"), "an AVIF picture, not a png"),
        (ftyp("M4A "), "an M4A sound, not a png"),
        (ftyp("qt  "), "a QuickTime film (MOV), not a png"),
        (ftyp("3gp5"), "a 3GP film, not a png"),
        (b"GIF89a", "a GIF picture, not a png"),
        (b"<html>", "not a png, jpeg, webp, mp3, wav or mp4 file"),
        (b"", "not a png"),
    ],
)
def test_a_refusal_says_what_the_file_is(head: bytes, words: str) -> None:
    assert why_not_uploaded(head).startswith(words)


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        *(("png", "png"), ("jpeg", "jpg"), ("webp, which is sent as jpeg", "webp"), ("mp4", "mp4")),
        *(("wav", None), ("mp3 with ID3", None), ("mp3 frame", None)),
    ],
)
def test_a_picture_or_a_film_is_called_what_it_is(name: str, extension: str | None) -> None:
    assert picture_extension(HEADS[name][0]) == extension


def test_a_moving_picture_of_the_web_is_one_too() -> None:
    assert picture_extension(b"GIF89a") == "gif"
