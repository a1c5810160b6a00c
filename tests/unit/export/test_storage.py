"""Folders, and what a storage refuses."""

from __future__ import annotations

import errno
import gc
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.exceptions import FSTimeoutError

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.parts import PartWriter
from airflow_provider_minimax.export.rows import columns
from airflow_provider_minimax.storage.base import folder_at, storage_at
from airflow_provider_minimax.storage.errors import storage_errors

FOLDER = ObjectStoragePath("/some/folder")


@pytest.mark.parametrize("path", ["/data/x", "file:///data/x", " /data/x\n"])
def test_a_folder_is_found_by_its_path(path: str) -> None:
    assert folder_at(path, None).path == "/data/x"


@pytest.mark.parametrize("path", ["", "  ", "\n"])
def test_an_empty_path_is_refused(path: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path must name a folder"):
        folder_at(path, None)


@pytest.mark.parametrize("path", ["s3x://bucket/x", "nosuchstorage://x"])
def test_a_storage_that_is_not_installed_is_refused_by_name(path: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path") as caught:
        folder_at(path, None)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def answered(code: str, error: OSError) -> OSError:
    """An error as s3fs makes it of an answer."""
    error.__cause__ = AnswerError(code)
    return error


class AnswerError(Exception):
    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}


PASSING = [
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
    OSError("something that nobody has thought of"),
    answered("ExpiredToken", PermissionError("The provided token has expired.")),
    answered("RequestTimeTooSkewed", PermissionError("The clock is wrong.")),
    answered("IncompleteBody", OSError(errno.EINVAL, "Incomplete body")),
    answered("NoSuchUpload", FileNotFoundError("The upload does not exist")),
]
LASTING = [
    PermissionError(errno.EACCES, "Permission denied"),
    PermissionError("Forbidden"),
    answered("AccessDenied", PermissionError("Access Denied")),
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.ENAMETOOLONG, "File name too long"),
    OSError(errno.EINVAL, "Invalid bucket name"),
    NotADirectoryError(errno.ENOTDIR, "Not a directory"),
    IsADirectoryError(errno.EISDIR, "Is a directory"),
    FileExistsError(errno.EEXIST, "File exists"),
    answered("NoSuchBucket", FileNotFoundError("The specified bucket does not exist")),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_fault_of_the_storage_that_may_pass_may_be_retried(error: OSError) -> None:
    with pytest.raises(MiniMaxError) as caught, storage_errors(FOLDER):
        raise error
    assert not isinstance(caught.value, AirflowFailException)
    assert (error.strerror or str(error) or type(error).__name__) in str(caught.value)
    assert "a retry goes on after the last whole part" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_a_refusal_of_the_storage_fails_the_task_in_one_line(error: OSError) -> None:
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
def test_an_error_of_a_stores_own_library_may_be_retried(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    error: type[Exception] = type(name, (Exception,), {})
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: error}))
    with pytest.raises(MiniMaxError, match="payload") as caught, storage_errors(FOLDER):
        raise error("payload\nis not whole")
    assert not isinstance(caught.value, AirflowFailException)
    assert "\n" not in str(caught.value)


def test_an_error_that_is_none_of_the_storage_goes_through() -> None:
    with pytest.raises(KeyError), storage_errors(FOLDER):
        raise KeyError("x")


def test_a_draft_that_is_given_up_leaves_nothing_and_takes_what_its_writer_still_has_to_say(tmp_path: Path) -> None:
    draft = storage_at(ObjectStoragePath(str(tmp_path))).draft()
    draft.write(b"a part")
    draft.abort()
    assert draft.write(b"its end") == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMATS)
def test_a_part_that_is_given_up_says_nothing_any_more(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    writer = PartWriter(storage, FORMATS[form], columns(media=False), 0, lambda draft, part: draft.commit(part.name))
    writer.add({"imageId": "i1", "status": 2})
    writer.flush()
    writer.abort()
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == []
