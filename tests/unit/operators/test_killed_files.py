"""A kill while a file is on its way: no further piece is read or sent, and no file appears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import TIMEOUT, connect
from tests.unit.operators.support import Task

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
#: More than lies between two processes on its way.
LARGE = 64 * 2**20
PIECE = 2**16


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Answer each request like this, on an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Upload


def test_an_upload_that_is_killed_sends_no_further_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "large.png"
    with source.open("wb") as file:
        file.write(PNG)
        file.truncate(LARGE)
    operator = MiniMaxUploadFileOperator(task_id="upload", source_path=source)
    received: list[int] = []
    is_over = Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        received.append(len(request.rfile.read(PIECE)))
        operator.on_kill()
        while piece := request.rfile.read(PIECE):
            received.append(len(piece))
        is_over.set()

    with serving(answer) as url:
        connect(monkeypatch, url, "user:1-x")
        with pytest.raises(errors.MiniMaxError, match="was killed"):
            Task().run(operator)
        assert is_over.wait(TIMEOUT)
    assert 0 < sum(received) < LARGE


@pytest.mark.parametrize("where", ["disk", "storage"])
def test_an_upload_that_is_killed_before_it_begins_sends_nothing(sandbox: Sandbox, tmp_path: Path, where: str) -> None:
    source = tmp_path / "picture.png"
    source.write_bytes(PNG)
    store = MemoryFileSystem()
    attach("memory", conn_id="of_the_test", fs=store)
    store.pipe_file("/folder/picture.png", PNG)
    path = str(source) if where == "disk" else "memory://of_the_test@folder/picture.png"
    assert Task().run(MiniMaxUploadFileOperator(task_id="upload", source_path=path))
    sent = len(sandbox.calls)
    operator = MiniMaxUploadFileOperator(task_id="upload", source_path=path)
    operator.on_kill()
    with pytest.raises(errors.MiniMaxError, match="was killed"):
        Task().run(operator)
    assert len(sandbox.calls) == sent


# Download


def large_picture(request: BaseHTTPRequestHandler, meanwhile: Callable[[], None]) -> None:
    """Send a picture, and do something when it is under way."""
    request.send_response(200)
    request.send_header("Content-Length", str(LARGE))
    request.end_headers()
    try:
        request.wfile.write(PNG + bytes(PIECE - len(PNG)))
        meanwhile()
        for _ in range(LARGE // PIECE - 1):
            request.wfile.write(bytes(PIECE))
    except OSError:
        # Nobody listens any more.
        request.close_connection = True


@pytest.mark.parametrize("count", [1, 3])
def test_a_download_that_is_killed_lets_no_file_appear(sandbox: Sandbox, tmp_path: Path, count: int) -> None:
    operators: list[MiniMaxDownloadOperator] = []
    with serving(lambda request: large_picture(request, operators[0].on_kill)) as url:
        sandbox.reset(replace(sandbox.config, media_origin=url))
        found = [image["imageId"] for image in sandbox.all_images() if image["status"] == 2][:count]
        operators.append(MiniMaxDownloadOperator(task_id="get", ids=found, output_path=tmp_path / "out"))
        with pytest.raises(errors.MiniMaxError, match="was killed"):
            Task().run(operators[0])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_download_that_is_killed_before_it_begins_asks_for_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    found = sandbox.all_images()[0]["imageId"]
    operator = MiniMaxDownloadOperator(task_id="get", ids=found, output_path=tmp_path / "out")
    operator.on_kill()
    with pytest.raises(errors.MiniMaxError, match="was killed"):
        Task().run(operator)
    assert not sandbox.calls


# What a file is called


def box(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x14ftyp" + brand + bytes(4) + brand + bytes(100)


@pytest.mark.parametrize(
    ("brand", "extension"),
    [(b"heic", "heic"), (b"avif", "avif"), (b"qt  ", "mov"), (b"isom", "mp4"), (b"M4A ", "m4a"), (b"3gp4", "3gp")],
)
def test_a_downloaded_file_is_called_what_it_is(sandbox: Sandbox, tmp_path: Path, brand: bytes, extension: str) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(box(brand))))
        request.end_headers()
        request.wfile.write(box(brand))

    with serving(answer) as url:
        sandbox.reset(replace(sandbox.config, media_origin=url))
        found = next(image["imageId"] for image in sandbox.all_images() if image["status"] == 2)
        (row,) = Task().run(MiniMaxDownloadOperator(task_id="get", ids=found, output_path=tmp_path))
    assert Path(row["path"]).suffix == f".{extension}"
    assert Path(row["path"]).read_bytes() == box(brand)


@pytest.mark.parametrize(
    ("brand", "name"),
    [(b"heic", "a HEIC picture"), (b"avif", "an AVIF picture"), (b"M4A ", "an M4A sound"), (b"qt  ", "a QuickTime")],
)
def test_what_the_service_does_not_take_is_not_sent_and_named(
    sandbox: Sandbox, tmp_path: Path, brand: bytes, name: str
) -> None:
    source = tmp_path / "file.mp4"
    source.write_bytes(box(brand))
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"{name}.*, not a png, jpeg, webp, mp3, wav or mp4"):
        Task().run(MiniMaxUploadFileOperator(task_id="upload", source_path=source))
    assert not sandbox.calls
