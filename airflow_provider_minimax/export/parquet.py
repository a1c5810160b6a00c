"""Parquet files: one schema for all exports, without loss.

A value that does not fit its column (another type than the documented one, an undocumented nested field) leaves the
column empty and goes into ``otherFields``, as JSON, with all undocumented fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_minimax.api.cursors import Image
from airflow_provider_minimax.api.serialization import dumps, loads
from airflow_provider_minimax.export.rows import BOOLEANS, INTEGERS, OTHER_FIELDS, Sink, text_of

#: Rows of a row group, which is held in memory until it is written.
GROUP_ROWS: Final = 2_000
_BATCH_ROWS: Final = 500

#: The type of a column, and the conversion of a value of the API.
Column = tuple[pa.DataType, Callable[[object], Any]]
#: The years 1 and 10000 in epoch milliseconds: the dates that most libraries can hold.
_MIN_DATE: Final = -62_135_596_800_000
_DATE_END: Final = 253_402_300_800_000


class _MisfitError(Exception):
    """A value that its column cannot hold."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _MisfitError
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half an emoji cannot be written as UTF-8; it stays readable as \udXXX.
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _integer(first: int, end: int) -> Callable[[object], int]:
    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not first <= value < end:
            raise _MisfitError
        return value

    return convert


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _MisfitError
    return value


def _list_of(item: Column) -> Column:
    item_type, convert_item = item

    def convert(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise _MisfitError
        return [convert_item(one) for one in value]

    return pa.list_(item_type), convert


def _struct(**fields: Column) -> Column:
    def convert(value: object) -> dict[str, Any]:
        if not isinstance(value, dict) or value.keys() != fields.keys():
            raise _MisfitError
        return {name: convert_field(value[name]) for name, (_, convert_field) in fields.items()}

    return pa.struct([(name, field_type) for name, (field_type, _) in fields.items()]), convert


_TEXT: Final[Column] = (pa.string(), _text)
#: Anything, as JSON.
_JSON: Final[Column] = (pa.string(), lambda value: dumps(value).decode())
#: All other columns are text.
_COLUMNS: Final[Mapping[str, Column]] = {
    **{name: (pa.int64(), _integer(-(2**63), 2**63)) for name in INTEGERS},
    **{name: (pa.bool_(), _boolean) for name in BOOLEANS},
    "createTime": (pa.timestamp("ms", tz="UTC"), _integer(_MIN_DATE, _DATE_END)),
    # Wider than 64 bits: all that the service promises is a JSON number.
    "userID": (pa.decimal128(38, 0), _integer(-(2**126), 2**126)),
    "tags": _list_of(_struct(type=_TEXT, tagIcon=_TEXT, tagText=_TEXT)),
    "originFiles": _list_of(_JSON),
    "extra": _struct(cameraMotions=_list_of(_JSON), promptStruct=_TEXT),
    "videoURLs": _struct(feedURL=_TEXT, downloadURLWithWatermark=_TEXT),
}


def schema(names: tuple[str, ...]) -> pa.Schema:
    """Return the schema of a file with these columns."""
    return pa.schema([(name, _COLUMNS.get(name, _TEXT)[0]) for name in names])


class ParquetWriter:
    """Writes rows in groups."""

    def __init__(self, sink: Sink, names: tuple[str, ...]) -> None:
        self._names = names[:-1]
        self._known = frozenset(self._names)
        self._schema = schema(names)
        self._rows: list[dict[str, Any]] = []
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")

    def write(self, images: list[Image]) -> None:
        """Add rows."""
        self._rows += map(self._row, images)
        while len(self._rows) >= GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        group, self._rows = self._rows[:GROUP_ROWS], self._rows[GROUP_ROWS:]
        self._writer.write_table(pa.Table.from_pylist(group, schema=self._schema), row_group_size=GROUP_ROWS)

    def _row(self, image: Image) -> dict[str, Any]:
        row: dict[str, Any] = {}
        others = {name: value for name, value in image.items() if name not in self._known}
        for name in self._names:
            value = image.get(name)
            if value is None:
                continue
            try:
                row[name] = _COLUMNS.get(name, _TEXT)[1](value)
            except _MisfitError:
                others[name] = value
        row[OTHER_FIELDS] = text_of(others) if others else None
        return row


def read_parquet(file: IO[bytes], names: tuple[str, ...] | None) -> Iterator[Image]:
    """Yield rows as the API sent them.

    :param names: the columns to read; None for all.
    """
    columns = None if names is None else [*names, OTHER_FIELDS]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS, columns=columns):
        # As numbers: a file can hold timestamps that are no date in Python.
        numbers = pa.schema(
            [field.with_type(pa.int64()) if pa.types.is_timestamp(field.type) else field for field in batch.schema]
        )
        for row in pa.Table.from_batches([batch]).cast(numbers).to_pylist():
            others = row.pop(OTHER_FIELDS, None)
            image = {name: _as_sent(name, value) for name, value in row.items() if value is not None}
            yield image | (loads(others.encode()) if others else {})


def max_group_bytes(file: IO[bytes]) -> int:
    """Return the bytes that the largest row group of a file takes without its compression; a group is read at once."""
    metadata = pq.ParquetFile(file).metadata
    return max((metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)), default=0)


def _as_sent(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if name == "originFiles":
        return [loads(item.encode()) for item in value]
    if name == "extra":
        return {**value, "cameraMotions": [loads(item.encode()) for item in value["cameraMotions"]]}
    return value
