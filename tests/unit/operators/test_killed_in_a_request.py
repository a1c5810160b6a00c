"""A kill in the middle of a request that hangs, or of a pause between two attempts: the task ends at once."""

from __future__ import annotations

import logging
import signal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, main_thread
from typing import Any

import pytest

from airflow_provider_minimax.api import errors, transport
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import MiniMaxListImagesOperator
from tests.support import connect
from tests.unit.operators.support import Task
from tests.unit.operators.test_killed_files import PNG, serving

IMAGE = "user:1-minimax:2-image:3"


def operator(kind: str, folder: Path) -> Any:
    picture = folder / "picture.png"
    picture.write_bytes(PNG)
    return {
        "list": MiniMaxListImagesOperator(task_id="task"),
        "upload": MiniMaxUploadFileOperator(task_id="task", source_path=picture),
        "download": MiniMaxDownloadOperator(task_id="task", ids=IMAGE, output_path=folder / "out"),
    }[kind]


@pytest.mark.parametrize("where", ["request", "pause"])
@pytest.mark.parametrize("kind", ["list", "upload", "download"])
def test_the_task_ends_while_the_service_is_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kill: list[Any], kind: str, where: str
) -> None:
    kill.append(operator(kind, tmp_path))
    is_over, asked = Event(), []

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if where == "pause":
            request.send_response(503)
            request.send_header("Retry-After", "50")
            request.send_header("Content-Length", "0")
            request.end_headers()
            request.wfile.flush()
        signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)
        # Nothing more comes until the task has ended.
        is_over.wait(30)

    with serving(respond) as url:
        connect(monkeypatch, url, "user:1-x", read_timeout=25)
        try:
            with pytest.raises(errors.MiniMaxError, match="was killed"):
                Task().run(kill[0])
            assert not is_over.is_set()
        finally:
            is_over.set()
    assert len(asked) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_kill_that_meets_a_destructor_ends_the_task_before_its_next_pause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    task, asked = operator("list", tmp_path), []

    class Dying:
        def __del__(self) -> None:
            task.on_kill()

    class Destructor(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            Dying()

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        request.send_error(503)

    log, handler = logging.getLogger(transport.__name__), Destructor()
    log.addHandler(handler)
    try:
        with serving(respond) as url:
            connect(monkeypatch, url, "user:1-x")
            with pytest.raises(errors.MiniMaxError, match="was killed"):
                Task().run(task)
    finally:
        log.removeHandler(handler)
    assert len(asked) == 1
