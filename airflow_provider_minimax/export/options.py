"""What an export is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.filters import Selection
from airflow_provider_minimax.export.formats import FORMATS, SAFE_CSV, Format
from airflow_provider_minimax.export.rows import columns

if TYPE_CHECKING:
    from airflow_provider_minimax.api.settings import Settings

_USER: Final = re.compile(r"user:(\d+)-")


@dataclass(frozen=True)
class Plan:
    """The parameters of an export, after their templates are rendered.

    :param selection: the images that are meant.
    :param file_format: a name of ``FORMATS``.
    :param part_rows: images in each part but the last.
    :param max_images: stop after so many images, the newest ones.
    :param account: the Hailuo account; None where the service chooses.
    :param download_media: fetch the files, too.
    :param skip_bad_media: go on where a file cannot be fetched.
    :param contact_sheet: write a page to look at the images.
    :param csv_safe: write CSV cells that no spreadsheet takes for a formula.
    :param allow_empty: an empty list may take the place of an older export, whatever the service counts.
    :param sync: add to the export that is there, where it fits.
    """

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
        """How the rows are written."""
        return SAFE_CSV if self.csv_safe else FORMATS[self.file_format]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table."""
        return columns(media=self.download_media)

    def describe(self) -> dict[str, Any]:
        """Return what shapes the files, as plain JSON.

        Two exports may be joined where this is equal, and their source as well.
        """
        return {
            "format": self.file_format,
            "selection": self.selection.describe(),
            "max_images": self.max_images,
            "part_rows": self.part_rows,
            "account": self.account,
            "media": self.download_media,
            # Only where it is on: manifests from before there was such a thing stay valid.
            **({"csv_safe": True} if self.csv_safe else {}),
        }


def source_of(settings: Settings) -> dict[str, Any]:
    """Return whose images a connection shows, as plain JSON: of the token no more than what each id says."""
    user = _USER.match(settings.token)
    return {"service": settings.base_url, "user": user and user[1]}
