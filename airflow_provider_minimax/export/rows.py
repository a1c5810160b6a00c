"""What all formats agree on: the columns of a row, and what a writer of rows is."""

from __future__ import annotations

from typing import Final, Protocol

from airflow_provider_minimax.api.pagination import Image
from airflow_provider_minimax.api.serialization import dumps

#: Columns of a table: what identifies an image, then every other documented field of GET /images/.
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
#: What an export adds to a row when it fetches the files: path below the folder, size, and checksum.
MEDIA_FIELDS: Final = ("mediaPath", "mediaBytes", "mediaSha256")


def columns(*, media: bool) -> tuple[str, ...]:
    """Return the columns of a table; the last one holds what the documentation does not know."""
    return (*COLUMNS, *(MEDIA_FIELDS if media else ()), OTHER_FIELDS)


def text_of(value: object) -> str:
    """Return text as it is, nothing for a missing value, and JSON for all else."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


class RowWriter(Protocol):
    """Writes one file."""

    def write(self, images: list[Image]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what is still to be written; the sink stays open."""


class Sink(Protocol):
    """Where a file goes."""

    def write(self, body: bytes) -> int:
        """Add bytes."""
