"""The names in a folder, found by prefix."""

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


class ListedNames:
    """Finds names in one listing.

    The names lie in a temporary database on the disk, so that memory does not grow with the folder.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")
        # A foreign name may not even be valid text; those of ours are ASCII.
        rows = ((name,) for name in names if name.isascii())
        self._database.executemany("INSERT OR IGNORE INTO names VALUES (?)", rows)

    def with_prefix(self, prefix: str) -> list[str]:
        """Return the names that start with a prefix."""
        with self._lock:
            rows = self._database.execute(
                "SELECT name FROM names WHERE name > ? AND name < ?", (prefix, prefix + _LAST)
            )
            return [name for (name,) in rows]

    def close(self) -> None:
        """Drop the database."""
        with self._lock:
            self._database.close()
