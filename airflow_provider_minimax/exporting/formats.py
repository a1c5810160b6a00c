"""File formats: from images, as the API sends them, to bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from airflow_provider_minimax.api.codec import dumps
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.paging import Image

#: Columns of a CSV file: what identifies an image, then every other documented field of GET /images/.
COLUMNS: Final = (
    "imageId",
    "fileID",
    "status",
    "statusLabel",
    "statusFinal",
    "createTime",
    "modelID",
    "aspectRatio",
    "batchID",
    "desc",
    "downloadURL",
    "videoURL",
    "coverURL",
    "id",
    "canAppeal",
    "canRetry",
    "createType",
    "disableGenerateSimilar",
    "duration",
    "extra",
    "generatorType",
    "hasVoice",
    "height",
    "humanCheckStatus",
    "isBookmarked",
    "isInFolder",
    "isVisitor",
    "originFiles",
    "postStatus",
    "priority",
    "promptImgURL",
    "resolution",
    "tags",
    "useOriginPrompt",
    "userID",
    "userIDStr",
    "videoURLs",
    "width",
)
#: The last column: fields that the documentation does not know, as a JSON object, so that nothing is lost.
OTHER_FIELDS: Final = "otherFields"
_DOCUMENTED: Final = frozenset(COLUMNS)


class Format(NamedTuple):
    """How images become a file.

    ``header`` begins each part; ``encode`` turns images into the bytes that follow.
    """

    extension: str
    header: bytes
    encode: Callable[[Iterable[Image]], bytes]


def _encode_jsonl(images: Iterable[Image]) -> bytes:
    return b"".join(dumps(image) + b"\n" for image in images)


def _encode_csv(images: Iterable[Image]) -> bytes:
    return _csv_lines(_csv_row(image) for image in images)


def _csv_row(image: Image) -> list[str]:
    others = {name: value for name, value in image.items() if name not in _DOCUMENTED}
    return [_cell(image.get(name)) for name in COLUMNS] + [_cell(others) if others else ""]


def _cell(value: object) -> str:
    """Return text as it is, nothing for a missing value, and JSON for all else."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


def _csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    # Half an emoji cannot be written as UTF-8; it stays readable as \udXXX.
    return text.getvalue().encode("utf-8", "backslashreplace")


FORMATS: Final[Mapping[str, Format]] = {
    "jsonl": Format("jsonl", b"", _encode_jsonl),
    "csv": Format("csv", _csv_lines([[*COLUMNS, OTHER_FIELDS]]), _encode_csv),
}
#: What the name of a part may end in.
EXTENSIONS: Final = tuple(one.extension for one in FORMATS.values())


def format_named(name: str) -> Format:
    """Return a format by the name that an operator takes.

    :raises MiniMaxBadRequestError: there is none of this name.
    """
    if name not in FORMATS:
        raise MiniMaxBadRequestError(f"file_format must be one of {', '.join(FORMATS)}, not {name!r}.")
    return FORMATS[name]
