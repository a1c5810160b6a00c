"""Exports whose process is killed: the next try goes on, and the result is that of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT

SERVE = """
import sys
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
with Sandbox(SandboxConfig(images=200, page_cap=20, media_pixels=24, spacing_seconds=9)) as sandbox:
    print(sandbox.url, sandbox.token, flush=True)
    sys.stdin.read()
"""
IMAGES = 200
PAGE = 20


class Service:
    """The sandbox in a process of its own: a fork would inherit the sockets of one in this process."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def reset(self) -> None:
        requests.post(f"{self.url}/_sandbox/reset", json={}, timeout=10).raise_for_status()

    def requests(self, operation: str) -> int:
        stats = requests.get(f"{self.url}/_sandbox/stats", timeout=10).json()
        return int(stats["requests"].get(operation, 0))

    def kill_exports(self, how: str, folder: Path, plan: dict[str, Any], **order: Any) -> dict[str, Any]:
        order |= {"how": how, "folder": str(folder), "plan": plan}
        order |= {"base_url": f"{self.url}/v1/minimax", "token": self.token}
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.killing", json.dumps(order)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result


@pytest.fixture(scope="module")
def _process() -> Iterator[Service]:
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Service(*process.stdout.readline().split())
        process.kill()


@pytest.fixture
def service(_process: Service) -> Service:
    _process.reset()
    return _process


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


MEDIA = {"download_media": True, "contact_sheet": True}


@pytest.mark.parametrize("plan", [{"part_rows": 25}, {"part_rows": 25, **MEDIA}], ids=["rows", "media"])
def test_killed_at_random_moments(service: Service, tmp_path: Path, plan: dict[str, Any]) -> None:
    """SIGKILL, 24 times: nothing lost, nothing twice, and no part fetched again that was finished."""
    kills = 24
    result = service.kill_exports("random", tmp_path, plan, kills=kills, seed=4)
    assert result["kills"] == kills
    undisturbed = files(tmp_path / "measured")
    assert {"manifest.json", "images-00000.jsonl", "images-00007.jsonl"} <= undisturbed.keys()
    assert "checkpoint.json" not in undisturbed
    for folder in map(Path, result["folders"]):
        assert files(folder) == undisturbed

    exports = 1 + len(result["folders"])
    # What a kill costs: the part under way, the page that it began in, and the two that were read ahead.
    lost = -(-plan["part_rows"] // PAGE) + 3
    # Rows wait for their files, some pages long. Files that are whole stay; those under way are fetched again.
    lost += 64 // PAGE + 1 if "download_media" in plan else 0
    assert service.requests("GET /images/") <= exports * IMAGES / PAGE + kills * lost
    assert service.requests("GET /media/{name}") <= exports * IMAGES + kills * 16


@pytest.mark.parametrize(
    "plan", [{"part_rows": 25, "max_images": 60}, {"part_rows": 3, "max_images": 7, **MEDIA}], ids=["rows", "media"]
)
def test_killed_before_each_touch_of_the_folder(service: Service, tmp_path: Path, plan: dict[str, Any]) -> None:
    """Every crash window: before each file that is made, renamed or removed."""
    result = service.kill_exports("sweep", tmp_path, plan)
    undisturbed = files(tmp_path / str(result["kills"]))
    assert result["kills"] > 10
    for folder in map(Path, result["folders"]):
        assert files(folder) == undisturbed
