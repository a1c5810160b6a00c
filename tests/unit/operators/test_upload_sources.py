"""Uploads from other storages and from addresses of the web."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach, store
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.operators.files import MiniMaxUploadFileOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import skip_retry_delays
from tests.unit.api.network import Service, answering, make_certificate, response

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def upload(source: object, *, max_bytes: int | None = None, **options: Any) -> Any:
    operator = MiniMaxUploadFileOperator(task_id="upload", source_path=source, **options)  # type: ignore[arg-type]
    if max_bytes is not None:
        operator.max_bytes = max_bytes
    return MiniMaxUploadFileOperator.execute.__wrapped__(operator, {})


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def memory() -> MemoryFileSystem:
    files = MemoryFileSystem()
    attach("memory", fs=files)
    files.pipe("/pictures/lamp.png", PNG)
    return files


@pytest.mark.parametrize("kind", [str, ObjectStoragePath])
def test_a_file_comes_from_any_storage_of_airflow(
    sandbox: Sandbox, memory: MemoryFileSystem, tmp_path: Path, kind: Any
) -> None:
    assert "-file:" in upload(kind("memory://pictures/lamp.png"))
    assert sandbox.stats.creates["files"] == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_of_a_storage_is_bounded(sandbox: Sandbox, memory: MemoryFileSystem) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="is larger than the 100 bytes that the service takes"):
        upload("memory://pictures/lamp.png", max_bytes=100)
    assert not sandbox.calls


class BrokenFile(MemoryFileSystem):
    """A storage whose connection breaks for a moment, or for good."""

    cachable = False
    #: Whether no credentials are used, as s3fs names it.
    anon = False

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def open(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words", "is_final"),
    [
        (
            FileNotFoundError(2, "No such file or directory"),
            "source_path gs://bucket/lamp.png cannot be read: No such",
            True,
        ),
        (PermissionError("Access Denied."), r"cannot be read: Access Denied\. The path names no connection", True),
        (ConnectionResetError(104, "Connection reset"), "Reading .* failed: Connection reset. A retry reads it", False),
        (ConnectionResetError(104, "Connection reset"), "gs://<conn_id>@.*, so the worker's own credentials", False),
    ],
)
def test_a_storage_that_fails_says_whether_a_retry_helps(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str, is_final: bool
) -> None:
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    attach("gs", fs=BrokenFile(error))
    with pytest.raises(errors.MiniMaxError, match=words) as caught:
        upload("gs://bucket/lamp.png")
    assert isinstance(caught.value, AirflowFailException) is is_final
    assert not sandbox.calls


def test_a_bucket_that_is_read_without_credentials_says_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    broken = BrokenFile(ConnectionResetError(104, "Connection reset"))
    broken.anon = True
    attach("gs", fs=broken)
    with pytest.raises(errors.MiniMaxError, match=r"names no connection .* the worker has no credentials"):
        upload("gs://bucket/lamp.png")
    assert not sandbox.calls


# The web


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def web(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    skip_retry_delays(monkeypatch)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return monkeypatch


def test_a_file_comes_from_an_https_address_and_its_signature_is_not_logged(
    sandbox: Sandbox, web: object, certificate: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Service(answering(response(PNG)), certificate) as service:
        url = f"https://127.0.0.1:{service.port}/lamp.png"
        assert "-file:" in upload(f"{url}?signature=topsecret", allow_private_addresses=True)
    (request,) = service.received
    assert request.target == "/lamp.png?signature=topsecret"
    own = [record.getMessage() for record in caplog.records if record.name.startswith(("airflow", "minimax"))]
    assert any(f"Uploaded {url} as user:" in line for line in own)
    assert not [line for line in own if "topsecret" in line]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("https://127.0.0.1:1/a.png?s=topsecret", {}, r"source_path https://127\.0\.0\.1:1/a\.png cannot be read: "
         r"127\.0\.0\.1 is at 127\.0\.0\.1, in a private network or on this machine \(allow_private_addresses=True"),
        ("http://example.org/lamp.png", {}, "cannot be read: the address is http, not https"),
        ("https://user:topsecret@example.org/lamp.png", {}, "the address is missing or malformed"),
        ("https://example.org/lamp.png", {"storage_conn_id": "c"}, "storage_conn_id='c' is of no use for https://exam"),
        ("https://example.org/None", {}, "source_path was rendered to"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_refused(
    sandbox: Sandbox, source: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        upload(source, **options)
    assert not sandbox.calls


@pytest.mark.parametrize(
    ("reply", "words", "is_final"),
    [
        (response(status="403 Forbidden"), "cannot be read: status code 403", True),
        (response(status="503 Busy"), r"was not read: status code 503\. A retry reads it again", False),
        (response(PNG * 10), "cannot be read: it is too large: more than 1,000 bytes", True),
        (response(b"<html>"), "not a png, jpeg, webp, mp3, wav or mp4 file", True),
    ],
)
def test_a_response_that_is_no_file_says_whether_a_retry_helps(
    sandbox: Sandbox, web: object, certificate: Path, reply: bytes, words: str, is_final: bool
) -> None:
    with (
        Service(answering(reply), certificate) as service,
        pytest.raises(errors.MiniMaxError, match=words) as caught,
    ):
        upload(f"{service.base_url}/lamp?s=topsecret", allow_private_addresses=True, max_bytes=1_000)
    assert isinstance(caught.value, AirflowFailException) is is_final
    assert "topsecret" not in str(caught.value)
    assert sandbox.stats.creates["files"] == 0


def test_a_kill_ends_it_while_the_address_is_silent(
    sandbox: Sandbox, web: object, certificate: Path, tmp_path: Path
) -> None:
    is_over = threading.Event()

    def hang(_: object, __: object) -> bool:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        # Nothing comes until the task has ended.
        is_over.wait(30)
        return False

    with Service(hang, certificate) as service:
        operator = MiniMaxUploadFileOperator(
            task_id="upload", source_path=f"{service.base_url}/lamp.png", allow_private_addresses=True
        )
        # What Airflow's handler of SIGTERM does.
        before = signal.signal(signal.SIGUSR1, lambda *_: operator.on_kill())
        try:
            with pytest.raises(errors.MiniMaxError, match="was killed"):
                MiniMaxUploadFileOperator.execute.__wrapped__(operator, {})
            assert not is_over.is_set()
        finally:
            is_over.set()
            signal.signal(signal.SIGUSR1, before)
    assert len(service.received) == 1
    assert not sandbox.calls
    assert list((tmp_path / "tmp").iterdir()) == []
