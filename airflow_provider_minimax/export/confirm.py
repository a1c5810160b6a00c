"""Whether a whole export holds the files of images or videos, so that the service's own copy may be deleted.

All of it is read and hashed: the parts, and the file of each image or video in question.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.pagination import Image, image_key
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.manifest import MANIFEST, Manifest, kind_of, load_manifest
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import read_rows
from airflow_provider_minimax.export.rows import MEDIA_FIELDS
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.errors import storage_faults


def find_unconfirmed(
    storage: Storage, ids: Collection[str], check: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Return the ids that an export does not hold with a checked file, each with the reason.

    :param storage: the folder of the export.
    :param ids: full ids.
    :param check: called for each part and file; if it raises, the check ends.
    :raises MiniMaxBadRequestError: the folder holds no whole export, or one without files.
    :raises MiniMaxError: the folder cannot be read.
    """
    try:
        plan, manifest = _load(storage)
        for part in manifest.parts:
            check()
            if _size_and_hash(storage, part.name) != (part.bytes, part.sha256):
                raise MiniMaxBadRequestError(
                    f"{storage.url(part.name)} is missing, or is not what the manifest names. Nothing was deleted. "
                    "Export again."
                )
        unconfirmed = dict.fromkeys(ids, "it is not in the export")
        for row in read_rows(storage, plan.format, manifest.parts, (plan.kind.id_field, "id", *MEDIA_FIELDS)):
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


def _load(storage: Storage) -> tuple[ExportPlan, Manifest]:
    body = storage.read(MANIFEST)
    kind = None if body is None else kind_of(body)
    stored = None if kind is None else load_manifest(storage, body, kind)
    plan = None if kind is None or stored is None or stored.manifest is None else _plan(kind, stored.manifest)
    if stored is None or stored.manifest is None or plan is None:
        raise MiniMaxBadRequestError(
            f"{storage.url(MANIFEST)} is missing, or is not the manifest of a whole export by this version. Nothing "
            "was deleted. Name the manifest that an export with download_media=True returned."
        )
    if not stored.has_media:
        raise MiniMaxBadRequestError(
            f"The export in {storage.folder} holds no files (download_media=False), so the service may have the only "
            "copy. Nothing was deleted. Export with download_media=True."
        )
    return plan, stored.manifest


def _plan(kind: MediaKind, manifest: Manifest) -> ExportPlan | None:
    """Return how the parts are read; None where the manifest names no format, or another one than its parts have."""
    named, is_safe = manifest.plan.get("format"), manifest.plan.get("csv_safe", False) is True
    plan = next((ExportPlan(kind, file_format=name, csv_safe=is_safe) for name in FORMATS if name == named), None)
    if plan is None or not all(part.name.endswith(f".{plan.format.extension}") for part in manifest.parts):
        return None
    return plan


def _why_unconfirmed(storage: Storage, row: Image) -> str | None:
    path, size, sha256 = (row.get(name) for name in MEDIA_FIELDS)
    if not path:
        return "it has no file there"
    return None if _size_and_hash(storage, str(path)) == (size, sha256) else f"{path} is missing or damaged"


def _size_and_hash(storage: Storage, name: str) -> tuple[int, str] | None:
    """Return size and SHA-256 of a file; None where it is missing."""
    try:
        return storage.size_and_hash(name)
    except FileNotFoundError:
        return None
