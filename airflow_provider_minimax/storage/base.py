"""The interface of a folder on any storage: read files, write drafts, commit them.

A file appears under its name when it is complete, and never before. On a local disk a draft is renamed. An object store
cannot rename, so there a draft stays on the worker's own disk until it is uploaded.

Each attempt has a token, which its drafts carry in their names. Of two attempts in one folder, the later one discards
the drafts of the earlier one, so that nothing of it can appear any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING, ClassVar, Final, NamedTuple

from airflow_provider_minimax.storage.listing import NameIndex

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: The name of a draft: ``.minimax-<token of the attempt>.unfinished``.
DRAFT_NAME: Final = ".minimax-{0}.unfinished"
_READ_BYTES: Final = 2**20


class File(NamedTuple):
    """A file of a folder.

    :param etag: identifies its content; empty where the storage has no such thing.
    """

    name: str
    size: int
    etag: str = ""


class DraftGoneError(Exception):
    """Another attempt has discarded our draft."""


class Draft:
    """A file that is being written; it counts and hashes its bytes.

    It has what a writer of files expects of a file object, and such a writer does not close it.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.bytes = 0
        self._is_discarded = False
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far."""
        return self._hash.hexdigest()

    def write(self, body: bytes) -> int:
        """Add bytes."""
        if self._is_discarded:
            return len(body)
        self._file.write(body)
        self._hash.update(body)
        self.bytes += len(body)
        return len(body)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.bytes

    def flush(self) -> None:
        """Do nothing: a draft is flushed when it is committed."""

    def sync(self) -> None:
        """Make the bytes survive a power loss before the file has a name, so that the commit is quick."""

    def commit(self, name: str, *, durable: bool = True, is_new: bool = False) -> None:
        """Make the file appear under its name.

        :param durable: make sure that it survives a power loss.
        :raises FileExistsError: there is one although ``is_new``. The draft can be committed again.
        """
        raise NotImplementedError

    def discard(self) -> None:
        """Leave nothing behind. Does nothing after a commit.

        Bytes written from then on are lost: a writer of files writes its footer when it is garbage-collected.
        """
        self._is_discarded = True
        # The first error is already raised, and closing writes the buffer, which would fail once more.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._remove()

    def _remove(self) -> None:
        """Remove the file, where it has a name."""


class Storage(ABC):
    """Reads and writes the files of one folder; names are relative to it."""

    #: Whether files are read and written so quickly that their content may be checked at any time, and that nothing
    #: else need be done meanwhile.
    is_local: ClassVar[bool] = False

    def __init__(self, folder: ObjectStoragePath) -> None:
        self.folder = folder
        #: Identifies this attempt.
        self.token = uuid.uuid4().hex

    def url(self, name: str) -> str:
        """Return the address of a file, in the form that the user gave for the folder."""
        return str(self.folder / name)

    @abstractmethod
    def prepare(self, *folders: str) -> None:
        """Create the folder and these folders within it, where the storage has folders."""

    # Reading

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading.

        :raises FileNotFoundError: it is missing.
        """

    def read(self, name: str) -> bytes | None:
        """Return a small file; None when it is missing."""
        try:
            with self.open(name) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def size_and_hash(self, name: str) -> tuple[int, str]:
        """Return the size of a file and its SHA-256."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Return whether a file exists with this recorded content; all of it is read and hashed."""
        try:
            return self.size_and_hash(name) == (size, sha256)
        except FileNotFoundError:
            return False

    @abstractmethod
    def files(self, folder: str = "") -> Iterator[File]:
        """Yield the files in a folder; nothing where it is missing."""

    @abstractmethod
    def names(self, folder: str) -> NameIndex:
        """Return an index that finds names in a folder by prefix, at a cost that follows what is searched for."""

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the sizes of the files in a folder, by name."""
        return {file.name: file.size for file in self.files(folder)}

    def first_mismatch(self, folder: str, expected: Iterable[tuple[str, int]]) -> str | None:
        """Return the first of these files that is missing or of another size; None where all match."""
        sizes = self.sizes(folder)
        return next((name for name, size in expected if sizes.get(name) != size), None)

    def etag(self, name: str) -> str:  # noqa: ARG002 - a disk has none
        """Return what identifies the content of a file; empty where the storage has no such thing."""
        return ""

    def is_link(self, name: str) -> bool:  # noqa: ARG002 - a store has none
        """Return whether a name is a symbolic link."""
        return False

    # Writing

    @property
    def attempt_mark(self) -> str:
        """What the name of a file has to hold so that no other attempt overwrites it; mostly empty."""
        return ""

    @abstractmethod
    def draft(self, folder: str = "") -> Draft:
        """Begin a file that will be committed into this folder."""

    def write(self, name: str, body: bytes, *, is_new: bool = False) -> None:
        """Write a small file; see ``Draft.commit``."""
        commit_body(self.draft(), name, body, is_new=is_new)

    @abstractmethod
    def replace(self, name: str, body: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        """Replace a small file if its content is the expected one; return whether it was.

        To be called under ``lock``.

        :param is_expected: takes the current content; None for no file.
        """

    @abstractmethod
    def publish(self, name: str, body: bytes, check: Callable[[], None]) -> None:
        """Write a small file that must not appear once another attempt has discarded the drafts of our token.

        :param check: called as late as possible; if it raises, the file does not appear.
        :raises DraftGoneError: another attempt has discarded them.
        """

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Lock the folder against other processes that do the same, where the storage has a lock.

        The lock ends with its process, however that ends. It is not reentrant.
        """

    def sync(self) -> None:  # noqa: B027 - a store promises that by itself
        """Make all commits survive a power loss, whether they were durable or not."""

    # Removing

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    @abstractmethod
    def remove_folder(self, name: str) -> None:
        """Remove a folder, if it exists and is empty."""

    @abstractmethod
    def discard_drafts(self, tokens: Collection[str], *folders: str) -> None:
        """Remove the drafts of other attempts, so that they cannot be committed any more. To be called under ``lock``.

        :param folders: folders within this one, to look through as well.
        """

    def abort_uploads(self, is_ours: Callable[[str], bool]) -> None:  # noqa: B027 - a disk has none
        """Abort the uploads that killed processes have left half done, where a store keeps such."""


def commit_body(draft: Draft, name: str, body: bytes, *, is_new: bool = False) -> None:
    """Write a small file through a draft, and leave nothing behind if that fails."""
    try:
        draft.write(body)
        draft.commit(name, is_new=is_new)
    finally:
        draft.discard()
