"""Helpers that tests of several folders share."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pytest


class Polling(Protocol):
    """A task that polls."""

    poke_interval: Any


#: Seconds after which something hangs; far more than a busy machine needs.
TIMEOUT = 600.0
Task = TypeVar("Task", bound=Polling)
ROOT = Path(__file__).resolve().parent.parent


def connect(monkeypatch: pytest.MonkeyPatch, host: str, token: str, **extra: object) -> None:
    """Define the connection ``minimax_default``."""
    connection = {"conn_type": "minimax", "host": host, "password": token, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", json.dumps(connection))


def image_id(number: int | str, account: int | str = 2) -> str:
    return f"user:1-minimax:{account}-image:{number}"


def at_pace(task: Task, interval: float) -> Task:
    """Return an operator or a sensor that polls more often than a DAG can make it.

    :param interval: seconds between two polls.
    """
    task.poke_interval = interval
    return task


def skip_retry_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hooks repeat a request at once, as often as ever."""
    from airflow_provider_minimax.hooks.minimax import MiniMaxHook

    monkeypatch.setattr(MiniMaxHook, "sleep", staticmethod(lambda _: None))


def execute(operator: Any, context: dict[str, Any] | None = None) -> Any:
    """Run an operator as Airflow does, which wraps ``execute`` against a call by accident."""
    return type(operator).execute.__wrapped__(operator, context or {})


def export_to(folder: str | Path, **options: Any) -> dict[str, Any]:
    """Export images as a task would, without one, and return the summary."""
    # Not above: Airflow reads its settings at the first import, and `tests/conftest.py` prepares them.
    from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator

    summary: dict[str, Any] = execute(MiniMaxExportImagesOperator(task_id="export", output_path=str(folder), **options))
    return summary


def files(folder: str | Path) -> dict[str, bytes]:
    """Return the files of a folder and their contents, by path. A contact sheet comes without the folder's name."""
    root = Path(folder)
    return {str(path.relative_to(root)): without_name(path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def without_name(page: bytes) -> bytes:
    """Return a contact sheet without the name of its folder, in which equal exports differ; any other file as it is."""
    return re.sub(rb"(?<=>)[^<>]+(?=: contact sheet</)", b"", page) if page.startswith(b"<!DOCTYPE html>") else page


def manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an export."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of an export to ``jsonl``."""
    return [json.loads(line) for part in sorted(folder.glob("*s-[0-9]*")) for line in part.open(encoding="utf-8")]


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.005)
