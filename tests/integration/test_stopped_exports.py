"""Exports whose task is killed as Airflow does it: the handler of SIGTERM calls ``on_kill``, and the task runs on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import ROOT, TIMEOUT, execute, files, until

LIST = "GET /images/"
MEDIA = "GET /media/{name}"
KILLED = "MiniMaxError: The task was killed and has stopped."


@pytest.fixture(autouse=True)
def _pages(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=60, page_cap=10, media_pixels=8))


def start(sandbox: Sandbox, how: str, folder: Path, **plan: Any) -> subprocess.Popen[str]:
    options = {"how": how, "folder": str(folder), "plan": plan, "base_url": sandbox.base_url, "token": sandbox.token}
    command = [sys.executable, "-m", "tests.integration.killing", json.dumps(options)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str], within: float = TIMEOUT) -> dict[str, Any]:
    output, _ = process.communicate(timeout=within)
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("fault", "operation", "skip", "plan", "part"),
    [
        ("slow", LIST, 4, {"part_rows": 15}, "images-00004.jsonl"),
        ("drip", LIST, 4, {"part_rows": 15}, "images-00004.jsonl"),
        ("slow", MEDIA, 40, {"part_rows": 15, "download_media": True}, "images-00000.jsonl"),
        ("drip", MEDIA, 40, {"part_rows": 15, "download_media": True, "on_media_error": "skip"}, "images-00000.jsonl"),
    ],
    ids=["page is late", "page drips", "file is late", "file drips"],
)
def test_a_killed_export_stops_in_the_middle_of_a_response(
    sandbox: Sandbox, tmp_path: Path, fault: str, operation: str, skip: int, plan: dict[str, Any], part: str
) -> None:
    sandbox.reset(replace(sandbox.config, images=200, page_cap=20))
    sandbox.fail(fault, operation=operation, skip=skip, delay=60.0)
    with start(sandbox, "work", tmp_path / "x", **plan) as process:
        until(lambda: sandbox.stats.requests[operation] > skip and (tmp_path / "x" / part).exists())
        process.send_signal(signal.SIGTERM)
        # Long before the response is there.
        error = result_of(process, within=30)["error"]
    assert error.startswith(KILLED)
    there = files(tmp_path / "x")
    assert "checkpoint.json" in there
    assert "manifest.json" not in there
    sandbox.clear_faults()
    before = sandbox.stats.requests[LIST]
    export(tmp_path / "x", **plan)
    if operation == LIST:
        assert sandbox.stats.requests[LIST] - before < 200 / 20, "it resumes"
    export(tmp_path / "alone", **plan)
    assert files(tmp_path / "x") == files(tmp_path / "alone")


def export(folder: Path, **plan: Any) -> None:
    """Export as the next attempt of the task instance that was killed."""
    operator = MiniMaxExportImagesOperator(task_id="export", output_path=str(folder), **plan)
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="one", map_index=-1)
    execute(operator, {"ti": ti})


@pytest.mark.parametrize("plan", [{"part_rows": 25}, {"part_rows": 3, "max_images": 4, "download_media": True}])
def test_a_killed_export_publishes_no_manifest(sandbox: Sandbox, tmp_path: Path, plan: dict[str, Any]) -> None:
    """Killed before each file that it makes, renames or removes."""
    with start(sandbox, "stop", tmp_path, **plan) as process:
        result = result_of(process)
    stops = result["stops"]
    assert len(stops) > 10
    first = next(number for number, stop in enumerate(stops) if stop["manifest"])
    assert stops[first]["changed"] == "manifest.json", "it was already being renamed"
    assert all(stop["error"].startswith(KILLED) for stop in stops[:first])
    assert all(stop["manifest"] for stop in stops[first:])
    undisturbed = files(result["undisturbed"])
    for stop in stops:
        assert files(stop["folder"]) == undisturbed
