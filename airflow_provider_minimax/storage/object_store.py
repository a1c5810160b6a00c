"""A folder in an object store: no rename and no lock, but conditional uploads and copies where the store has them."""

# ruff: noqa: D102 - the methods are documented where they are abstract

from __future__ import annotations

import contextlib
import errno
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_provider_minimax.storage.base import DRAFT_NAME, Draft, DraftGoneError, File, Storage
from airflow_provider_minimax.storage.errors import error_code, storage_errors, storage_faults
from airflow_provider_minimax.storage.listing import ListedFiles, NameIndex

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Bytes of one piece of an upload; the smallest that S3 takes is 5 MiB.
BLOCK_BYTES: Final = 8 * 2**20
#: Bytes of a draft that stay in memory. Most images have fewer.
_MAX_IN_MEMORY: Final = 2**20
#: Connections to S3, one for each thread that stores a file: its library opens 10, and lets the others wait.
_MAX_CONNECTIONS: Final = 32
#: Digits of the token of an attempt in the name of a file.
_MARK_DIGITS: Final = 8


class ObjectStorage(Storage):
    """A folder in a store that fsspec knows."""

    def __init__(self, folder: ObjectStoragePath) -> None:
        super().__init__(folder)
        self._fs: Any = folder.fs
        if isinstance(config := getattr(self._fs, "config_kwargs", None), dict):
            # Of s3fs, which reads it when it connects. A number in the connection of Airflow wins.
            config.setdefault("max_pool_connections", _MAX_CONNECTIONS)
        self._root = folder.path.rstrip("/")
        #: Whether the store can create a file only if there is none; None until that is known.
        self._creates_new: bool | None = None
        self._reads_in_pieces = "max_concurrency" in inspect.signature(self._fs.cat_file).parameters

    def prepare(self, *folders: str) -> None:
        """Do nothing: keys need no folder, and on some stores creating one would create a bucket."""

    # Reading

    def open(self, name: str) -> IO[bytes]:
        self._fs.invalidate_cache()
        file: IO[bytes] = self._fs.open(f"{self._root}/{name}", "rb")
        return file

    def read(self, name: str) -> bytes | None:
        # In one request: to open a file takes two, and so does reading it in several pieces at a time.
        options = {"max_concurrency": 1} if self._reads_in_pieces else {}
        try:
            body: bytes = self._fs.cat_file(f"{self._root}/{name}", **options)
        except FileNotFoundError:
            return None
        return body

    def files(self, folder: str = "") -> Iterator[File]:
        path = f"{self._root}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        try:
            entries = self._fs.ls(path, detail=True)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry["type"] == "file" and entry["name"].rstrip("/") != path:
                yield File(entry["name"].rpartition("/")[2], entry["size"], _etag(entry))

    def names(self, folder: str) -> NameIndex:
        path = f"{self._root}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        # A store that can search by prefix is asked for the few names; a listing of a large folder takes very long.
        if "prefix" in inspect.signature(self._fs.find).parameters and self._fs.exists(path):
            return _PrefixSearch(self._fs, path)
        return ListedFiles((file.name, file.size) for file in self.files(folder))

    def etag(self, name: str) -> str:
        self._fs.invalidate_cache()
        return _etag(self._fs.info(f"{self._root}/{name}"))

    # Writing

    @property
    def attempt_mark(self) -> str:
        """The beginning of our token, where the store cannot refuse to overwrite a file.

        There a request may arrive when another attempt owns the folder. The claim of a new folder has shown what the
        store can do; otherwise the library is asked, which costs no upload.
        """
        if self._creates_new is None:
            with storage_errors(self.folder):
                self._creates_new = self._knows_exclusive_mode()
        return "" if self._creates_new else self.token[:_MARK_DIGITS]

    def _knows_exclusive_mode(self) -> bool:
        name = DRAFT_NAME.format(self.token)
        try:
            target = self._fs.open(f"{self._root}/{name}", "xb", block_size=BLOCK_BYTES)
        except (NotImplementedError, ValueError):
            return False
        except FileExistsError:
            return True
        _abort(target)
        # A store in memory creates the file at once.
        self._fs.invalidate_cache()
        if self._fs.exists(f"{self._root}/{name}"):
            self.remove(name)
        return True

    def draft(self, folder: str = "") -> Draft:  # noqa: ARG002 - it lies on the worker's disk
        return _ObjectDraft(self._fs, self._root, self._learn)

    def _learn(self, creates_new: bool) -> None:
        self._creates_new = creates_new

    def replace(self, name: str, body: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        current, etag = self.read(name), ""
        if current is not None:
            # The tag first: the content that is read after it is at least as new.
            with contextlib.suppress(FileNotFoundError):
                etag = self.etag(name)
            current = self.read(name)
        if not is_expected(current):
            return False
        try:
            if current is None:
                self.write(name, body, is_new=True)
            elif not (etag and self._write_if_match(name, body, etag)):
                self.write(name, body)
        except FileExistsError:
            return False
        return True

    def _write_if_match(self, name: str, body: bytes, etag: str) -> bool:
        """Write a file if the existing one has this tag; return False where the store knows no such condition.

        :raises FileExistsError: it has another one.
        """
        call = getattr(self._fs, "call_s3", None)
        if call is None:
            return False
        try:
            call("put_object", **self._address(name), Body=body, IfMatch=etag)
        except (NotImplementedError, ValueError):
            return False
        except OSError as error:
            if error.errno == errno.ENOSYS:
                self._learn(False)
                return False
            if error_code(error) == "PreconditionFailed" or isinstance(error, FileNotFoundError):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None
            raise
        return True

    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        # The store itself copies the draft, so a late request does no harm: once another attempt has taken over the
        # folder, the draft is gone. An upload to the final name would appear whenever it arrives.
        draft = DRAFT_NAME.format(self.token)
        try:
            self.write(draft, body)
            check()
            self._copy(draft, name)
        except FileNotFoundError:
            raise DraftGoneError from None
        except NotImplementedError:
            # It cannot copy.
            self.write(name, body)
        finally:
            self.remove(draft)

    def _copy(self, name: str, target: str) -> None:
        self._fs.invalidate_cache()
        call = getattr(self._fs, "call_s3", None)
        if call is None:
            self._fs.cp_file(f"{self._root}/{name}", f"{self._root}/{target}")
        else:
            # In one request: its library asks for the size first.
            call("copy_object", **self._address(target), CopySource=self._address(name))

    def _address(self, name: str) -> dict[str, str]:
        """Return what S3 calls a file."""
        # Its library also knows access points, whose names hold a slash.
        bucket, key, _ = self._fs.split_path(f"{self._root}/{name}")
        return {"Bucket": bucket, "Key": key}

    def lock(self) -> AbstractContextManager[None]:
        """Do nothing: a store has no lock."""
        return contextlib.nullcontext()

    # Removing

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def remove_folder(self, name: str) -> None:
        """Do nothing: a folder ends with its last key."""

    def discard_drafts(self, tokens: Collection[str], *folders: str) -> None:  # noqa: ARG002 - others have no name there
        for token in tokens:
            self.remove(DRAFT_NAME.format(token))

    def abort_uploads(self, is_ours: Callable[[str], bool]) -> None:
        # S3 keeps them, and charges for them, until they are aborted; other stores drop them after a week.
        call = getattr(self._fs, "call_s3", None)
        if call is None:
            return
        address, start = self._address(""), dict[str, str]()
        bucket, prefix = address["Bucket"], address["Key"].lstrip("/")
        # Permission to write does not imply permission to list uploads, and a leftover is no reason to fail.
        with contextlib.suppress(*storage_faults()):
            while True:
                page = call("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **start)
                for upload in page.get("Uploads", ()):
                    if is_ours(upload["Key"].removeprefix(prefix)):
                        call("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                if not page.get("IsTruncated"):
                    return
                start = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


class _PrefixSearch:
    """Finds names by requests to the store."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def with_prefix(self, prefix: str) -> list[str]:
        self._fs.invalidate_cache()
        found = (path.removeprefix(f"{self._path}/") for path in self._fs.find(self._path, prefix=prefix))
        # The search also goes into the folders below.
        return [name for name in found if name.startswith(prefix) and "/" not in name]

    def close(self) -> None:
        """Do nothing: it holds no resource."""


class _ObjectDraft(Draft):
    """A draft on the worker's disk, or in its memory.

    :param learn: is told whether the store can create a file only if there is none.
    """

    def __init__(self, fs: Any, root: str, learn: Callable[[bool], None]) -> None:
        # Without a name on the disk, so that it ends with its process.
        super().__init__(tempfile.SpooledTemporaryFile(_MAX_IN_MEMORY))  # noqa: SIM115 - closed later
        self._fs, self._root, self._learn = fs, root, learn

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:
        path = f"{self._root}/{name}"
        if is_new:
            self._upload_new(path)
        elif durable or self.bytes > BLOCK_BYTES:
            self._upload(path, "wb")
        else:
            # In one request: a library's file object takes half as long again, which shows where files are many.
            self._file.seek(0)
            try:
                self._fs.pipe_file(path, self._file.read())
            except NotImplementedError:
                # Its library knows file objects only.
                self._upload(path, "wb")
        self._file.close()

    def _upload_new(self, path: str) -> None:
        """Upload it unless a file of this name exists. The store itself makes sure of that, where it can."""
        self._fs.invalidate_cache()
        if self._fs.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        try:
            self._upload(path, "xb")
            self._learn(True)
        except (NotImplementedError, ValueError):
            # The library of the store knows no such mode.
            self._learn(False)
            self._upload(path, "wb")
        except OSError as error:
            if error.errno == errno.ENOSYS:
                # The store knows no such condition.
                self._learn(False)
                self._upload(path, "wb")
            elif error_code(error) == "PreconditionFailed":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            else:
                raise

    def _upload(self, path: str, mode: str) -> None:
        self._file.seek(0)
        target = self._fs.open(path, mode, block_size=BLOCK_BYTES)
        try:
            shutil.copyfileobj(self._file, target, BLOCK_BYTES)
            # Uploads the rest, and has the store assemble the file.
            target.close()
        except BaseException:
            _abort(target)
            raise


def _abort(upload: Any) -> None:
    """End an upload without completing it, which closing it, and so the garbage collector, would do."""
    with contextlib.suppress(NotImplementedError, *storage_faults()):
        upload.discard()
    # A file in memory has nothing that closing it would complete, and does not take this.
    with contextlib.suppress(AttributeError):
        upload.closed = True


def _etag(entry: dict[str, Any]) -> str:
    return str(entry.get("ETag") or entry.get("etag") or "")
