"""The export of an account's images: walk, choose, write, commit."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_minimax.api.paging import Page, image_key
from airflow_provider_minimax.api.selection import Selection, choose
from airflow_provider_minimax.exporting.parts import PartWriter
from airflow_provider_minimax.exporting.progress import Progress

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_minimax.exporting.formats import Format

log = logging.getLogger(__name__)


def export_images(
    pages: Iterable[Page],
    *,
    selection: Selection,
    folder: ObjectStoragePath,
    file_format: Format,
    part_rows: int,
    max_images: int | None = None,
) -> dict[str, Any]:
    """Write the chosen images of a walk to a folder, whole or not at all.

    Nothing in the files depends on when or how often the export runs: the same images give the same bytes.

    :param pages: a walk, newest first. It is read as it is written; one page is in memory at a time.
    :param max_images: stop after so many images.
    :return: the summary that goes into the XCom.
    :raises MiniMaxBadRequestError: the folder cannot be written.
    """
    progress = Progress()
    written = scanned = 0
    newest: str | None = None
    oldest: str | None = None
    with PartWriter(folder, file_format, part_rows) as writer:
        for chosen in choose(pages, selection, max_images):
            writer.write(chosen.images)
            scanned = chosen.scanned
            written += len(chosen.images)
            if chosen.images:
                newest = newest or image_key(chosen.images[0])
                oldest = image_key(chosen.images[-1])
            progress.update(scanned, written, chosen.total)
        found = {"images": written, "newest_image_id": newest, "oldest_image_id": oldest}
        manifest = writer.commit(
            {"format": file_format.extension, "selection": selection.describe(), "max_images": max_images, **found}
        )
    size = sum(part.bytes for part in writer.parts)
    log.info("%d of %d images read are exported to %s (%d bytes).", written, scanned, folder, size)
    return {
        "path": str(folder),
        "manifest": str(manifest),
        "parts": len(writer.parts),
        "bytes": size,
        "media_files": 0,
        "media_failed": 0,
        **found,
    }
