"""Exports whose process is killed: the next attempt resumes, and the result equals that of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from tests.support import ROOT, TIMEOUT, files

SERVE = """
import sys
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
size = {"images": 200, "videos": 200, "page_cap": 20, "media_pixels": 24}
with Sandbox(SandboxConfig(**size, spacing_seconds=9, step_seconds=3600)) as sandbox:
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
        self.post("reset")

    def post(self, action: str, **body: Any) -> None:
        requests.post(f"{self.url}/_sandbox/{action}", json=body, timeout=TIMEOUT).raise_for_status()

    def create(self, quantity: int) -> list[str]:
        response = requests.post(
            f"{self.url}/v1/minimax/images/create",
            json={"prompt": "a paper boat", "quantity": quantity},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=TIMEOUT,
        )
        ids: list[str] = response.json()["imageIds"]
        return ids

    def requests(self, operation: str) -> int:
        stats = requests.get(f"{self.url}/_sandbox/stats", timeout=TIMEOUT).json()
        return int(stats["requests"].get(operation, 0))

    def kill_exports(self, how: str, folder: Path, **options: Any) -> dict[str, Any]:
        options |= {"how": how, "folder": str(folder)}
        options |= {"base_url": f"{self.url}/v1/minimax", "token": self.token}
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.killing", json.dumps(options)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            timeout=TIMEOUT,
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


MEDIA = {"download_media": True, "contact_sheet": True}


@pytest.mark.parametrize(
    ("kind", "plan"),
    [("image", {"part_rows": 25}), ("image", {"part_rows": 25, **MEDIA}), ("video", {"part_rows": 25, **MEDIA})],
    ids=["rows", "media", "videos"],
)
def test_killed_at_random_moments(service: Service, tmp_path: Path, kind: str, plan: dict[str, Any]) -> None:
    """SIGKILL, 24 times: nothing lost, nothing twice, and no part fetched again that was finished."""
    kills = 24
    result = service.kill_exports("random", tmp_path, kind=kind, plan=plan, kills=kills, seed=4)
    assert result["kills"] == kills
    undisturbed = files(tmp_path / "measured")
    assert {"manifest.json", f"{kind}s-00000.jsonl", f"{kind}s-00007.jsonl"} <= undisturbed.keys()
    assert "checkpoint.json" not in undisturbed
    for folder in map(Path, result["folders"]):
        assert files(folder) == undisturbed

    exports = 1 + len(result["folders"])
    # What a kill costs: the part under way, the page that it began in, and the four that were read ahead.
    lost = -(-plan["part_rows"] // PAGE) + 5
    # Rows wait for their files, some pages long. Complete files stay; those under way are downloaded again.
    lost += 64 // PAGE + 1 if "download_media" in plan else 0
    # The end of a list without flags is proven by two pages more, which a killed attempt may have read as well.
    proof = 2 if kind == "video" else 0
    assert service.requests(f"GET /{kind}s/") <= exports * (IMAGES / PAGE + proof) + kills * (lost + proof)
    assert service.requests("GET /media/{name}") <= exports * IMAGES + kills * 16


SMALL = {"part_rows": 2, "max_images": 5, **MEDIA}


def test_killed_before_each_change_of_the_folder(service: Service, tmp_path: Path) -> None:
    """Every crash window: before each file that is made, renamed or removed."""
    plans: dict[str, Any] = {"jsonl": {"part_rows": 25, "max_images": 60}, "gz": SMALL | {"file_format": "jsonl.gz"}}
    if find_spec("pyarrow") is not None:
        plans["parquet"] = SMALL | {"file_format": "parquet"}
    sweep(service, tmp_path, plans)


def sweep(service: Service, tmp_path: Path, plans: dict[str, Any], base: Path | None = None) -> None:
    result = service.kill_exports("sweep", tmp_path, plans=plans, base=base and str(base))
    for folders in result["sweeps"]:
        *killed, undisturbed = [files(Path(folder)) for folder in folders]
        assert len(killed) > 10
        assert "manifest.json" in undisturbed
        assert "checkpoint.json" not in undisturbed
        assert all(folder == undisturbed for folder in killed)


def test_a_permission_that_is_lost_midway_is_a_clear_error(service: Service) -> None:
    """Nothing can be made, renamed or removed any more, the draft of the part under way neither."""
    # In no folder that is root's alone.
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        Path(name).chmod(0o755)
        changes = [5, 6, 7, 8, 9, 10]
        result = service.kill_exports("refuse", Path(name), plan={"part_rows": 25}, changes=changes)
        complete = {"manifest.json", *(f"images-0000{number}.jsonl" for number in range(8))}
        for change, (kind, text, left) in zip(changes, result["errors"], strict=True):
            folder = Path(name) / str(change)
            assert kind == "MiniMaxBadRequestError"
            assert text.startswith(f"output_path {folder} cannot be written: Permission denied")
            assert "manifest.json" not in left
            assert files(folder).keys() == complete


def export(service: Service, folder: Path, **plan: Any) -> None:
    client = MiniMaxClient(Settings(service.token, f"{service.url}/v1/minimax"))
    export_images(client, plan=ExportPlan(**plan), folder=ObjectStoragePath(str(folder)), run="old")


def test_killed_while_it_replaces_an_older_export(service: Service, tmp_path: Path) -> None:
    export(service, tmp_path / "base", **SMALL | {"part_rows": 2, "max_images": 9})
    sweep(service, tmp_path, {"csv": SMALL | {"file_format": "csv"}}, tmp_path / "base")


def test_killed_while_it_adds_to_a_mirror(service: Service, tmp_path: Path) -> None:
    """News of two parts, a row that has changed, and one that was left out before."""
    plan = {"sync": True, "part_rows": 10, "contact_sheet": True}
    made = service.create(2)
    export(service, tmp_path / "base", **plan)
    service.post(f"jobs/{made[0]}", status=2)
    service.post("images", count=12)
    sweep(service, tmp_path, {"mirror": plan}, tmp_path / "base")
