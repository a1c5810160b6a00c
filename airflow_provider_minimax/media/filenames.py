"""Names of the files of jobs: safe on any storage, and each with the checksum of its file."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

#: The folder of the files, within that of an export.
MEDIA: Final = "media"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_MAX_STEM: Final = 80
#: Digits of the checksum in a name, by which each file can be checked on its own.
_DIGITS: Final = 16
_NAME = re.compile(rf"([A-Za-z0-9_-]+)-([0-9a-f]{{{_DIGITS}}})\.[a-z0-9]{{3,4}}")
#: Part of the name of a file that was downloaded by its id, and not exported; see ``download_stem``.
_DOWNLOADED = re.compile(r"-(image|video)-")


class Saved(NamedTuple):
    """A complete file in the folder."""

    path: str
    bytes: int
    sha256: str


class MediaError(Exception):
    """A file could not be downloaded; the message says why."""


class TransientMediaError(MediaError):
    """It could not be downloaded this time; later, the same request may succeed."""


def stem_of(key: str) -> str:
    """Return the name of an image's file before the checksum: safe on any storage, and unique.

    :param key: the id of the image, as the service sent it.
    """
    bare = key.rpartition(":")[2]
    safe = _UNSAFE.sub("_", bare)[:_MAX_STEM]
    if safe == bare and safe:
        return safe
    return f"{safe or 'image'}-{hashlib.sha256(key.encode(errors='backslashreplace')).hexdigest()[:8]}"


def download_stem(key: str) -> str:
    """Return the name of a file before the checksum where files of all kinds and accounts share a folder.

    :param key: its full id, of which the bare part is unique only within a kind and an account.
    """
    owner, _, bare = key.rpartition("minimax:")[2].rpartition(":")
    return f"{_UNSAFE.sub('_', owner)}-{stem_of(bare)}" if owner else stem_of(key)


def file_name(stem: str, sha256: str, extension: str) -> str:
    """Return the name of a file."""
    return f"{stem}-{sha256[:_DIGITS]}.{extension}"


def stem_and_digits(name: str) -> tuple[str, str] | None:
    """Return the parts of such a name; None for another file."""
    match = _NAME.fullmatch(name)
    return (match[1], match[2]) if match else None


def digits_match(name: str, sha256: str) -> bool:
    """Return whether the content of a file matches the checksum in its name."""
    parts = stem_and_digits(name)
    return parts is not None and sha256.startswith(parts[1])


def is_export_name(name: str) -> bool:
    """Return whether a name is that of an exported file, and not of a download by id."""
    parts = stem_and_digits(name)
    return parts is not None and _DOWNLOADED.search(parts[0]) is None
