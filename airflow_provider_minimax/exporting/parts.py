"""Parts and manifest on a storage: how an export is whole or absent.

A manifest is removed before any part is touched and written after all of them, so whoever sees one sees a whole
export. On a local disk it appears by renaming; an object store shows an object only when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.paging import Image
from airflow_provider_minimax.exporting.formats import EXTENSIONS, Format

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

MANIFEST: Final = "manifest.json"
_TEMPORARY: Final = f".{MANIFEST}"
#: Marks a manifest as one of ours; another file of this name is not overwritten.
KIND: Final = "airflow-provider-minimax/images"
_PART_NAME = re.compile(rf"images-\d{{5,}}\.({'|'.join(EXTENSIONS)})")
#: Faults of a storage that pass by themselves, or by making room.
_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EAGAIN, errno.ETIMEDOUT})


@dataclass(frozen=True)
class Part:
    """One file of an export."""

    name: str
    images: int
    bytes: int
    sha256: str


class PartWriter:
    """Writes images into parts of a fixed number of rows; a context, left with an error it leaves nothing behind.

    :param folder: where the parts go.
    :param file_format: how images become bytes.
    :param part_rows: images in each part but the last.
    """

    def __init__(self, folder: ObjectStoragePath, file_format: Format, part_rows: int) -> None:
        self.folder = folder
        self.parts: list[Part] = []
        self._format = file_format
        self._part_rows = part_rows
        self._open: _OpenPart | None = None
        self._is_prepared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._is_prepared:
            self._discard()

    def write(self, images: list[Image]) -> None:
        """Add images to the export."""
        self._prepare()
        while images:
            if self._open is None:
                name = f"images-{len(self.parts):05d}.{self._format.extension}"
                with storage_errors(self.folder):
                    self._open = _OpenPart(self.folder / name, self._format)
            room = self._part_rows - self._open.images
            with storage_errors(self.folder):
                self._open.write(images[:room])
            images = images[room:]
            if self._open.images == self._part_rows:
                self._finish_part()

    def commit(self, description: Mapping[str, Any]) -> ObjectStoragePath:
        """Finish the last part and write the manifest.

        :param description: what the manifest says beside the list of parts.
        :return: the path of the manifest.
        """
        self._prepare()
        self._finish_part()
        manifest = {"kind": KIND, "version": 1, **description, "parts": [asdict(part) for part in self.parts]}
        body = (json.dumps(manifest, indent=2) + "\n").encode()
        path = self.folder / MANIFEST
        with storage_errors(self.folder):
            if _is_local(self.folder):
                temporary = self.folder / _TEMPORARY
                temporary.write_bytes(body)
                temporary.rename(path)
            else:
                path.write_bytes(body)
        return path

    def _prepare(self) -> None:
        """Make the folder, and take away an older export: its manifest first."""
        if self._is_prepared:
            return
        with storage_errors(self.folder):
            if _is_local(self.folder):
                # Not elsewhere: on some object stores this would make a bucket.
                self.folder.mkdir(parents=True, exist_ok=True)
            _remove_export(self.folder)
        self._is_prepared = True

    def _finish_part(self) -> None:
        if self._open is None:
            return
        with storage_errors(self.folder):
            self.parts.append(self._open.close())
        self._open = None

    def _discard(self) -> None:
        if self._open is not None:
            with contextlib.suppress(OSError):
                self._open.close()
        try:
            for path in [*_parts_in(self.folder), self.folder / _TEMPORARY]:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("Unfinished parts could not be removed from %s: %s", self.folder, error)


class _OpenPart:
    def __init__(self, path: ObjectStoragePath, file_format: Format) -> None:
        self.images = 0
        self._name = path.name
        self._encode = file_format.encode
        self._bytes = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] = path.open("wb")
        self._put(file_format.header)

    def write(self, images: list[Image]) -> None:
        self._put(self._encode(images))
        self.images += len(images)

    def close(self) -> Part:
        self._file.close()
        return Part(self._name, self.images, self._bytes, self._hash.hexdigest())

    def _put(self, body: bytes) -> None:
        self._file.write(body)
        self._hash.update(body)
        self._bytes += len(body)


def folder_at(output_path: str, storage_conn_id: str | None) -> ObjectStoragePath:
    """Return the folder that an operator's ``output_path`` means.

    :raises MiniMaxBadRequestError: it is empty, or of a storage that is not installed.
    """
    from airflow.sdk import ObjectStoragePath

    if not output_path.strip():
        raise MiniMaxBadRequestError(f"output_path must name a folder, not {output_path!r}.")
    try:
        path = ObjectStoragePath(output_path.strip(), conn_id=storage_conn_id)
        _ = path.fs
    except (ValueError, ImportError) as error:
        raise MiniMaxBadRequestError(f"output_path {output_path}: {error}.") from None
    return path


@contextlib.contextmanager
def storage_errors(folder: ObjectStoragePath) -> Iterator[None]:
    """Say in one line what a storage refused, and whether a retry can help."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _PASSING:
            raise MiniMaxError(
                f"Writing to {folder} failed: {reason}. Nothing was committed; a retry begins anew."
            ) from None
        raise MiniMaxBadRequestError(
            f"output_path {folder} cannot be written: {reason}. A retry will not help until it can."
        ) from None


def _is_local(path: ObjectStoragePath) -> bool:
    return path.protocol in ("", "file", "local")


def _parts_in(folder: ObjectStoragePath) -> list[ObjectStoragePath]:
    # An object store knows no empty folder.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in folder.iterdir() if _PART_NAME.fullmatch(path.name)]
    return []


def _remove_export(folder: ObjectStoragePath) -> None:
    manifest = folder / MANIFEST
    with contextlib.suppress(FileNotFoundError):
        body = manifest.read_bytes()
        if body and not _is_ours(body):
            raise MiniMaxBadRequestError(
                f"{manifest} is not the manifest of an image export. Choose another output_path, or remove it."
            )
        manifest.unlink()
    for path in _parts_in(folder):
        path.unlink()


def _is_ours(body: bytes) -> bool:
    try:
        manifest = json.loads(body)
    except ValueError:
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == KIND
