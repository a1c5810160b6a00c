"""From an operator's ``output_path`` to a folder, and from a folder to the storage that it lies on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import optional_text
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.local import LocalStorage
from airflow_provider_minimax.storage.location import required_location
from airflow_provider_minimax.storage.object_store import ObjectStorage

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def folder_at(output_path: object, storage_conn_id: str | None) -> ObjectStoragePath:
    """Return the folder that an operator's ``output_path`` names.

    :param output_path: text, a ``Path`` or an ``ObjectStoragePath``.
    :param storage_conn_id: the Airflow connection of the storage; one in the path itself wins.
    :raises MiniMaxBadRequestError: a segment of it was rendered to nothing, or its storage is not installed.
    """
    where = required_location("output_path", output_path)
    conn_id = optional_text("storage_conn_id", storage_conn_id)
    try:
        path = storage_path(where, conn_id)
        _ = path.fs
    except (ValueError, ImportError) as error:
        raise MiniMaxBadRequestError(f"output_path {where}: {error}.") from None
    return path


def storage_path(where: str, conn_id: str | None) -> ObjectStoragePath:
    """Return a path on a storage, with this connection or the one that the path names."""
    from airflow.sdk import ObjectStoragePath

    # In Airflow 3.1 a `conn_id` of None would replace the one in the path.
    return ObjectStoragePath(where) if conn_id is None else ObjectStoragePath(where, conn_id=conn_id)


def storage_at(folder: ObjectStoragePath) -> Storage:
    """Return the storage that reads and writes the files of a folder."""
    is_local = folder.protocol in ("", "file", "local")
    return LocalStorage(folder) if is_local else ObjectStorage(folder)
