"""The columns of a row, and the interface of a writer of rows: what all formats have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from airflow_provider_minimax.api.cursors import Image
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.serialization import dumps

#: The last column: undocumented fields, as a JSON object, so that nothing is lost.
OTHER_FIELDS: Final = "otherFields"
#: The fields that an export with files adds to a row: path within the folder, size in bytes, and checksum.
MEDIA_FIELDS: Final = ("mediaPath", "mediaBytes", "mediaSha256")

#: The documented fields that hold whole numbers, and those that hold true or false.
INTEGERS: Final = (
    *("status", "createType", "duration", "generatorType", "height", "humanCheckStatus", "postStatus"),
    *("percent", "priority", "resolution", "width", "mediaBytes"),
)
BOOLEANS: Final = (
    *("statusFinal", "canAppeal", "canRetry", "disableGenerateSimilar", "hasVoice", "isBookmarked"),
    *("isInFolder", "isVisitor", "useOriginPrompt"),
)
_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(INTEGERS, "integer"),
    **dict.fromkeys(BOOLEANS, "boolean"),
    **dict.fromkeys(("extra", "videoURLs", OTHER_FIELDS), "object"),
    **dict.fromkeys(("tags", "originFiles"), "array"),
    "createTime": "timestamp",
    "userID": "integer",
}


def type_of(column: str) -> str:
    """Return the type of a column as lineage names it, whatever a format makes of it."""
    return _TYPES.get(column, "string")


def columns(kind: MediaKind = IMAGES, *, media: bool) -> tuple[str, ...]:
    """Return the columns of a table: the documented fields of a kind, and as the last one all undocumented fields."""
    return (*kind.fields, *(MEDIA_FIELDS if media else ()), OTHER_FIELDS)


def text_of(value: object) -> str:
    """Return text as it is, an empty text for None, and JSON for any other value."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


class RowWriter(Protocol):
    """Writes one file."""

    def write(self, images: list[Image]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write the rest and the footer; the sink stays open."""


class Sink(Protocol):
    """A file object that can only be written."""

    def write(self, body: bytes) -> int:
        """Add bytes."""
