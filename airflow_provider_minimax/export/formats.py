"""File formats: from images, as the API sends them, to bytes and back."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import IO, Any, Final, Literal, NamedTuple

from airflow_provider_minimax.api.cursors import Image
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.serialization import dump_lines, loads
from airflow_provider_minimax.export.rows import OTHER_FIELDS, RowWriter, Sink, text_of

#: Columns that hold text as it is; any other value in a CSV file is JSON.
_TEXTS: Final = frozenset(
    {
        *("imageId", "videoId", "fileID", "statusLabel", "modelID", "aspectRatio", "batchID", "desc", "downloadURL"),
        *("videoURL", "coverURL", "id", "promptImgURL", "userIDStr", "message", "mediaPath", "mediaSha256"),
    }
)


class Format(NamedTuple):
    """How images become a file, and a file becomes images again.

    ``write`` begins a file with these columns. ``read`` yields its rows as they were written, with at least the given
    fields; None for all. ``is_quick`` says that to encode a page costs less than to take it over from another thread.
    """

    extension: str
    write: Callable[[Sink, tuple[str, ...]], RowWriter]
    read: Callable[[IO[bytes], tuple[str, ...] | None], Iterator[Image]]
    is_quick: bool = False


class _JsonlWriter:
    def __init__(self, sink: Sink, _: tuple[str, ...]) -> None:
        self._sink = sink

    def write(self, images: list[Image]) -> None:
        self._sink.write(dump_lines(images))

    def close(self) -> None:
        """Do nothing: lines have no footer."""


class _GzippedJsonlWriter(_JsonlWriter):
    def __init__(self, sink: Sink, _: tuple[str, ...]) -> None:
        # Without name and time in the file, the same images give the same bytes.
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=sink, mtime=0)  # type: ignore[call-overload]
        super().__init__(self._gzip, _)

    def close(self) -> None:
        self._gzip.close()


#: Cells that a spreadsheet takes for a formula, and cells that would read like an escaped one.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED_FORMULA: Final = re.compile(r"'+[=+\-@\t\r]")


class _CsvWriter:
    """Writes CSV.

    :param is_safe: escape cells that a spreadsheet would take for a formula, with an apostrophe.
    """

    def __init__(self, sink: Sink, names: tuple[str, ...], *, is_safe: bool = False) -> None:
        self._sink = sink
        self._names = names[:-1]
        self._known = frozenset(self._names)
        self._is_safe = is_safe
        self._put([names])

    def write(self, images: list[Image]) -> None:
        self._put(map(self._row, images))

    def close(self) -> None:
        """Do nothing: lines have no footer."""

    def _row(self, image: Image) -> list[str]:
        others = {name: value for name, value in image.items() if name not in self._known}
        cells = [*(text_of(image.get(name)) for name in self._names), text_of(others or None)]
        return [f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells] if self._is_safe else cells

    def _put(self, rows: Iterable[Iterable[str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        # Half an emoji cannot be written as UTF-8; it stays readable as \\udXXX.
        self._sink.write(text.getvalue().encode("utf-8", "backslashreplace"))


def _read_jsonl(file: IO[bytes], _: tuple[str, ...] | None) -> Iterator[Image]:
    return (loads(line) for line in file)


def _read_gzipped_jsonl(file: IO[bytes], names: tuple[str, ...] | None) -> Iterator[Image]:
    with gzip.open(file) as lines:
        yield from _read_jsonl(lines, names)  # type: ignore[arg-type]


def _read_csv(file: IO[bytes], _: tuple[str, ...] | None, *, is_safe: bool = False) -> Iterator[Image]:
    # A prompt may be longer than the module's default of 128 KiB.
    csv.field_size_limit(2**31 - 1)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        rows = csv.reader(text)
        for header in itertools.islice(rows, 1):
            for cells in rows:
                if is_safe:
                    cells = [cell[1:] if _ESCAPED_FORMULA.match(cell) else cell for cell in cells]
                row = {name: _value(name, cell) for name, cell in zip(header, cells, strict=True) if cell}
                others: Any = row.pop(OTHER_FIELDS, {})
                yield row | others
    finally:
        # The file is the caller's to close.
        text.detach()


def _value(name: str, cell: str) -> object:
    if name in _TEXTS:
        return cell
    try:
        return loads(cell.encode())
    except ValueError:
        # A text in a field of another documented type was written as it was sent.
        return cell


def _write_parquet(sink: Sink, names: tuple[str, ...]) -> RowWriter:
    from airflow_provider_minimax.export.parquet import ParquetWriter

    return ParquetWriter(sink, names)


def _read_parquet(file: IO[bytes], names: tuple[str, ...] | None) -> Iterator[Image]:
    from airflow_provider_minimax.export.parquet import read_parquet

    return read_parquet(file, names)


FileFormat = Literal["jsonl", "jsonl.gz", "csv", "parquet"]
FORMATS: Final[Mapping[str, Format]] = {
    "jsonl": Format("jsonl", _JsonlWriter, _read_jsonl, is_quick=True),
    "jsonl.gz": Format("jsonl.gz", _GzippedJsonlWriter, _read_gzipped_jsonl),
    "csv": Format("csv", _CsvWriter, _read_csv),
    "parquet": Format("parquet", _write_parquet, _read_parquet),
}
#: CSV for spreadsheets.
SAFE_CSV: Final = Format("csv", partial(_CsvWriter, is_safe=True), partial(_read_csv, is_safe=True))


def check_format_name(name: str) -> None:
    """Check the name of a format.

    :raises MiniMaxBadRequestError: it is unknown.
    """
    if name not in FORMATS:
        raise MiniMaxBadRequestError(f"file_format must be one of {', '.join(FORMATS)}, not {name!r}.")


def is_installed(name: str) -> bool:
    """Return whether the library of a format is installed where the task runs."""
    return name != "parquet" or find_spec("pyarrow") is not None


def format_named(name: str) -> Format:
    """Return a format by the name that an operator takes.

    :raises MiniMaxBadRequestError: it is unknown, or its library is not installed where the task runs.
    """
    check_format_name(name)
    if not is_installed(name):
        raise MiniMaxBadRequestError(
            "file_format='parquet' needs pyarrow: pip install 'airflow-provider-minimax[parquet]'."
        )
    return FORMATS[name]
