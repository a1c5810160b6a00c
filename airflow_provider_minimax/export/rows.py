"""The columns of a row, and the interface of a writer of rows: what all formats have in common."""

from __future__ import annotations

from typing import Final, Protocol

from airflow_provider_minimax.api.pagination import Image
from airflow_provider_minimax.api.serialization import dumps

#: Columns of a table: the fields that identify an image, then every other documented field of GET /images/.
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
#: The last column: undocumented fields, as a JSON object, so that nothing is lost.
OTHER_FIELDS: Final = "otherFields"
#: The fields that an export with files adds to a row: path within the folder, size in bytes, and checksum.
MEDIA_FIELDS: Final = ("mediaPath", "mediaBytes", "mediaSha256")


def columns(*, media: bool) -> tuple[str, ...]:
    """Return the columns of a table; the last one holds undocumented fields."""
    return (*COLUMNS, *(MEDIA_FIELDS if media else ()), OTHER_FIELDS)


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
