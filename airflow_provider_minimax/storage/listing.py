"""The names in a folder, found by how they begin."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from typing import Final, Protocol

#: Comes after every character that a name of ours goes on with.
_LAST: Final = "\x7f"


class Names(Protocol):
    """Finds names in a folder. It may not see those that are added later."""

    def beginning_with(self, prefix: str) -> list[str]:
        """Return the names that begin so."""

    def close(self) -> None:
        """Give back what it holds."""


class ListedNames:
    """Finds names among those of one listing.

    They lie in a database on the disk, which is gone when it is closed: memory does not grow with the folder.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")
        # Another file's name may be no text at all; those of ours are ASCII.
        rows = ((name,) for name in names if name.isascii())
        self._database.executemany("INSERT OR IGNORE INTO names VALUES (?)", rows)

    def beginning_with(self, prefix: str) -> list[str]:
        """Return the names that begin so."""
        with self._lock:
            found = self._database.execute(
                "SELECT name FROM names WHERE name > ? AND name < ?", (prefix, prefix + _LAST)
            )
            return [name for (name,) in found]

    def close(self) -> None:
        """Drop the database."""
        with self._lock:
            self._database.close()
