"""The parameters of an export."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.filters import Selection
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.export.formats import FORMATS, SAFE_CSV, Format
from airflow_provider_minimax.export.rows import columns

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings

_USER: Final = re.compile(r"user:(\d+)-")


@dataclass(frozen=True)
class ExportPlan:
    """The parameters of an export, after their templates are rendered.

    :param file_format: a name of ``FORMATS``.
    :param part_rows: images in each part but the last.
    :param max_images: export only so many images, the newest ones.
    :param account: the Hailuo account; None where the service chooses.
    :param skip_bad_media: leave out a file that cannot be downloaded.
    :param csv_safe: escape CSV cells that a spreadsheet would take for a formula.
    :param allow_empty: an empty list may replace an older export, whatever the service counts.
    :param sync: add to the existing export, where it matches.
    """

    kind: MediaKind = IMAGES
    selection: Selection = field(default_factory=Selection)
    file_format: str = "jsonl"
    part_rows: int = 10_000
    max_images: int | None = None
    account: str | None = None
    download_media: bool = False
    skip_bad_media: bool = False
    contact_sheet: bool = False
    sync: bool = False
    csv_safe: bool = False
    allow_empty: bool = False

    @property
    def format(self) -> Format:
        """The format of the rows."""
        return SAFE_CSV if self.csv_safe else FORMATS[self.file_format]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table."""
        return columns(self.kind, media=self.download_media)

    def describe(self, settings: Settings) -> dict[str, Any]:
        """Return what shapes the files, and whose images a connection lists, as plain JSON.

        One export can add to another where this is equal. Of the token it holds no more than each id shows.
        """
        user = _USER.match(settings.token)
        return {
            "format": self.file_format,
            "selection": self.selection.describe(),
            "max_images": self.max_images,
            "part_rows": self.part_rows,
            "account": self.account,
            "media": self.download_media,
            # Only where it is on, so that the manifests of all other exports do not name it.
            **({"csv_safe": True} if self.csv_safe else {}),
            "service": settings.base_url,
            "user": user and user[1],
        }
