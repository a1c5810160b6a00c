"""Exports as the API server reads them: the rows, and the files that they name.

The path of an export comes from an XCom, so from code of a DAG: it may name any folder. Of a folder only these files
are opened: ``manifest.json``; where that is a manifest of ours, the parts that it names; and of their rows the files in
``media/``. On a disk none of them may be, or lie behind, a symbolic link below that folder, and each must be a regular
file. A file is handed out only if it begins like a picture or a video.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import logging
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from airflow_provider_minimax.api.cursors import Image
from airflow_provider_minimax.api.media_types import MAGIC_BYTES, content_type
from airflow_provider_minimax.compat import conf
from airflow_provider_minimax.export.contact_sheet import media_path, shown_fields
from airflow_provider_minimax.export.formats import SAFE_CSV, format_named
from airflow_provider_minimax.export.manifest import MANIFEST, Manifest, load_whole
from airflow_provider_minimax.export.parts import part_number
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.folders import path_at, storage_at
from airflow_provider_minimax.storage.location import required_location

log = logging.getLogger(__name__)

#: Rows of one export that are shown: the newest ones.
MAX_ROWS: Final = 500
#: Bytes of a manifest or a part that are read.
MAX_TEXT_BYTES: Final = 64 * 2**20
#: Bytes of a picture or a video that is handed out.
MAX_MEDIA_BYTES: Final = 2 * 2**30
#: Exports that are kept, as each picture of a page asks for its own.
_MAX_KEPT: Final = 8


class UnreadableError(Exception):
    """An export, or a file of it, cannot be read here."""


class Export(NamedTuple):
    """What is shown of an export.

    :param rows: the newest ones.
    :param total: how many it holds.
    :param media: the paths of their files, within the export.
    """

    rows: tuple[Image, ...]
    total: int
    media: frozenset[str]


#: The latest exports, by folder and checksum of the manifest.
_kept: Final[dict[tuple[str, str], Export]] = {}


class MediaFile(NamedTuple):
    """An open picture or video."""

    file: IO[bytes]
    size: int
    content_type: str


def read_export(path: str) -> Export:
    """Return the export in a folder.

    :raises UnreadableError: it is missing, not ours, or out of this process's reach.
    """
    with _unreadable(path):
        storage = _storage(path)
        with _open(storage, MANIFEST) as file:
            body = _read(file)
        key = (path, hashlib.sha256(body).hexdigest())
        export = _kept[key] = _kept.get(key) or _read_rows(storage, body)
        for oldest in list(_kept)[:-_MAX_KEPT]:
            _kept.pop(oldest, None)
        return export
    raise UnreadableError


def open_media(path: str, name: str) -> MediaFile:
    """Open a file of an export.

    :raises UnreadableError: the export does not name it, or it is no picture or video.
    """
    if name not in read_export(path).media:
        raise UnreadableError(name)
    with _unreadable(path), contextlib.ExitStack() as opened:
        file = opened.enter_context(_open(_storage(path), name))
        found = content_type(file.read(MAGIC_BYTES))
        size = file.seek(0, os.SEEK_END)
        if found is None or size > MAX_MEDIA_BYTES:
            raise UnreadableError(name)
        file.seek(0)
        opened.pop_all()
        return MediaFile(file, size, found)
    raise UnreadableError


@contextlib.contextmanager
def _unreadable(path: str) -> Iterator[None]:
    """Turn each way in which a folder cannot be read into one error: a viewer learns nothing about other folders."""
    try:
        yield
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - rows, manifests and paths may hold anything, and libraries read them
        log.info("The gallery cannot read the export in %r: %r", path, error)
        raise UnreadableError(path) from None


def _storage(path: str) -> Storage:
    """Return the storage of a folder.

    :raises UnreadableError: what may be read there cannot be told.
    """
    from airflow.sdk.io import has_fs

    if conf.getboolean("core", "multi_team", fallback=False):
        # The API server would read it with the rights of all teams.
        raise UnreadableError(path)
    where = required_location("path", path)
    scheme = where.partition("://")[0] if "://" in where else "file"
    # Only storages that Airflow's providers bring: fsspec itself knows many more, such as plain web addresses.
    if not (has_fs(scheme) if scheme != "file" else Path(where).is_absolute()):
        raise UnreadableError(path)
    return storage_at(path_at("path", path, None))


def _open(storage: Storage, name: str) -> IO[bytes]:
    return open_beneath(storage.folder.path, name) if storage.is_local else storage.open(name)


def open_beneath(folder: str, name: str) -> IO[bytes]:
    """Open a regular file below a folder, through no symbolic link.

    Each step is opened from the one before, so that nothing can be exchanged meanwhile.

    :raises OSError: it is missing, or something else.
    """
    *folders, last = name.split("/")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for step in folders:
            inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        # Not to wait for a writer, where it is a pipe.
        handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(name)
    return os.fdopen(handle, "rb")


def _read(file: IO[bytes]) -> bytes:
    body = file.read(MAX_TEXT_BYTES + 1)
    if len(body) > MAX_TEXT_BYTES:
        raise UnreadableError("too large")
    return body


def _read_rows(storage: Storage, body: bytes) -> Export:
    """Return the export of a manifest."""
    whole = load_whole(storage, body)
    if whole is None:
        raise UnreadableError
    _, manifest = whole
    rows = tuple(islice(_rows(storage, manifest), MAX_ROWS))
    media = frozenset(found for row in rows if (found := media_path(row)) is not None)
    return Export(rows, manifest.contents.images, media)


def _rows(storage: Storage, manifest: Manifest) -> Iterator[dict[str, Any]]:
    name = manifest.plan["format"]
    file_format = SAFE_CSV if manifest.plan.get("csv_safe") else format_named(name.removesuffix(".gz"))
    # Each has a row at least.
    for part in manifest.parts[:MAX_ROWS]:
        if part_number(part.name) is None:
            raise UnreadableError(part.name)
        with _open(storage, part.name) as file:
            for row in file_format.read(_bounded(file, name), None):
                yield shown_fields(row)


def _bounded(file: IO[bytes], file_format: str) -> IO[bytes]:
    """Return a part, without its compression, as a file of bounded size."""
    if file_format == "parquet":
        from airflow_provider_minimax.export.parquet import max_group_bytes

        # Its reader begins at the end.
        body = io.BytesIO(_read(file))
        if max_group_bytes(body) > MAX_TEXT_BYTES:
            raise UnreadableError("too large")
        return body
    if file_format.endswith(".gz"):
        # What it expands to is bounded, too.
        file = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]
    return io.BufferedReader(_Head(file))


class _Head(io.RawIOBase):
    """The beginning of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MAX_TEXT_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)
