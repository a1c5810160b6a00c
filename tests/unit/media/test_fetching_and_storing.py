"""Files are stored while others are fetched, and no more than 16 are fetched at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.downloader import MediaDownloader
from airflow_provider_minimax.storage.base import Draft
from airflow_provider_minimax.storage.local import LocalStorage

FETCHES = 16
FILES = 3 * FETCHES
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
#: Seconds for what never comes where it is broken.
FOREVER = 30


class Cdn:
    """Counts the requests that have arrived, and that are under way; holds the response of each until it is told."""

    def __init__(self) -> None:
        self.running, self.peak, self.arrived = 0, 0, 0
        self.changed = threading.Condition()
        self.is_open = threading.Event()

    def respond(self) -> None:
        with self.changed:
            self.running, self.arrived = self.running + 1, self.arrived + 1
            self.peak = max(self.peak, self.running)
            self.changed.notify_all()
        self.is_open.wait(FOREVER)
        with self.changed:
            self.running -= 1

    def wait_for_arrivals(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.arrived >= count, FOREVER)


@pytest.fixture
def cdn() -> Iterator[tuple[str, Cdn]]:
    state = Cdn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.respond()
            self.send_response(200)
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()
            self.wfile.write(PNG)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = FILES

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/x", state
    state.is_open.set()
    server.shutdown()
    thread.join()
    server.server_close()


class SlowStorage(LocalStorage):
    """Stores nothing until it is told, as a store far away might."""

    is_local = False

    def __init__(self, folder: ObjectStoragePath) -> None:
        super().__init__(folder)
        self.is_open = threading.Event()

    def draft(self, folder: str = "") -> Draft:
        draft = super().draft(folder)
        commit = draft.commit

        def commit_later(name: str, *, durable: bool = True, is_new: bool = False) -> None:
            self.is_open.wait(FOREVER)
            commit(name, durable=durable, is_new=is_new)

        draft.commit = commit_later  # type: ignore[method-assign]
        return draft


@pytest.fixture
def storage(tmp_path: Path) -> SlowStorage:
    storage = SlowStorage(ObjectStoragePath(str(tmp_path)))
    storage.prepare("media")
    return storage


def test_a_slow_storage_does_not_hold_up_the_next_files(cdn: tuple[str, Cdn], storage: SlowStorage) -> None:
    url, state = cdn
    with MediaDownloader(Settings("user:1-secret", "http://api"), storage) as fetcher:
        coming = [fetcher.submit({"imageId": f"image:{n}", "downloadURL": url}) for n in range(FILES)]
        assert state.wait_for_arrivals(FETCHES)
        state.is_open.set()
        # The first files are fetched, and none is stored.
        assert state.wait_for_arrivals(2 * FETCHES)
        assert not any(one.done() for one in coming)
        storage.is_open.set()
        assert len({one.result(FOREVER).path for one in coming}) == FILES


def test_the_service_is_asked_for_16_files_at_a_time(cdn: tuple[str, Cdn], storage: SlowStorage) -> None:
    url, state = cdn
    storage.is_open.set()
    with MediaDownloader(Settings("user:1-secret", "http://api"), storage) as fetcher:
        coming = [fetcher.submit({"imageId": f"image:{n}", "downloadURL": url}) for n in range(FILES)]
        assert state.wait_for_arrivals(FETCHES)
        state.is_open.set()
        assert not wait(coming, FOREVER).not_done
    assert state.peak == FETCHES
