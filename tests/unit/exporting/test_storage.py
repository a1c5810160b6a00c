"""Folders, and what a storage refuses."""

from __future__ import annotations

import errno

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.exporting.storage import folder_at, storage_errors

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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EAGAIN, errno.ETIMEDOUT])
def test_a_fault_of_the_storage_that_passes_may_be_retried(code: int) -> None:
    with pytest.raises(MiniMaxError) as caught, storage_errors(FOLDER):
        raise OSError(code, "what the system says")
    assert not isinstance(caught.value, AirflowFailException)
    assert "what the system says" in str(caught.value)
    assert "a retry goes on after the last whole part" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        PermissionError("Forbidden"),
        OSError(errno.EROFS, "Read-only file system"),
        NotADirectoryError(errno.ENOTDIR, "Not a directory"),
        FileNotFoundError("The specified bucket does not exist"),
    ],
    ids=str,
)
def test_a_refusal_of_the_storage_fails_the_task_in_one_line(error: OSError) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught, storage_errors(FOLDER):
        raise error
    assert str(caught.value).startswith(f"output_path {FOLDER} cannot be written: ")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_that_is_none_of_the_storage_goes_through() -> None:
    with pytest.raises(KeyError), storage_errors(FOLDER):
        raise KeyError("x")
