"""Which thread does what: the one that reads ahead reads pages, and the one of the task may do everything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.checkpoint import Checkpoint
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.local import LocalStorage, _LocalDraft
from tests.support import TIMEOUT


class RecordingClient(MiniMaxClient):
    readers: set[threading.Thread]
    read_ahead: threading.Event

    def iter_pages(self, *args: Any, **kwargs: Any) -> Iterator[Page]:
        for page in super().iter_pages(*args, **kwargs):
            self.readers.add(threading.current_thread())
            if threading.current_thread() is not threading.main_thread():
                self.read_ahead.set()
            yield page


def recording_client(sandbox: Sandbox) -> RecordingClient:
    """Return a client of an account with six pages."""
    sandbox.reset(replace(sandbox.config, images=60, page_cap=10))
    client = RecordingClient(Settings(sandbox.token, sandbox.base_url))
    client.readers, client.read_ahead = set(), threading.Event()
    return client


@pytest.mark.parametrize("plan", [{}, {"sync": True}], ids=["snapshot", "sync"])
def test_state_and_folder_change_in_the_thread_of_the_task(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    writers: set[threading.Thread] = set()

    def recorded(call: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            writers.add(threading.current_thread())
            return call(*args, **kwargs)

        return wrapped

    client = recording_client(sandbox)
    sync = _LocalDraft.sync

    def slow_sync(draft: _LocalDraft) -> None:
        if draft.bytes > 5_000 and not client.read_ahead.wait(TIMEOUT):
            raise TimeoutError
        sync(draft)

    # A disk that is as slow as a store.
    monkeypatch.setattr(LocalStorage, "is_local", False)
    monkeypatch.setattr(_LocalDraft, "sync", slow_sync)
    methods = [(LocalStorage, name) for name in ("lock", "remove", "draft")]
    for owner, name in (*methods, (Checkpoint, "__setattr__")):
        monkeypatch.setattr(owner, name, recorded(getattr(owner, name)))
    for arrivals in (0, 7):
        sandbox.arrive(arrivals)
        export_images(client, plan=ExportPlan(part_rows=10, **plan), folder=ObjectStoragePath(str(tmp_path)))
    assert writers == {threading.current_thread()}
    assert {thread.name for thread in client.readers - writers} == {"minimax-pages"}, "while a part was stored"


def test_no_thread_is_started_for_quick_work(sandbox: Sandbox, tmp_path: Path) -> None:
    client = recording_client(sandbox)
    export_images(client, plan=ExportPlan(part_rows=10), folder=ObjectStoragePath(str(tmp_path)))
    assert client.readers == {threading.current_thread()}


@pytest.mark.parametrize("plan", [{"file_format": "csv"}, {"download_media": True}], ids=["slow format", "files"])
def test_the_task_reads_no_page_while_it_has_long_work(sandbox: Sandbox, tmp_path: Path, plan: dict[str, Any]) -> None:
    client = recording_client(sandbox)
    export_images(client, plan=ExportPlan(**plan), folder=ObjectStoragePath(str(tmp_path)))
    assert {thread.name for thread in client.readers} == {"minimax-pages"}
