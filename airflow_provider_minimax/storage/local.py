"""A folder on a local disk: a draft is renamed, and a lock keeps other processes out."""

# ruff: noqa: D102 - the methods are documented where they are abstract

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from airflow_provider_minimax.storage.base import DRAFT_NAME, Draft, File, Storage, commit_body
from airflow_provider_minimax.storage.listing import ListedFiles, NameIndex

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: ``<token of the attempt>-<number of the draft>``. The draft that takes over a folder has a fixed token, because the
#: checkpoint there does not know the token of its attempt yet.
_DRAFT_PATTERN: Final = re.compile(re.escape(DRAFT_NAME).replace(r"\{0\}", "([0-9a-f]{32}|claim)-[0-9a-f]{32}"))
_CLAIM: Final = "claim"
#: Seconds to wait for another process that holds the lock, which it does for milliseconds.
_MAX_LOCK_WAIT: Final = 60.0
#: Seconds between two attempts to get the lock.
_LOCK_INTERVAL: Final = 0.02
#: Bytes of files that a later ``sync`` may find in memory only.
_MAX_UNSYNCED: Final = 16 * 2**20
#: Bytes of one file after which the disk begins to store them.
_BEGIN_BYTES: Final = 2 * 2**20
#: Error numbers of a file system that cannot lock folders.
_NO_LOCKS: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class LocalStorage(Storage):
    """A folder on a local disk."""

    is_local = True

    def __init__(self, folder: ObjectStoragePath) -> None:
        super().__init__(folder)
        self._root = Path(folder.path)
        self._unsynced = 0

    def prepare(self, *folders: str) -> None:
        for folder in ("", *folders):
            (self._root / folder).mkdir(parents=True, exist_ok=True)

    # Reading

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def files(self, folder: str = "") -> Iterator[File]:
        for entry in _entries(self._root / folder):
            # Another process may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file():
                    yield File(entry.name, entry.stat().st_size)

    def names(self, folder: str) -> NameIndex:
        return ListedFiles((entry.name, None) for entry in _entries(self._root / folder))

    def first_mismatch(self, folder: str, expected: Iterable[tuple[str, int]]) -> str | None:
        return next((name for name, size in expected if self._size(f"{folder}/{name}") != size), None)

    def _size(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None

    def is_link(self, name: str) -> bool:
        return (self._root / name).is_symlink()

    # Writing

    def draft(self, folder: str = "") -> Draft:
        return self._draft(folder, self.token)

    def _draft(self, folder: str, token: str) -> Draft:
        path = self._root / folder / DRAFT_NAME.format(f"{token}-{uuid.uuid4().hex}")
        return _LocalDraft(self._root, path, self._sync_early)

    def _sync_early(self, size: int) -> None:
        """Sync now and then, while other threads still download, so that ``sync`` has little left at the end."""
        # Two threads may count at once: some more or fewer bytes do not matter.
        self._unsynced += size
        if self._unsynced > _MAX_UNSYNCED:
            self._unsynced = 0
            os.sync()

    def replace(self, name: str, body: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        if not is_expected(self.read(name)):
            return False
        commit_body(self._draft("", _CLAIM), name, body)
        return True

    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        draft = self.draft()
        try:
            draft.write(body)
            draft.sync()
            with self.lock():
                check()
                draft.commit(name)
        finally:
            draft.discard()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        handle = os.open(self._root, os.O_RDONLY)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def sync(self) -> None:
        os.sync()

    # Removing

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._root / name).rmdir()

    def discard_drafts(self, tokens: Collection[str], *folders: str) -> None:
        for folder in ("", *folders):
            for entry in _entries(self._root / folder):
                match = _DRAFT_PATTERN.fullmatch(entry.name)
                # A takeover is written under the lock, which we hold: whatever is left of one has been abandoned.
                if match and match[1] in (*tokens, _CLAIM):
                    Path(entry.path).unlink(missing_ok=True)


class _LocalDraft(Draft):
    """A draft in the folder.

    :param on_unsynced: is told the bytes of a file that was committed without being durable.
    """

    def __init__(self, root: Path, path: Path, on_unsynced: Callable[[int], None]) -> None:
        super().__init__(path.open("xb"))
        self._root = root
        self._on_unsynced = on_unsynced
        self._path: Path | None = path
        #: Bytes that the disk has begun to store.
        self._begun = 0

    def write(self, body: bytes) -> int:
        written = super().write(body)
        if self.bytes - self._begun > _BEGIN_BYTES and not self._file.closed:
            self._file.flush()
            _begin_to_store(self._file.fileno(), self._begun, self.bytes - self._begun)
            self._begun = self.bytes
        return written

    def sync(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:
        if self._path is None:
            raise ValueError("a draft is committed once")
        if durable:
            self.sync()
        self._file.close()
        target = self._root / name
        if is_new and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self._path.replace(target)
        self._path = None
        if durable:
            _sync_folder(target.parent)
        else:
            self._on_unsynced(self.bytes)

    def _remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _lock(handle: int) -> None:
    """Lock a folder; the lock ends when the handle is closed, and so with the process.

    :raises TimeoutError: another process holds it for too long.
    """
    deadline = time.monotonic() + _MAX_LOCK_WAIT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process has locked the folder for too long") from None
            time.sleep(_LOCK_INTERVAL)
        except OSError as error:
            # Some network file systems cannot lock folders. There, only the check right before each change remains.
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder; nothing where it is missing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


def _begin_to_store(handle: int, start: int, size: int) -> None:
    """Let the disk store bytes of a file while more are written, so that ``sync`` has little to wait for."""
    if hasattr(os, "posix_fadvise"):
        # Linux takes bytes that the cache may drop as a reason to begin; it drops none that are not stored yet.
        with contextlib.suppress(OSError):
            os.posix_fadvise(handle, start, size, os.POSIX_FADV_DONTNEED)


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
