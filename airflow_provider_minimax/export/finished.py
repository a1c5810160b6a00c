"""What a whole export holds, read back: its newest rows, and whether it has the files of images or videos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.export.formats import Format
from airflow_provider_minimax.export.manifest import MANIFEST, Manifest, load_manifest, load_whole
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import read_rows, stored_format
from airflow_provider_minimax.export.rows import MEDIA_FIELDS
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.errors import reading_errors, storage_faults
from airflow_provider_minimax.storage.folders import storage_at

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


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


def find_unconfirmed(
    storage: Storage, ids: Collection[str], check: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Return the ids that an export does not hold with a checked file, each with the reason.

    The service's own copy of any other id may be deleted. So all of it is read and hashed: the parts, and the
    file of each image or video in question.

    :param check: called for each part and file; if it raises, the check ends.
    :raises MiniMaxBadRequestError: the folder holds no whole export, or one without files.
    :raises MiniMaxError: the folder cannot be read.
    """
    try:
        id_field, file_format, manifest = _load(storage)
        for part in manifest.parts:
            check()
            if not storage.holds(part.name, part.bytes, part.sha256):
                raise MiniMaxBadRequestError(
                    f"{storage.url(part.name)} is missing, or is not what the manifest names. Nothing was deleted. "
                    "Export again."
                )
        unconfirmed = dict.fromkeys(ids, "it is not in the export")
        for row in read_rows(storage, file_format, manifest.parts, (id_field, "id", *MEDIA_FIELDS)):
            key = image_key(row)
            if key not in unconfirmed:
                continue
            check()
            reason = _why_unconfirmed(storage, row)
            if reason is None:
                del unconfirmed[key]
            else:
                unconfirmed[key] = reason
    except storage_faults() as error:
        raise MiniMaxError(
            f"{storage.folder} cannot be read ({type(error).__name__}: {error}). Nothing was deleted; a retry checks "
            "the export again."
        ) from None
    return unconfirmed


def _load(storage: Storage) -> tuple[str, Format, Manifest]:
    """Return the field of the ids, the format of the parts, and the manifest."""
    whole = load_whole(storage, storage.read(MANIFEST))
    file_format = None if whole is None else stored_format(whole[1].plan, whole[1].parts)
    if whole is None or file_format is None:
        raise MiniMaxBadRequestError(
            f"{storage.url(MANIFEST)} is missing, or is not the manifest of a whole export by this version. Nothing "
            "was deleted. Name the manifest that an export with download_media=True returned."
        )
    kind, manifest = whole
    if manifest.plan.get("media") is not True:
        raise MiniMaxBadRequestError(
            f"The export in {storage.folder} holds no files (download_media=False), so the service may have the only "
            "copy. Nothing was deleted. Export with download_media=True."
        )
    return kind.id_field, file_format, manifest


def _why_unconfirmed(storage: Storage, row: Image) -> str | None:
    path, size, sha256 = (row.get(name) for name in MEDIA_FIELDS)
    if not path:
        return "it has no file there"
    return None if storage.holds(str(path), size, sha256) else f"{path} is missing or damaged"
