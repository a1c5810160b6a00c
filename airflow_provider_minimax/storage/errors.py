"""Errors of storages: reported in one line, and classified by whether a retry can help."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Errors that last until somebody fixes their cause. Any other error of a storage may be transient.
_PERMANENT: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
    | {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOSYS}
)
#: The same, where the library of a store raises a type without a number.
_PERMANENT_TYPES: Final = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
#: Error codes of S3 that its library turns into one of these, and that are transient nevertheless.
_TRANSIENT_CODES: Final = frozenset(
    {"ExpiredToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestExpired"}
    | {"BadDigest", "IncompleteBody", "NoSuchUpload"}
)
#: Errors of libraries of stores that are no ``OSError``, by module.
_LIBRARY_ERRORS: Final = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp.client_exceptions": ("ClientError",),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "azure.core.exceptions": ("AzureError",),
}
#: Those of them that last until somebody names credentials, or a region, that exist.
_PERMANENT_LIBRARY_ERRORS: Final = {
    "botocore.exceptions": ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError"),
    "google.auth.exceptions": ("DefaultCredentialsError",),
    "azure.core.exceptions": ("ClientAuthenticationError",),
}


def storage_faults() -> tuple[type[Exception], ...]:
    """Return the types that a storage raises. Some libraries let errors of their transport through."""
    return (OSError, *_loaded(_LIBRARY_ERRORS))


def _loaded(names: Mapping[str, tuple[str, ...]]) -> list[type[Exception]]:
    """Return those of these types whose library is in use."""
    types = (getattr(sys.modules.get(module), name, None) for module, found in names.items() for name in found)
    return [error for error in types if error is not None]


@contextlib.contextmanager
def storage_errors(folder: ObjectStoragePath) -> Iterator[None]:
    """Turn an error of writing to a storage into one line that says whether a retry can help."""
    try:
        yield
    except storage_faults() as error:
        if is_permanent(error):
            raise _permanent_error(f"output_path {folder} cannot be written", error, folder) from None
        raise MiniMaxError(
            f"Writing to {folder} failed: {_reason(error)}. No manifest was written; "
            f"a retry resumes after the last complete part.{_credentials_used(folder)}"
        ) from None


@contextlib.contextmanager
def reading_errors(parameter: str, path: ObjectStoragePath) -> Iterator[None]:
    """Turn an error of reading from a storage, or of reaching it, into one line that says whether a retry can help."""
    try:
        yield
    except storage_faults() as error:
        if is_permanent(error):
            raise _permanent_error(f"{parameter} {path} cannot be read", error, path) from None
        raise MiniMaxError(
            f"Reading {path} failed: {_reason(error)}. A retry reads it again.{_credentials_used(path)}"
        ) from None


def _permanent_error(verdict: str, error: Exception, path: ObjectStoragePath) -> MiniMaxBadRequestError:
    return MiniMaxBadRequestError(
        f"{verdict}: {_reason(error)}.{_credentials_used(path)} A retry will not help until it can."
    )


def _credentials_used(path: ObjectStoragePath) -> str:
    """Return what to know of the credentials, as a sentence; empty for this machine's own disk."""
    if path.protocol in ("", "file", "local"):
        return ""
    conn_id = connection_of(path)
    # Of s3fs, which Airflow makes anonymous where it finds no credentials.
    is_anonymous = getattr(path.fs, "anon", False) is True
    if conn_id is None:
        used = "so the worker's own credentials were used"
        if is_anonymous:
            used = "and the worker has no credentials of its own"
        return f" The path names no connection (storage_conn_id, or {path.protocol}://<conn_id>@...), {used}."
    if is_anonymous:
        return f" Connection {conn_id!r} holds no credentials, and the worker has none of its own."
    return f" Connection {conn_id!r} was used."


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")


def connection_of(path: ObjectStoragePath) -> str | None:
    """Return the Airflow connection of a path; None where it names none. Airflow 3.1 keeps it among the options."""
    found: str | None = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")
    return found


def is_permanent(error: Exception) -> bool:
    """Return whether an error of a storage lasts until somebody fixes its cause."""
    if error_code(error) in _TRANSIENT_CODES:
        return False
    if isinstance(error, OSError) and error.errno in _PERMANENT:
        return True
    return isinstance(error, (*_PERMANENT_TYPES, *_loaded(_PERMANENT_LIBRARY_ERRORS)))


def error_code(error: Exception) -> str:
    """Return the code in the response of S3 that its library has turned into an error; empty without one."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
