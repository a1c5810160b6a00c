"""A storage that can never be reached is refused at once, by the name of its connection or package."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach, fs, store
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.errors import connection_of, storage_errors
from airflow_provider_minimax.storage.folders import folder_at
from tests.support import connect

IMAGE = "user:1-minimax:2-image:3"


class Bucket(MemoryFileSystem):
    """A store as s3fs makes one: anonymous where it finds no credentials."""

    cachable = False

    def __init__(self, *, anon: bool) -> None:
        super().__init__()
        self.anon = anon


def register(monkeypatch: pytest.MonkeyPatch, get_fs: Callable[[str | None, object], Any]) -> None:
    """Make Airflow find this under ``s3``, whatever is installed, and nothing that another test has made."""
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    monkeypatch.setitem(fs._register_filesystems(), "s3", get_fs)  # type: ignore[index]


@pytest.fixture
def scheme(monkeypatch: pytest.MonkeyPatch) -> str:
    """A scheme that Airflow knows, on a worker without credentials of its own."""
    register(monkeypatch, lambda conn_id, _: Bucket(anon=conn_id is None))
    return "s3"


OPERATORS: list[Any] = [
    lambda path, **options: MiniMaxExportImagesOperator(task_id="t", output_path=path, **options),
    lambda path, **options: MiniMaxDownloadOperator(task_id="t", ids=IMAGE, output_path=path, **options),
    lambda path, **options: MiniMaxUploadFileOperator(task_id="t", source_path=f"{path}/a.png", **options),
]


@pytest.mark.parametrize("make", OPERATORS, ids=["export", "download", "upload"])
@pytest.mark.parametrize("way", ["parameter", "path", "ObjectStoragePath", "local path"])
def test_a_connection_that_does_not_exist_is_named(
    sandbox: Sandbox,
    undefined_connections: None,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    tmp_path: Path,
    make: Any,
    way: str,
) -> None:
    connect(monkeypatch, sandbox.url, sandbox.token)
    path, options = {
        "parameter": (f"{scheme}://bucket/x", {"storage_conn_id": "exports"}),
        "path": (f"{scheme}://exports@bucket/x", {}),
        "ObjectStoragePath": (str(ObjectStoragePath(f"{scheme}://bucket/x", conn_id="exports")), {}),
        "local path": (str(tmp_path / "x"), {"storage_conn_id": "exports"}),
    }[way]
    operator = make(path, **options)
    with pytest.raises(MiniMaxBadRequestError, match="The storage connection 'exports' does not exist: ") as caught:
        type(operator).execute.__wrapped__(operator, {})
    assert "storage_conn_id, or <conn_id>@ in " in str(caught.value)
    assert not sandbox.calls
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_without_a_connection_and_without_credentials_is_refused(scheme: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=r"storage_conn_id, or s3://<conn_id>@bucket/x\.") as caught:
        folder_at(f"{scheme}://bucket/x", None)
    assert "it names no connection, and the worker has no credentials of its own" in str(caught.value)


def test_the_connection_to_the_service_is_none_to_a_storage(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "https://api", "user:1-secret")
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'minimax_default' is one to MiniMax, and not to the"):
        folder_at(f"{scheme}://bucket/x", "minimax_default")


def test_credentials_in_a_path_are_not_quoted(scheme: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path holds credentials before its @") as caught:
        folder_at(f"{scheme}://key:topsecret@bucket/x", None)
    assert "topsecret" not in str(caught.value)


def test_a_connection_that_holds_no_credentials_is_named_when_access_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the ``aws_default`` of a new Airflow. A signer of its own needs none, so it may be tried."""
    register(monkeypatch, lambda _, __: Bucket(anon=True))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    folder = folder_at("s3://aws_default@bucket/x", None)
    words = "Connection 'aws_default' holds no credentials, and the worker has none"
    with pytest.raises(MiniMaxBadRequestError, match=words), storage_errors(folder):
        raise PermissionError("Access Denied")


def test_with_a_connection_it_is_taken(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EXPORTS", json.dumps({"conn_type": "generic"}))
    for path, conn_id in ((f"{scheme}://exports@bucket/x", None), (f"{scheme}://bucket/x", "exports")):
        assert connection_of(folder_at(path, conn_id)) == "exports"


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("s3://bucket/x", "airflow-provider-minimax[amazon]"),
        ("s3a://aws_default@bucket/x", "airflow-provider-minimax[amazon]"),
        ("gs://bucket/x", "airflow-provider-minimax[google]"),
        ("abfs://container/x", "apache-airflow-providers-microsoft-azure"),
    ],
)
def test_a_scheme_without_its_package_names_the_package(
    monkeypatch: pytest.MonkeyPatch, path: str, package: str
) -> None:
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    monkeypatch.delitem(fs._register_filesystems(), path.partition(":")[0], raising=False)  # type: ignore[arg-type]
    with pytest.raises(MiniMaxBadRequestError) as caught:
        folder_at(path, None)
    assert str(caught.value).startswith(f"output_path {path}: ")
    assert f"pip install '{package}'" in str(caught.value)


def test_a_library_that_is_missing_is_named_in_the_words_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_fs(_: object, __: object) -> Any:
        raise ImportError("pip install apache-airflow-providers-amazon[s3fs]")

    register(monkeypatch, get_fs)
    with pytest.raises(MiniMaxBadRequestError, match=r"output_path s3://b/x: pip install .*\[s3fs\]") as caught:
        folder_at("s3://b/x", None)
    assert "(pip install 'airflow-provider-minimax[amazon]' brings it)" in str(caught.value)


def test_a_storage_that_a_dag_attaches_needs_neither_package_nor_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    monkeypatch.delitem(fs._register_filesystems(), "s3", raising=False)  # type: ignore[arg-type]
    attach("s3", conn_id="of_the_dag", fs=MemoryFileSystem())
    assert connection_of(folder_at("s3://of_the_dag@bucket/x", None)) == "of_the_dag"


@pytest.mark.parametrize("name", ["NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError"])
def test_credentials_that_are_missing_are_no_passing_failure(
    monkeypatch: pytest.MonkeyPatch, scheme: str, name: str
) -> None:
    base: type[Exception] = type("BotoCoreError", (Exception,), {})
    error: type[Exception] = type(name, (base,), {})
    monkeypatch.setitem(sys.modules, "botocore.exceptions", SimpleNamespace(**{"BotoCoreError": base, name: error}))
    path = ObjectStoragePath(f"{scheme}://bucket/x")
    with pytest.raises(MiniMaxError, match="Unable to locate") as caught, storage_errors(path):
        raise error("Unable to locate credentials")
    assert isinstance(caught.value, AirflowFailException)
    assert "The path names no connection (storage_conn_id, or s3://<conn_id>@...)" in str(caught.value)
