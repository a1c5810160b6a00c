"""The files in a folder, found by the beginnings of their names."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from typing import Final, Protocol

#: Sorts after every character that a name of ours can have after a prefix.
_LAST: Final = "\x7f"


class NameIndex(Protocol):
    """Finds names in a folder. It may miss those that are added later."""

    def with_prefix(self, prefix: str) -> list[str]:
        """Return the names that start with a prefix."""

    def close(self) -> None:
        """Release its resources."""


class ListedFiles:
    """Finds files in one listing, with what earlier exports have recorded of them.

    They lie in a temporary database on the disk, so that memory does not grow with the folder.

    :param files: names, and sizes where they are known.
    """

    def __init__(self, files: Iterable[tuple[str, int | None]]) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE files (name TEXT PRIMARY KEY, size INT, sha256 TEXT) WITHOUT ROWID")
        # A foreign name may not even be valid text; those of ours are ASCII.
        rows = ((name, size) for name, size in files if name.isascii())
        listed = self._database.executemany("INSERT OR IGNORE INTO files (name, size) VALUES (?, ?)", rows)
        self._is_empty = listed.rowcount <= 0

    def record(self, files: Iterable[tuple[str, int, str]]) -> None:
        """Remember the checksums of those files that have the recorded name and size."""
        rows = ((sha256, name, size) for name, size, sha256 in files)
        with self._lock:
            self._database.executemany("UPDATE files SET sha256 = ? WHERE name = ? AND size = ?", rows)

    def recorded(self, name: str) -> tuple[int, str] | None:
        """Return size and SHA-256 of a file that has the recorded size; None for any other."""
        with self._lock:
            found = self._database.execute("SELECT size, sha256 FROM files WHERE name = ?", (name,)).fetchone()
        return None if found is None or None in found else found

    def with_prefix(self, prefix: str) -> list[str]:
        """Return the names that start with a prefix."""
        if self._is_empty:
            # The first export into a folder searches for each of its files.
            return []
        with self._lock:
            rows = self._database.execute(
                "SELECT name FROM files WHERE name > ? AND name < ?", (prefix, prefix + _LAST)
            )
            return [name for (name,) in rows]

    def close(self) -> None:
        """Drop the database."""
        with self._lock:
            self._database.close()
