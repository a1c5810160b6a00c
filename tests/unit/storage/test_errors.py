"""Errors of a storage: in one line, and with a verdict on a retry."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.exceptions import FSTimeoutError

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.storage.errors import storage_errors

FOLDER = ObjectStoragePath("/some/folder")


def with_code(code: str, error: OSError) -> OSError:
    """Return an error as s3fs makes it of a response with this code."""
    error.__cause__ = ResponseError(code)
    return error


class ResponseError(Exception):
    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}


TRANSIENT = [
    *(OSError(code, os.strerror(code)) for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR)),
    *(OSError(code, os.strerror(code)) for code in (errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.EREMOTEIO)),
    *(OSError(code, os.strerror(code)) for code in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN)),
    TimeoutError(errno.ETIMEDOUT, "timed out"),
    TimeoutError(),
    FSTimeoutError(),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    BrokenPipeError(errno.EPIPE, "broken"),
    OSError(errno.ENETUNREACH, "Network is unreachable"),
    OSError("something unexpected"),
    with_code("ExpiredToken", PermissionError("The provided token has expired.")),
    with_code("RequestTimeTooSkewed", PermissionError("The clock is wrong.")),
    with_code("IncompleteBody", OSError(errno.EINVAL, "Incomplete body")),
    with_code("NoSuchUpload", FileNotFoundError("The upload does not exist")),
]
PERMANENT = [
    PermissionError(errno.EACCES, "Permission denied"),
    PermissionError("Forbidden"),
    with_code("AccessDenied", PermissionError("Access Denied")),
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.ENAMETOOLONG, "File name too long"),
    OSError(errno.EINVAL, "Invalid bucket name"),
    NotADirectoryError(errno.ENOTDIR, "Not a directory"),
    IsADirectoryError(errno.EISDIR, "Is a directory"),
    FileExistsError(errno.EEXIST, "File exists"),
    with_code("NoSuchBucket", FileNotFoundError("The specified bucket does not exist")),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_a_transient_error_may_be_retried(error: OSError) -> None:
    with pytest.raises(MiniMaxError) as caught, storage_errors(FOLDER):
        raise error
    assert not isinstance(caught.value, AirflowFailException)
    assert (error.strerror or str(error) or type(error).__name__) in str(caught.value)
    assert "a retry resumes after the last complete part" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_a_permanent_error_fails_the_task_in_one_line(error: OSError) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught, storage_errors(FOLDER):
        raise error
    assert str(caught.value).startswith(f"output_path {FOLDER} cannot be written: ")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("botocore.exceptions", "ClientError"),
        ("aiohttp.client_exceptions", "ClientError"),
        ("gcsfs.retry", "HttpError"),
        ("azure.core.exceptions", "AzureError"),
    ],
)
def test_an_error_of_a_library_of_a_store_may_be_retried(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    error: type[Exception] = type(name, (Exception,), {})
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: error}))
    with pytest.raises(MiniMaxError, match="payload") as caught, storage_errors(FOLDER):
        raise error("payload\nis not whole")
    assert not isinstance(caught.value, AirflowFailException)
    assert "\n" not in str(caught.value)


def test_an_error_of_something_else_goes_through() -> None:
    with pytest.raises(KeyError), storage_errors(FOLDER):
        raise KeyError("x")
