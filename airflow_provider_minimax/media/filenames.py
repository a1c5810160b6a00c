"""What the files of jobs are called: safe on any storage, and each checked by the checksum in its name."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

#: The folder of the files, below that of an export.
MEDIA: Final = "media"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_STEM: Final = 80
#: Digits of the checksum that stand in a name, so that each file can be checked by itself.
_DIGITS: Final = 16
_NAME = re.compile(rf"([A-Za-z0-9_-]+)-([0-9a-f]{{{_DIGITS}}})\.[a-z0-9]{{3,4}}")
#: In the name of a file that was downloaded by its id, and not exported; see ``stem_with_owner``.
_DOWNLOADED = re.compile(r"-(image|video)-")


class Saved(NamedTuple):
    """A file that lies in the folder, whole."""

    path: str
    bytes: int
    sha256: str


class MediaError(Exception):
    """A file that could not be fetched, and why."""


def stem_of(key: str) -> str:
    """Return what the file of an image is called before its checksum: safe on any storage, and its own.

    :param key: the id of the image, as the service sent it.
    """
    bare = key.rpartition(":")[2]
    safe = _UNSAFE.sub("_", bare)[:_LONGEST_STEM]
    if safe == bare and safe:
        return safe
    return f"{safe or 'image'}-{hashlib.sha256(key.encode(errors='backslashreplace')).hexdigest()[:8]}"


def stem_with_owner(key: str) -> str:
    """Return what the file of an image or a video is called where files of any kind and account lie side by side.

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
    """Tell whether a file is what its name says."""
    found = stem_and_digits(name)
    return found is not None and sha256.startswith(found[1])


def is_export_name(name: str) -> bool:
    """Return whether an export gives such names, and not a download by id."""
    found = stem_and_digits(name)
    return found is not None and _DOWNLOADED.search(found[0]) is None
