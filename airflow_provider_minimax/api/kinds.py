"""What differs between images and videos: one description of each, for lists, exports and XComs alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from airflow_provider_minimax.api import media_types
from airflow_provider_minimax.api.ids import Kind


@dataclass(frozen=True)
class MediaKind:
    """A kind of generated media. All names of it follow from ``name``.

    :param name: the kind in ids.
    :param fields: the documented fields of an item, those that identify it first: the columns of a table.
    :param has_times: whether each item is documented to carry ``createTime``.
    :param file_extension: returns what a file is called that begins with these bytes; None for a wrong kind of file.
    """

    name: Kind
    fields: tuple[str, ...]
    has_times: bool
    file_extension: Callable[[bytes], str | None]

    @property
    def with_article(self) -> str:
        """``an image``."""
        return f"a{'n' if self.name[0] in 'aeiou' else ''} {self.name}"

    @property
    def plural(self) -> str:
        """``images``: the path of the list, its key in a page, the prefix of parts, and the count in a summary."""
        return f"{self.name}s"

    @property
    def path(self) -> str:
        """The path of the list. The vendor writes it with a slash at the end."""
        return f"/{self.plural}/"

    @property
    def cursor(self) -> str:
        """The query parameter of a list that names the item before the page: ``lastImageId``."""
        return f"last{self.name.capitalize()}Id"

    @property
    def id_field(self) -> str:
        """The field of an item's full id: ``imageId``."""
        return f"{self.name}Id"


IMAGES: Final = MediaKind(
    "image",
    # GET /images/
    fields=(
        *("imageId", "fileID", "status", "statusLabel", "statusFinal", "createTime", "modelID", "aspectRatio"),
        *("batchID", "desc", "downloadURL", "videoURL", "coverURL", "id", "canAppeal", "canRetry", "createType"),
        *("disableGenerateSimilar", "duration", "extra", "generatorType", "hasVoice", "height"),
        *("humanCheckStatus", "isBookmarked", "isInFolder", "isVisitor", "originFiles", "postStatus", "priority"),
        *("promptImgURL", "resolution", "tags", "useOriginPrompt", "userID", "userIDStr", "videoURLs", "width"),
    ),
    has_times=True,
    file_extension=media_types.picture_extension,
)
VIDEOS: Final = MediaKind(
    "video",
    # GET /videos/{videoId}, of which the list repeats the items. Time and model are not documented there; a service
    # that does send them fills the columns that images have, too.
    fields=(
        *("videoId", "status", "statusLabel", "statusFinal", "createTime", "modelID", "desc", "downloadURL"),
        *("videoURL", "coverURL", "id", "canAppeal", "canRetry", "height", "message", "originFiles", "percent"),
        "width",
    ),
    has_times=False,
    file_extension=media_types.video_extension,
)
MEDIA_KINDS: Final[Mapping[Kind, MediaKind]] = {kind.name: kind for kind in (IMAGES, VIDEOS)}
