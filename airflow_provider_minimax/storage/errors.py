"""What storages refuse: said in one line, and told apart by whether a retry can help."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: What somebody has to mend before a retry can help. Any other fault of a storage may pass by itself.
_LASTING: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
    | {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOSYS}
)
#: The same, where a store's library gives a type and no number.
_LASTING_TYPES: Final = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
#: Answers of S3 that its library gives one of these for, and that pass nevertheless.
_PASSING_CODES: Final = frozenset(
    {"ExpiredToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestExpired"}
    | {"BadDigest", "IncompleteBody", "NoSuchUpload"}
)
#: Libraries of stores and errors of theirs that are no ``OSError``, by module.
_FOREIGN: Final = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp.client_exceptions": ("ClientError",),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "azure.core.exceptions": ("AzureError",),
}


def faults_of_storages() -> tuple[type[Exception], ...]:
    """Return what a storage raises. Some libraries let their transport's own errors through."""
    found = (getattr(sys.modules.get(module), name, None) for module, names in _FOREIGN.items() for name in names)
    return (OSError, *(error for error in found if error is not None))


@contextlib.contextmanager
def storage_errors(folder: ObjectStoragePath) -> Iterator[None]:
    """Say in one line what a storage refused, and whether a retry can help."""
    try:
        yield
    except faults_of_storages() as error:
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        if is_lasting(error):
            raise MiniMaxBadRequestError(
                f"output_path {folder} cannot be written: {reason}. A retry will not help until it can."
            ) from None
        raise MiniMaxError(
            f"Writing to {folder} failed: {reason}. No manifest was written; a retry goes on after the last whole part."
        ) from None


def is_lasting(error: Exception) -> bool:
    """Tell whether a fault of a storage stays until somebody mends it."""
    answer = getattr(error.__cause__, "response", None)
    if isinstance(answer, dict) and answer.get("Error", {}).get("Code") in _PASSING_CODES:
        return False
    return isinstance(error, _LASTING_TYPES) or (isinstance(error, OSError) and error.errno in _LASTING)
