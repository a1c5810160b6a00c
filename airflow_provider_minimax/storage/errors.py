"""Errors of storages: reported in one line, and classified by whether a retry can help."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
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


def storage_faults() -> tuple[type[Exception], ...]:
    """Return the types that a storage raises. Some libraries let errors of their transport through."""
    types = (
        getattr(sys.modules.get(module), name, None) for module, names in _LIBRARY_ERRORS.items() for name in names
    )
    return (OSError, *(error for error in types if error is not None))


@contextlib.contextmanager
def storage_errors(folder: ObjectStoragePath) -> Iterator[None]:
    """Turn an error of the storage into one line that says whether a retry can help."""
    try:
        yield
    except storage_faults() as error:
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        if is_permanent(error):
            raise MiniMaxBadRequestError(
                f"output_path {folder} cannot be written: {reason}. A retry will not help until it can."
            ) from None
        raise MiniMaxError(
            f"Writing to {folder} failed: {reason}. No manifest was written; "
            "a retry resumes after the last complete part."
        ) from None


def is_permanent(error: Exception) -> bool:
    """Return whether an error of a storage lasts until somebody fixes its cause."""
    if error_code(error) in _TRANSIENT_CODES:
        return False
    return isinstance(error, _PERMANENT_TYPES) or (isinstance(error, OSError) and error.errno in _PERMANENT)


def error_code(error: Exception) -> str:
    """Return the code in the response of S3 that its library has turned into an error; empty without one."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
