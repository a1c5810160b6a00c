"""Downloads take the proxy and the certificates of the connection, whatever the environment says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.downloader import MediaDownloader
from airflow_provider_minimax.media.filenames import Saved
from airflow_provider_minimax.storage.folders import storage_at
from tests.unit.api.network import Proxy, Service, answering, make_certificate, response

PICTURE = answering(response(b"\x89PNG\r\n\x1a\n" + bytes(200)))


def download(folder: Path, origin: str, **settings: Any) -> Saved:
    storage = storage_at(ObjectStoragePath(str(folder)))
    storage.prepare("media")
    with MediaDownloader(Settings("user:1-secret", "http://api", max_attempts=1, **settings), storage) as downloader:
        return downloader.submit({"imageId": "user:1-minimax:2-image:7", "downloadURL": f"{origin}/x"}).result()


def test_the_proxy_of_the_connection_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Service(PICTURE) as cdn, Proxy() as own, Proxy() as other:
        monkeypatch.setenv("http_proxy", other.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        for number in range(2):
            download(tmp_path / str(number), f"http://127.0.0.1:{cdn.port}", proxy=own.url)
        assert (own.passed_on, other.accepted) == (2, 0)


def test_the_ca_bundle_of_the_connection_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/missing/bundle.pem")
    certificate = make_certificate(tmp_path)
    with Service(PICTURE, certificate) as cdn:
        saved = download(tmp_path / "out", f"https://127.0.0.1:{cdn.port}", ca_bundle=str(certificate))
        assert saved.bytes == 208
