"""From a path of an operator to a place on a storage, and from a folder to the storage that it lies on.

What can never work is refused here, before anything is sent: Airflow itself falls back to other credentials where a
connection does not exist, and the store then refuses each attempt in words that name neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import optional_text
from airflow_provider_minimax.compat import AirflowNotFoundException, BaseHook
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.errors import connection_of, reading_errors
from airflow_provider_minimax.storage.local import LocalStorage
from airflow_provider_minimax.storage.location import required_location
from airflow_provider_minimax.storage.object_store import ObjectStorage

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: What brings the schemes of Airflow's own providers: an extra of ours, or the provider itself.
_PACKAGES: Final = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "airflow-provider-minimax[amazon]"),
    **dict.fromkeys(("gs", "gcs"), "airflow-provider-minimax[google]"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


def folder_at(output_path: object, storage_conn_id: str | None) -> ObjectStoragePath:
    """Return the folder that an operator's ``output_path`` names; see ``path_at``.

    :raises MiniMaxBadRequestError: it cannot be written: nobody has named credentials for it.
    """
    folder = path_at("output_path", output_path, storage_conn_id)
    # Of s3fs, which Airflow makes anonymous where it finds no credentials: nobody writes to a bucket like that.
    if connection_of(folder) is None and getattr(folder.fs, "anon", False) is True:
        raise MiniMaxBadRequestError(
            f"output_path {folder} cannot be written: it names no connection, and the worker has no credentials of its "
            f"own. Name one: storage_conn_id, or {folder.protocol}://<conn_id>@{folder.path.lstrip('/')}."
        )
    return folder


def path_at(parameter: str, value: object, storage_conn_id: str | None) -> ObjectStoragePath:
    """Return the file or folder that a parameter names, on a storage that can be reached.

    :param value: text, a ``Path`` or an ``ObjectStoragePath``.
    :param storage_conn_id: the Airflow connection of the storage; one in the path itself wins.
    :raises MiniMaxBadRequestError: a segment of it was rendered to nothing, its connection does not exist, or its
        storage is not installed.
    """
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import has_fs

    where = required_location(parameter, value)
    conn_id = optional_text("storage_conn_id", storage_conn_id)
    scheme, _, address = where.partition("://") if "://" in where else ("file", "", "")
    # What a DAG attaches by itself needs no package, and no connection.
    is_airflows = has_fs(scheme)
    if is_airflows:
        _check_connection(address.partition("/")[0].rpartition("@")[0] or conn_id, parameter, where)
    try:
        # In Airflow 3.1 a `conn_id` of None would replace the one in the path.
        path = ObjectStoragePath(where) if conn_id is None else ObjectStoragePath(where, conn_id=conn_id)
        with reading_errors(parameter, path):
            _ = path.fs
    except MiniMaxBadRequestError:
        raise
    except (ValueError, ImportError) as error:
        reason = str(error).rstrip(".") if is_airflows else _how_to_install(scheme)
        if is_airflows and isinstance(error, ImportError) and scheme in _PACKAGES:
            reason += f" (pip install '{_PACKAGES[scheme]}' brings it)"
        raise MiniMaxBadRequestError(f"{parameter} {where}: {reason}. A retry will not help until then.") from None
    return path


def _check_connection(conn_id: str | None, parameter: str, where: str) -> None:
    """Check that the connection of a storage exists, if one is named."""
    if conn_id is None:
        return
    if ":" in conn_id:
        # Not quoted: it would be logged.
        raise MiniMaxBadRequestError(
            f"{parameter} holds credentials before its @, where the id of an Airflow connection stands. Create one "
            "with these credentials, and name it there."
        )
    try:
        is_ours = BaseHook.get_connection(conn_id).conn_type == "minimax"
    except AirflowNotFoundException:
        raise MiniMaxBadRequestError(
            f"The storage connection {conn_id!r} does not exist: {parameter} {where} needs it. Create it, or name "
            f"another one (storage_conn_id, or <conn_id>@ in {parameter}); a retry will not help until then."
        ) from None
    if is_ours:
        raise MiniMaxBadRequestError(f"Connection {conn_id!r} is one to MiniMax, and not to the storage of {where}.")


def _how_to_install(scheme: str) -> str:
    package = _PACKAGES.get(scheme)
    if package is None:
        return f"no Airflow provider on this worker knows the scheme {scheme!r}"
    return f"this worker lacks the package for {scheme}: pip install '{package}'"


def storage_at(folder: ObjectStoragePath) -> Storage:
    """Return the storage that reads and writes the files of a folder."""
    is_local = folder.protocol in ("", "file", "local")
    return LocalStorage(folder) if is_local else ObjectStorage(folder)
