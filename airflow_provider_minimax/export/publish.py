"""The end of an export: the last check of its parts, its contact sheet, and its summary."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.pagination import Image
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.export import contact_sheet
from airflow_provider_minimax.export.manifest import MANIFEST, Manifest, load_manifest
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import first_damaged, read_rows
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.errors import reading_errors
from airflow_provider_minimax.storage.folders import storage_at

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


def check_parts(storage: Storage, plan: ExportPlan, manifest: Manifest, etags: Mapping[str, str]) -> None:
    """Check that the parts exist as they were written, and that the manifest replaces no foreign file.

    :param etags: of the parts when they were committed, where the storage has such.
    :raises MiniMaxError: a part has changed.
    """
    load_manifest(storage, storage.read(MANIFEST), plan.kind)
    files = {file.name: file for file in storage.files()}
    name = first_damaged(manifest.parts, {file.name: file.size for file in files.values()})
    if name is None:
        names = (part.name for part in manifest.parts)
        name = next((name for name in names if etags.get(name, files[name].etag) != files[name].etag), None)
    if name is not None:
        raise MiniMaxError(
            f"{storage.url(name)} is not what was written there: something else changes the folder. No manifest was "
            "written. A retry names the file, or starts from scratch."
        )


def write_contact_sheet(storage: Storage, plan: ExportPlan, manifest: Manifest) -> None:
    """Write the contact sheet, or remove that of an older export."""
    if plan.contact_sheet:
        contact_sheet.check(storage)
        contact_sheet.write(storage, plan, manifest)
    else:
        contact_sheet.remove(storage)


def read_newest(folder: ObjectStoragePath, plan: ExportPlan, max_rows: int) -> list[Image]:
    """Return the newest rows of the complete export in a folder, with the fields that identify and link.

    :return: empty where they cannot be read, which the log says: the export is complete nevertheless.
    """
    storage, names = storage_at(folder), (plan.kind.id_field, "id", "downloadURL", "videoURL")
    try:
        with reading_errors("output_path", folder):
            stored = load_manifest(storage, storage.read(MANIFEST), plan.kind)
            return list(islice(read_rows(storage, plan.format, stored.parts if stored else (), names), max_rows))
    except MiniMaxError as error:
        log.warning("The export in %s is complete, and its newest rows could not be read back. %s", folder, error)
        return []


def summarize(storage: Storage, kind: MediaKind, manifest: Manifest, scanned: int) -> dict[str, Any]:
    """Log and return the summary for the XCom.

    :param scanned: images or videos that were read.
    """
    contents, size = manifest.contents, sum(part.bytes for part in manifest.parts)
    log.info(
        "Exported %s to %s (%s, %s bytes; %s, %s bytes; %s read).",
        count(contents.images, kind.name),
        storage.folder,
        count(len(manifest.parts), "part"),
        f"{size:,}",
        count(contents.media_files, "file"),
        f"{contents.media_bytes:,}",
        count(scanned, kind.name),
    )
    return {
        "path": str(storage.folder),
        "manifest": storage.url(MANIFEST),
        kind.plural: contents.images,
        "parts": len(manifest.parts),
        "bytes": size,
        "media_files": contents.media_files,
        "media_failed": len(contents.media_failed),
        f"newest_{kind.name}_id": contents.newest_image_id,
        f"oldest_{kind.name}_id": contents.oldest_image_id,
    }
