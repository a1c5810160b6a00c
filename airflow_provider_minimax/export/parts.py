"""The parts of an export: how they are named, written, read and checked."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from airflow_provider_minimax.api.cursors import Image
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.export.formats import FORMATS, SAFE_CSV, Format
from airflow_provider_minimax.export.rows import MEDIA_FIELDS, RowWriter
from airflow_provider_minimax.media.filenames import MEDIA
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors

#: ``images-00000.jsonl``, or with the beginning of the attempt's token ``images-00000-0123abcd.jsonl``.
_PART_NAME: Final = re.compile(r"([a-z]+)-(\d{5,})(-[0-9a-f]{8})?\." + f"({'|'.join(map(re.escape, FORMATS))})")


class Part(msgspec.Struct, frozen=True):
    """One file of an export."""

    name: str
    images: int
    bytes: int
    sha256: str


def part_number(name: str) -> int | None:
    """Return the number of a part; None for a file of another kind."""
    match = _PART_NAME.fullmatch(name)
    return int(match[2]) if match else None


def next_number(parts: Iterable[Part]) -> int:
    """Return the number after the highest one of these parts."""
    return 1 + max((part_number(part.name) or 0 for part in parts), default=-1)


def first_damaged(parts: Iterable[Part], sizes: Mapping[str, int]) -> str | None:
    """Return the first part that is missing or of another size; None where all match."""
    return next((part.name for part in parts if sizes.get(part.name) != part.bytes), None)


def foreign_parts(sizes: Mapping[str, int], ours: Collection[Part], kind: MediaKind = IMAGES) -> list[str]:
    """Return the files that have the name of a part and are not ours: unknown, or of another size.

    An unknown name of one attempt is in nobody's way: that attempt has lost the folder, and its upload came late.

    :param ours: all parts that our manifest and our checkpoint know.
    :param kind: whose parts; those of another kind are files like any other.
    """
    known, names = {(part.name, part.bytes) for part in ours}, {part.name for part in ours}
    foreign = []
    for name, size in sizes.items():
        match = _PART_NAME.fullmatch(name)
        is_in_the_way = match is not None and match[1] == kind.plural and (match[3] is None or name in names)
        if is_in_the_way and (name, size) not in known:
            foreign.append(name)
    return sorted(foreign)


def edited_parts(storage: Storage, sizes: Mapping[str, int], ours: Iterable[Part]) -> list[str]:
    """Return those of our parts whose content has changed while their size has not.

    :param ours: all parts that our manifest and our checkpoint know.
    """
    same_size = [part for part in ours if sizes.get(part.name) == part.bytes]
    known = {(part.name, part.sha256) for part in same_size}
    edited = []
    for name in sorted({part.name for part in same_size}):
        # Another process may remove it meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if (name, storage.size_and_hash(name)[1]) not in known:
                edited.append(name)
    return edited


def stored_format(plan: Mapping[str, object], parts: Iterable[Part]) -> Format | None:
    """Return the format of stored parts; None where it is unknown, or not that of their names.

    :param plan: as a manifest or a checkpoint holds it.
    """
    name = next((name for name in FORMATS if name == plan.get("format")), None)
    if name is None or not all(part.name.endswith(f".{name}") for part in parts):
        return None
    return SAFE_CSV if plan.get("csv_safe") is True else FORMATS[name]


def read_rows(
    storage: Storage, file_format: Format, parts: Iterable[Part], names: tuple[str, ...] | None
) -> Iterator[Image]:
    """Yield the rows of parts.

    :param names: fields that the rows must have; None for all.
    """
    for part in parts:
        with storage.open(part.name) as file:
            yield from file_format.read(file, names)


def first_damaged_media(storage: Storage, file_format: Format, parts: Iterable[Part]) -> str | None:
    """Return the first media file of these parts that is missing or of another size; None where all match."""
    path, size, _ = MEDIA_FIELDS
    with storage_errors(storage.folder):
        return storage.first_mismatch(
            MEDIA,
            (
                (str(row[path]).removeprefix(f"{MEDIA}/"), row[size])
                for row in read_rows(storage, file_format, parts, (path, size))
                if row.get(path)
            ),
        )


class PartWriter:
    """Writes one part after another; each appears under its name when it is complete.

    :param columns: the columns of a table.
    :param number: of the first part.
    :param commit: makes a draft appear as a part, or raises.
    """

    def __init__(
        self,
        storage: Storage,
        file_format: Format,
        columns: tuple[str, ...],
        number: int,
        commit: Callable[[Draft, Part], None],
        kind: MediaKind = IMAGES,
    ) -> None:
        self._kind = kind
        self._storage = storage
        self._commit = commit
        self._format = file_format
        self._columns = columns
        self._number = number
        self._draft: Draft | None = None
        self._writer: RowWriter | None = None
        self._buffer: list[Image] = []
        #: Rows of the current part.
        self.rows = 0

    @property
    def name(self) -> str:
        """The name of the current part."""
        # What no other attempt has, where a part could be overwritten otherwise.
        attempt = self._storage.attempt_mark
        return f"{self._kind.plural}-{self._number:05d}{attempt and f'-{attempt}'}.{self._format.extension}"

    def add(self, rows: list[Image]) -> None:
        """Buffer rows, to be written by the next ``flush``."""
        self._buffer += rows
        self.rows += len(rows)

    def flush(self) -> None:
        """Write the buffered rows."""
        if not self._buffer:
            return
        with storage_errors(self._storage.folder):
            if self._draft is None:
                self._draft = self._storage.draft()
                self._writer = self._format.write(self._draft, self._columns)
            if self._writer is not None:
                self._writer.write(self._buffer)
        self._buffer = []

    def finish(self) -> Part:
        """Commit the current part, and begin another."""
        self.flush()
        if self._draft is None or self._writer is None:
            raise ValueError("a part has at least one row")
        with storage_errors(self._storage.folder):
            self._writer.close()
            self._draft.sync()
        part = Part(self.name, self.rows, self._draft.bytes, self._draft.sha256)
        self._commit(self._draft, part)
        self._draft = self._writer = None
        self._number += 1
        self.rows = 0
        return part

    def abort(self) -> None:
        """Discard the current part."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = self._writer = None
