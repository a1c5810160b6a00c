"""Rows into parts of a fixed number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from airflow_provider_minimax.api.pagination import Image
from airflow_provider_minimax.export.formats import Format
from airflow_provider_minimax.export.records import Part, part_name
from airflow_provider_minimax.export.rows import MEDIA_FIELDS, RowWriter
from airflow_provider_minimax.media.filenames import MEDIA
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors


class PartWriter:
    """Writes one part after another; each appears under its name when it is whole.

    :param storage: where the parts go.
    :param file_format: how images become bytes.
    :param columns: the columns of a table.
    :param number: of the first part.
    :param commit: lets a draft appear as a part; raises where it must not.
    """

    def __init__(
        self,
        storage: Storage,
        file_format: Format,
        columns: tuple[str, ...],
        number: int,
        commit: Callable[[Draft, Part], None],
    ) -> None:
        self._storage = storage
        self._commit = commit
        self._format = file_format
        self._columns = columns
        self._number = number
        self._draft: Draft | None = None
        self._rows: RowWriter | None = None
        self._waiting: list[Image] = []
        #: Rows of the part under way.
        self.rows = 0

    @property
    def name(self) -> str:
        """What the part under way will be called."""
        return part_name(self._number, self._format.extension)

    def add(self, image: Image) -> None:
        """Take a row; it is written with the next ``flush``."""
        self._waiting.append(image)
        self.rows += 1

    def flush(self) -> None:
        """Write the rows that were added."""
        if not self._waiting:
            return
        with storage_errors(self._storage.folder):
            if self._draft is None:
                self._draft = self._storage.draft()
                self._rows = self._format.write(self._draft, self._columns)
            if self._rows is not None:
                self._rows.write(self._waiting)
        self._waiting = []

    def finish(self) -> Part:
        """Let the part under way appear, and begin another."""
        self.flush()
        if self._draft is None or self._rows is None:
            raise ValueError("a part has at least one row")
        with storage_errors(self._storage.folder):
            self._rows.close()
            self._draft.sync()
        part = Part(self.name, self.rows, self._draft.bytes, self._draft.sha256)
        self._commit(self._draft, part)
        self._draft = self._rows = None
        self._number += 1
        self.rows = 0
        return part

    def abort(self) -> None:
        """Leave nothing of the part under way."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = self._rows = None


def spoilt_file(storage: Storage, file_format: Format, parts: Iterable[Part]) -> str | None:
    """Return the first media file of these parts that is missing or of another size; None where all are there."""
    path, size, _ = MEDIA_FIELDS

    def files() -> Iterator[tuple[str, int]]:
        for part in parts:
            with storage.open(part.name) as file:
                for row in file_format.read(file, (path, size)):
                    if row.get(path):
                        yield str(row[path]).removeprefix(f"{MEDIA}/"), row[size]

    with storage_errors(storage.folder):
        return storage.first_mismatch(MEDIA, files())
