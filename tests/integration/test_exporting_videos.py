"""Exports of many videos while the service misbehaves, videos arrive, and the process is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import ROOT

LIST = "GET /videos/"
#: As many as somebody wants to see it with.
VIDEOS = int(os.environ.get("MINIMAX_TEST_VIDEOS", "2000"))
SERVE = """
import json, sys
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
with Sandbox(SandboxConfig(**json.loads(sys.argv[1]))) as sandbox:
    print(sandbox.url, sandbox.token, json.dumps([video["videoId"] for video in sandbox.all_videos()]), flush=True)
    sys.stdin.read()
"""


@contextmanager
def service(**config: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Yield address, token and the ids of all videos of a sandbox in a process of its own: this one is forked."""
    command = [sys.executable, "-c", SERVE, json.dumps(config)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token, ids = process.stdout.readline().split(maxsplit=2)
        yield url, token, json.loads(ids)
        process.kill()


@pytest.mark.parametrize("form", ["array", "wrapped"])
def test_each_video_once_through_faults_drift_and_kills(tmp_path: Path, form: str) -> None:
    kills, pages = 8, VIDEOS // 100
    faults = [
        {"kind": kind, "operation": LIST, "skip": pages * n // 8, "retry_after": 0, "count": 30}
        for n, kind in enumerate(("429", "arrive", "reset", "502-html", "arrive", "truncated"), 1)
    ]
    with service(videos=VIDEOS, images=0, videos_form=form) as (url, token, before):
        for fault in faults:
            requests.post(f"{url}/_sandbox/faults", json=fault, timeout=10).raise_for_status()
        options = {"how": "parts", "folder": str(tmp_path / "export"), "kind": "video", "kills": kills}
        options |= {"plan": {"part_rows": VIDEOS // 20}, "base_url": f"{url}/v1/minimax", "token": token}
        command = [sys.executable, "-m", "tests.integration.killing", json.dumps(options)]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=300)
        assert requests.get(f"{url}/_sandbox/faults", timeout=10).json() == []
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    parts = [tmp_path / "export" / part["name"] for part in manifest["parts"]]
    exported = [json.loads(line)["videoId"] for part in parts for line in part.open(encoding="utf-8")]
    # After a kill before the first checkpoint the next attempt starts from scratch, and finds what has arrived.
    assert exported[-VIDEOS:] == before
    assert len(exported) == len(set(exported)) == manifest["videos"] < VIDEOS + 100
