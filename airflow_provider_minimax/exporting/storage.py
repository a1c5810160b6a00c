"""The folder of an export: a local one, or one on any storage that ``ObjectStoragePath`` knows.

A file appears under its name when it is whole, and never before. On a local disk a draft is renamed; an object
store has no rename, so there a draft stays on the worker's own disk until it is put.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.parameters import given_text, location
from airflow_provider_minimax.exporting.faults import faults_of_storages
from airflow_provider_minimax.exporting.faults import storage_errors as storage_errors
from airflow_provider_minimax.exporting.names import ListedNames, Names

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: What a draft on a local disk is called until it is whole.
_DRAFT_PREFIX: Final = ".minimax-"
_DRAFT_SUFFIX: Final = ".unfinished"
#: Bytes that an object store is sent at a time; the smallest that S3 takes is 5 MiB.
_BLOCK: Final = 8 * 2**20


class Draft:
    """A file that is being written. It counts and hashes what goes into it.

    It has what a writer of files expects of a file object, and is not closed by such a writer.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.bytes = 0
        self._is_void = False
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def write(self, body: bytes) -> int:
        """Add bytes."""
        if self._is_void:
            return len(body)
        self._file.write(body)
        self._hash.update(body)
        self.bytes += len(body)
        return len(body)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.bytes

    def flush(self) -> None:
        """Do nothing: a draft is written out when it is committed."""

    def commit(self, name: str, *, durable: bool = True) -> None:
        """Let the file appear under its name, in place of an older one.

        :param durable: make sure that it also survives a loss of power.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Leave nothing behind. Does nothing after a commit.

        What is written from then on is lost: a writer of files writes its end when it is forgotten.
        """
        self._is_void = True
        # Whatever went wrong has been told already, and closing writes what is buffered, which fails once more.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._remove()

    def _remove(self) -> None:
        """Remove what has a name."""


class Storage(ABC):
    """Reads and writes the files of one folder; names are relative to it."""

    def __init__(self, folder: ObjectStoragePath) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        """Return where a file lies, as the user named the folder."""
        return str(self.folder / name)

    def put(self, name: str, body: bytes) -> None:
        """Write a small file."""
        draft = self.draft()
        try:
            draft.write(body)
            draft.commit(name)
        finally:
            draft.abort()

    def get(self, name: str) -> bytes | None:
        """Return a small file; None when there is none."""
        try:
            with self.open(name) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def measure(self, name: str) -> tuple[int, str]:
        """Return the size of a file, and its hash."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while chunk := file.read(_BLOCK // 8):
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    @abstractmethod
    def prepare(self, *folders: str, is_ours: bool = True) -> None:
        """Make the folder and these within it where that needs doing, and remove what a killed process left.

        :param is_ours: whether nobody else writes there at the same time; otherwise nothing is removed.
        """

    @abstractmethod
    def draft(self, folder: str = "") -> Draft:
        """Begin a file that will lie in this folder."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading.

        :raises FileNotFoundError: there is none.
        """

    @abstractmethod
    def files(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Yield name and size of the files in a folder; nothing where there is none."""

    def spoilt(self, folder: str, expected: Iterable[tuple[str, int]]) -> str | None:
        """Return the first of these files that is missing or of another size; None where all are there.

        :param expected: names within the folder, and sizes.
        """
        sizes = dict(self.files(folder))
        return next((name for name, size in expected if sizes.get(name) != size), None)

    def secure(self) -> None:  # noqa: B027 - a store promises that by itself
        """Make what was committed, durably or not, survive a loss of power."""

    def forget_uploads(self, is_ours: Callable[[str], bool]) -> None:  # noqa: B027 - a disk keeps none
        """Remove half of a file that a killed process has sent, where a storage keeps such.

        :param is_ours: tells by its name whether a file is of this folder's kind.
        """

    @abstractmethod
    def names(self, folder: str) -> Names:
        """Return what finds names in a folder by how they begin, at a cost that follows what is asked."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def remove_folder(self, name: str) -> None:
        """Remove a folder, if it is there and empty."""


class _LocalStorage(Storage):
    def __init__(self, folder: ObjectStoragePath) -> None:
        super().__init__(folder)
        self._root = Path(folder.path)

    def prepare(self, *folders: str, is_ours: bool = True) -> None:
        for folder in ("", *folders):
            path = self._root / folder
            path.mkdir(parents=True, exist_ok=True)
            for draft in path.glob(f"{_DRAFT_PREFIX}*{_DRAFT_SUFFIX}") if is_ours else ():
                draft.unlink(missing_ok=True)

    def draft(self, folder: str = "") -> Draft:
        return _LocalDraft(self._root, self._root / folder / f"{_DRAFT_PREFIX}{uuid.uuid4().hex}{_DRAFT_SUFFIX}")

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def files(self, folder: str = "") -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if entry.is_file():
                        yield entry.name, entry.stat().st_size
        except FileNotFoundError:
            return

    def names(self, folder: str) -> Names:
        try:
            with os.scandir(self._root / folder) as entries:
                return ListedNames(entry.name for entry in entries)
        except FileNotFoundError:
            return ListedNames(())

    def spoilt(self, folder: str, expected: Iterable[tuple[str, int]]) -> str | None:
        return next((name for name, size in expected if self._size(f"{folder}/{name}") != size), None)

    def _size(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None

    def secure(self) -> None:
        os.sync()

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._root / name).rmdir()


class _LocalDraft(Draft):
    def __init__(self, root: Path, path: Path) -> None:
        super().__init__(path.open("xb"))
        self._root = root
        self._path: Path | None = path

    def commit(self, name: str, *, durable: bool = True) -> None:
        if self._path is None:
            raise ValueError("a draft is committed once")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        self._file.close()
        target = self._root / name
        self._path.replace(target)
        self._path = None
        if durable:
            _sync_folder(target.parent)

    def _remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class _ObjectStorage(Storage):
    def __init__(self, folder: ObjectStoragePath) -> None:
        super().__init__(folder)
        self._fs: Any = folder.fs
        self._root = folder.path.rstrip("/")

    def prepare(self, *folders: str, is_ours: bool = True) -> None:
        """Do nothing: keys need no folder, and on some stores making one would make a bucket."""

    def draft(self, folder: str = "") -> Draft:  # noqa: ARG002 - it lies on the worker's disk
        return _ObjectDraft(self._fs, self._root)

    def open(self, name: str) -> IO[bytes]:
        self._fs.invalidate_cache()
        file: IO[bytes] = self._fs.open(f"{self._root}/{name}", "rb")
        return file

    def files(self, folder: str = "") -> Iterator[tuple[str, int]]:
        path = f"{self._root}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        try:
            entries = self._fs.ls(path, detail=True)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry["type"] == "file" and entry["name"].rstrip("/") != path:
                yield entry["name"].rpartition("/")[2], entry["size"]

    def names(self, folder: str) -> Names:
        path = f"{self._root}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        # A store is asked for the few names that begin so, where it can be; a listing of all goes on and on.
        if "prefix" in inspect.signature(self._fs.find).parameters and self._fs.exists(path):
            return _StoreNames(self._fs, path)
        return ListedNames(name for name, _ in self.files(folder))

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def remove_folder(self, name: str) -> None:
        """Do nothing: a folder is gone with its last key."""

    def forget_uploads(self, is_ours: Callable[[str], bool]) -> None:
        # S3 keeps them, and charges for them, until somebody says otherwise; other stores drop them after a week.
        call = getattr(self._fs, "call_s3", None)
        if call is None:
            return
        bucket, _, key = self._root.partition("/")
        prefix, start = f"{key}/" if key else "", dict[str, str]()
        # Not everybody who may write may list uploads, and what is left over is no reason to fail.
        with contextlib.suppress(*faults_of_storages()):
            while True:
                found = call("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **start)
                for upload in found.get("Uploads", ()):
                    if is_ours(upload["Key"].removeprefix(prefix)):
                        one = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                        call("abort_multipart_upload", Bucket=bucket, **one)
                if not found.get("IsTruncated"):
                    return
                start = {"KeyMarker": found["NextKeyMarker"], "UploadIdMarker": found["NextUploadIdMarker"]}


class _StoreNames:
    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def beginning_with(self, prefix: str) -> list[str]:
        self._fs.invalidate_cache()
        found = (path.removeprefix(f"{self._path}/") for path in self._fs.find(self._path, prefix=prefix))
        # What lies deeper is another file's.
        return [name for name in found if name.startswith(prefix) and "/" not in name]

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class _ObjectDraft(Draft):
    def __init__(self, fs: Any, root: str) -> None:
        # Without a name on the disk, so that it is gone with its process.
        super().__init__(tempfile.TemporaryFile())  # noqa: SIM115 - closed by commit or abort
        self._fs, self._root = fs, root

    def commit(self, name: str, *, durable: bool = True) -> None:  # noqa: ARG002 - a store promises to keep it
        self._file.seek(0)
        target = self._fs.open(f"{self._root}/{name}", "wb", block_size=_BLOCK)
        try:
            shutil.copyfileobj(self._file, target, _BLOCK)
            # Sends the rest, and has the store put the file together.
            target.close()
        except BaseException:
            _give_up(target)
            raise
        self._file.close()


def _give_up(target: Any) -> None:
    """Leave an upload without finishing it, which closing, and so the garbage collector, would do."""
    with contextlib.suppress(NotImplementedError, *faults_of_storages()):
        target.discard()
    target.closed = True


def _sync_folder(path: Path) -> None:
    """Make a renaming survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def folder_at(output_path: object, storage_conn_id: str | None) -> ObjectStoragePath:
    """Return the folder that an operator's ``output_path`` means.

    :param output_path: text, a ``Path`` or an ``ObjectStoragePath``.
    :param storage_conn_id: the Airflow connection of the storage; one in the path itself wins.
    :raises MiniMaxBadRequestError: a part of it was rendered to nothing, or it is of a storage that is not installed.
    """
    from airflow.sdk import ObjectStoragePath

    where = location("output_path", output_path)
    conn_id = given_text("storage_conn_id", storage_conn_id)
    try:
        path = ObjectStoragePath(where, conn_id=conn_id)
        _ = path.fs
    except (ValueError, ImportError) as error:
        raise MiniMaxBadRequestError(f"output_path {where}: {error}.") from None
    return path


def storage_at(folder: ObjectStoragePath) -> Storage:
    """Return how the files of a folder are read and written."""
    is_local = folder.protocol in ("", "file", "local")
    return _LocalStorage(folder) if is_local else _ObjectStorage(folder)
