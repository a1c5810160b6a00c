"""The folder of an export: a local one, or one on any storage that ``ObjectStoragePath`` knows.

A file appears under its name when it is whole, and never before. On a local disk a draft is renamed; an object
store has no rename, so there a draft stays on the worker's own disk until it is put.

Each attempt has a token, which its drafts carry in their names. Of two attempts in one folder, the later one takes the
drafts of the earlier one away, so that nothing of it can appear any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import inspect
import os
import re
import shutil
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import given_text, location
from airflow_provider_minimax.storage.errors import faults_of_storages
from airflow_provider_minimax.storage.errors import storage_errors as storage_errors
from airflow_provider_minimax.storage.listing import ListedNames, Names

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: What a draft is called until it is whole: ``.minimax-<token of the attempt>-<its own>.unfinished``. The one that
#: names the attempt in the folder has no token yet that the folder knows, so it has a name of its own.
_DRAFT: Final = ".minimax-{0}.unfinished"
_DRAFT_NAME: Final = re.compile(r"\.minimax-([0-9a-f]{32}|claim)-[0-9a-f]{32}\.unfinished")
_CLAIM: Final = "claim"
#: Seconds to wait for another process that has locked the folder, which it does for milliseconds.
_MAX_LOCKED: Final = 60.0
#: Seconds between two looks at the lock.
_LOCK_INTERVAL: Final = 0.02
#: What a file system answers that does not lock folders.
_NO_LOCKS: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
#: Bytes that an object store is sent at a time; the smallest that S3 takes is 5 MiB.
_BLOCK: Final = 8 * 2**20


class File(NamedTuple):
    """A file of a folder.

    :param etag: what a store says of its content; empty where it says nothing.
    """

    name: str
    size: int
    etag: str = ""


class DraftGoneError(Exception):
    """Another attempt has taken our draft away."""


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

    def settle(self) -> None:
        """Make what was written survive a loss of power, before it has a name: a commit is quick then."""

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:
        """Let the file appear under its name.

        :param durable: make sure that it also survives a loss of power.
        :param is_new: take the place of no other file; otherwise an older one is replaced.
        :raises FileExistsError: there is one. The draft can be committed again.
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
        #: Names this attempt.
        self.token = uuid.uuid4().hex

    def url(self, name: str) -> str:
        """Return where a file lies, as the user named the folder."""
        return str(self.folder / name)

    def put(self, name: str, body: bytes, *, is_new: bool = False) -> None:
        """Write a small file; see ``Draft.commit``."""
        draft = self.draft()
        try:
            draft.write(body)
            draft.commit(name, is_new=is_new)
        finally:
            draft.abort()

    @abstractmethod
    def replace(self, name: str, body: bytes, is_seen: Callable[[bytes | None], bool]) -> bool:
        """Write a small file in place of one that was seen; return False where it is another one now.

        To be called ``exclusively``.

        :param is_seen: tells whether this is what was seen; None for no file.
        """

    @abstractmethod
    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        """Write a small file that must not appear once another attempt has called ``forget_drafts`` with our token.

        :param check: called as late as can be; what it raises keeps the file from appearing.
        :raises DraftGoneError: another attempt has.
        """

    @abstractmethod
    def exclusively(self) -> AbstractContextManager[None]:
        """Keep others who call this from changing the folder meanwhile, where the storage has a lock.

        The lock is gone with its process, however that ends. It is not to be taken twice.
        """

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
    def prepare(self, *folders: str) -> None:
        """Make the folder and these within it, where that needs doing."""

    @abstractmethod
    def forget_drafts(self, tokens: Collection[str], *folders: str) -> None:
        """Remove what other attempts have under way, so that it appears no more. To be called ``exclusively``.

        :param tokens: theirs.
        :param folders: within the folder, to look through as well.
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
    def files(self, folder: str = "") -> Iterator[File]:
        """Yield the files in a folder; nothing where there is none."""

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the sizes of the files in a folder, by their names."""
        return {file.name: file.size for file in self.files(folder)}

    def etag(self, name: str) -> str:  # noqa: ARG002 - a disk has none
        """Return what a store says of the content of a file, where it says something at no cost."""
        return ""

    def spoilt(self, folder: str, expected: Iterable[tuple[str, int]]) -> str | None:
        """Return the first of these files that is missing or of another size; None where all are there.

        :param expected: names within the folder, and sizes.
        """
        sizes = self.sizes(folder)
        return next((name for name, size in expected if sizes.get(name) != size), None)

    def secure(self) -> None:  # noqa: B027 - a store promises that by itself
        """Make what was committed, durably or not, survive a loss of power."""

    def forget_uploads(self, is_ours: Callable[[str], bool]) -> None:  # noqa: B027 - a disk keeps none
        """Remove half of a file that a killed process has sent, where a storage keeps such.

        :param is_ours: tells by its name within the folder whether it was to be a file of ours.
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

    def prepare(self, *folders: str) -> None:
        for folder in ("", *folders):
            (self._root / folder).mkdir(parents=True, exist_ok=True)

    def draft(self, folder: str = "") -> Draft:
        return self._draft(folder, self.token)

    def replace(self, name: str, body: bytes, is_seen: Callable[[bytes | None], bool]) -> bool:
        if not is_seen(self.get(name)):
            return False
        draft = self._draft("", _CLAIM)
        try:
            draft.write(body)
            draft.commit(name)
        finally:
            draft.abort()
        return True

    def _draft(self, folder: str, token: str) -> Draft:
        return _LocalDraft(self._root, self._root / folder / _DRAFT.format(f"{token}-{uuid.uuid4().hex}"))

    def forget_drafts(self, tokens: Collection[str], *folders: str) -> None:
        for folder in ("", *folders):
            for entry in _entries(self._root / folder):
                match = _DRAFT_NAME.fullmatch(entry.name)
                # A claim is written exclusively, so that nobody is writing it now.
                if match and match[1] in (*tokens, _CLAIM):
                    Path(entry.path).unlink(missing_ok=True)

    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        draft = self.draft()
        try:
            draft.write(body)
            draft.settle()
            with self.exclusively():
                check()
                draft.commit(name)
        finally:
            draft.abort()

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        handle = os.open(self._root, os.O_RDONLY)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def files(self, folder: str = "") -> Iterator[File]:
        for entry in _entries(self._root / folder):
            # It may be removed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file():
                    yield File(entry.name, entry.stat().st_size)

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

    def settle(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:
        if self._path is None:
            raise ValueError("a draft is committed once")
        if durable:
            self.settle()
        self._file.close()
        target = self._root / name
        if is_new and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
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

    def prepare(self, *folders: str) -> None:
        """Do nothing: keys need no folder, and on some stores making one would make a bucket."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Do nothing: a store has no lock."""
        return contextlib.nullcontext()

    def forget_drafts(self, tokens: Collection[str], *folders: str) -> None:  # noqa: ARG002 - others have no name there
        for token in tokens:
            self.remove(_DRAFT.format(token))

    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        # A request that is late does no harm: the store itself copies the draft, which is not there any more when
        # another attempt has taken the folder over. To put the file would let it appear whenever that arrives.
        draft = _DRAFT.format(self.token)
        try:
            self.put(draft, body)
            check()
            self._fs.invalidate_cache()
            self._fs.cp_file(f"{self._root}/{draft}", f"{self._root}/{name}")
        except FileNotFoundError:
            raise DraftGoneError from None
        except NotImplementedError:
            # It cannot copy.
            self.put(name, body)
        finally:
            self.remove(draft)

    def replace(self, name: str, body: bytes, is_seen: Callable[[bytes | None], bool]) -> bool:
        # First the tag: what is read then is at least as new.
        try:
            etag = self.etag(name)
        except FileNotFoundError:
            etag = ""
        seen = self.get(name)
        if not is_seen(seen):
            return False
        try:
            if seen is None:
                self.put(name, body, is_new=True)
            elif not (etag and self._put_in_place_of(name, body, etag)):
                self.put(name, body)
        except FileExistsError:
            return False
        return True

    def _put_in_place_of(self, name: str, body: bytes, etag: str) -> bool:
        """Put a file if the one that is there has this tag; return False where the store knows no such condition.

        :raises FileExistsError: it has another one.
        """
        call = getattr(self._fs, "call_s3", None)
        if call is None:
            return False
        bucket, _, key = f"{self._root}/{name}".partition("/")
        try:
            call("put_object", Bucket=bucket, Key=key, Body=body, IfMatch=etag)
        except (NotImplementedError, ValueError):
            return False
        except OSError as error:
            if error.errno == errno.ENOSYS:
                return False
            if _code(error) == "PreconditionFailed" or isinstance(error, FileNotFoundError):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None
            raise
        return True

    def draft(self, folder: str = "") -> Draft:  # noqa: ARG002 - it lies on the worker's disk
        return _ObjectDraft(self._fs, self._root)

    def open(self, name: str) -> IO[bytes]:
        self._fs.invalidate_cache()
        file: IO[bytes] = self._fs.open(f"{self._root}/{name}", "rb")
        return file

    def get(self, name: str) -> bytes | None:
        # In one request: to open a file takes two.
        try:
            body: bytes = self._fs.cat_file(f"{self._root}/{name}")
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

    def etag(self, name: str) -> str:
        self._fs.invalidate_cache()
        return _etag(self._fs.info(f"{self._root}/{name}"))

    def names(self, folder: str) -> Names:
        path = f"{self._root}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        # A store is asked for the few names that begin so, where it can be; a listing of all goes on and on.
        if "prefix" in inspect.signature(self._fs.find).parameters and self._fs.exists(path):
            return _StoreNames(self._fs, path)
        return ListedNames(file.name for file in self.files(folder))

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

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:  # noqa: ARG002 - a store keeps it
        path = f"{self._root}/{name}"
        if is_new:
            self._create(path)
        else:
            self._send(path, "wb")
        self._file.close()

    def _create(self, path: str) -> None:
        """Send it, unless there is a file of this name. The store makes sure of that, where it can."""
        self._fs.invalidate_cache()
        if self._fs.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        try:
            self._send(path, "xb")
        except (NotImplementedError, ValueError):
            # The library of the store knows no such mode.
            self._send(path, "wb")
        except OSError as error:
            if error.errno == errno.ENOSYS:
                # The store knows no such condition.
                self._send(path, "wb")
            elif _code(error) == "PreconditionFailed":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            else:
                raise

    def _send(self, path: str, mode: str) -> None:
        self._file.seek(0)
        target = self._fs.open(path, mode, block_size=_BLOCK)
        try:
            shutil.copyfileobj(self._file, target, _BLOCK)
            # Sends the rest, and has the store put the file together.
            target.close()
        except BaseException:
            _give_up(target)
            raise


def _code(error: OSError) -> object:
    """Return the code of the response of S3 that its library has made an error of."""
    response = getattr(error.__cause__, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _etag(entry: dict[str, Any]) -> str:
    return str(entry.get("ETag") or entry.get("etag") or "")


def _lock(handle: int) -> None:
    """Lock a folder; the lock ends when the handle is closed, and so with the process.

    :raises TimeoutError: another process holds it for too long.
    """
    end = time.monotonic() + _MAX_LOCKED
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, "another process has locked the folder for too long") from None
            time.sleep(_LOCK_INTERVAL)
        except OSError as error:
            # Some network file systems lock no folder. There, who owns it is looked at right before each change.
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


def _give_up(target: Any) -> None:
    """Leave an upload without finishing it, which closing, and so the garbage collector, would do."""
    with contextlib.suppress(NotImplementedError, *faults_of_storages()):
        target.discard()
    target.closed = True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder; nothing where there is none."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


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
