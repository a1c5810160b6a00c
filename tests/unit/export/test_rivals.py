"""Two exports in one folder, the first of which is paused before each of its changes: no manifest is incomplete.

The second one runs from start to end meanwhile, as the retry of a task whose worker was lost does. On a local disk the
first is paused before it locks the folder; on a store each request that changes something is late.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxAuthError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.ownership import TakenOverError
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.folders import storage_at
from tests.support import TIMEOUT

HISTORY_END = 1_750_000_000_000


@pytest.fixture(autouse=True)
def _pages(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=60, page_cap=20, media_pixels=8))


class Gate:
    """Pauses an export before its nth change; the export runs in a thread of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.close(-1)

    def close(self, number: int, file: str = "") -> None:
        """Pause it before its nth change of this file, or of any."""
        self.number, self.file = number, file
        self.is_there, self.go = threading.Event(), threading.Event()

    def pass_through(self, path: str) -> None:
        if not threading.current_thread().name.startswith(self.name) or self.file not in path:
            return
        self.number -= 1
        if self.number == -1:
            self.is_there.set()
            assert self.go.wait(TIMEOUT)


def gated(gates: tuple[Gate, ...], call: Callable[..., Any], is_change: Callable[..., bool]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if is_change(*args, **kwargs):
            for gate in gates:
                gate.pass_through(" ".join(map(str, args)))
        return call(*args, **kwargs)

    return wrapped


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gate, Gate]]:
    """One for an early export, and one for a late one."""
    gates = Gate("early"), Gate("late")
    # Airflow itself knows no such storage.
    attach("memory", fs=MemoryFileSystem())
    local = type(storage_at(ObjectStoragePath("/")))
    monkeypatch.setattr(local, "lock", gated(gates, local.lock, lambda *_: True))
    opens = gated(gates, MemoryFileSystem.open, lambda fs, path, mode="rb", **_: mode != "rb")
    monkeypatch.setattr(MemoryFileSystem, "open", opens)
    monkeypatch.setattr(MemoryFileSystem, "cp_file", gated(gates, MemoryFileSystem.cp_file, lambda *_, **__: True))
    yield gates
    MemoryFileSystem.store.clear()


def export(sandbox: Sandbox, folder: str, run: str, **plan: Any) -> dict[str, Any]:
    client = MiniMaxClient(Settings(sandbox.token, sandbox.base_url))
    return export_images(client, plan=ExportPlan(**plan), folder=ObjectStoragePath(folder), run=run)


@contextmanager
def paused(gate: Gate, *args: Any, **plan: Any) -> Iterator[Any]:
    """An export that is paused, or has ended before that; it continues at the end."""
    with ThreadPoolExecutor(1, gate.name) as pool:
        running = pool.submit(export, *args, **plan)
        running.add_done_callback(lambda _: gate.is_there.set())
        assert gate.is_there.wait(TIMEOUT)
        try:
            yield running
        finally:
            gate.go.set()


def check_complete(folder: str) -> dict[str, Any] | None:
    """Return the manifest after a check of all its files; None where it is missing."""
    storage = storage_at(ObjectStoragePath(folder))
    body = storage.read("manifest.json")
    if body is None:
        return None
    manifest: dict[str, Any] = json.loads(body)
    rows = [row for part in manifest["parts"] for row in rows_of(storage, part)]
    ids = [row["imageId"] for row in rows]
    assert len(set(ids)) == len(ids) == manifest["images"]
    for row in rows:
        if row.get("mediaPath"):
            assert storage.size_and_hash(row["mediaPath"]) == (row["mediaBytes"], row["mediaSha256"])
    return manifest


def rows_of(storage: Storage, part: dict[str, Any]) -> list[Any]:
    body = storage.read(part["name"])
    assert body is not None, f"{part['name']} is not there"
    assert hashlib.sha256(body).hexdigest() == part["sha256"]
    return [json.loads(line) for line in body.splitlines()]


SNAPSHOT = {"part_rows": 25}
SYNC = {"sync": True, "part_rows": 8}


@pytest.mark.parametrize("place", ["local", "memory"])
@pytest.mark.parametrize("run", ["one", "two"])
@pytest.mark.parametrize(
    "plan", [SNAPSHOT, SYNC, SYNC | {"download_media": True}], ids=["snapshot", "sync", "sync, media"]
)
def test_a_manifest_always_stands_for_a_complete_export(
    sandbox: Sandbox, tmp_path: Any, gates: tuple[Gate, Gate], plan: dict[str, Any], run: str, place: str
) -> None:
    """Before each change: at once, when the late one continues, and after one more export."""
    root = str(tmp_path) if place == "local" else "memory://exports"
    store = ObjectStoragePath(root).fs
    if plan.get("sync"):
        export(sandbox, f"{root}/zero", "zero", **plan)
    for number in itertools.count():
        # The same images once more, which an export copied from the first has.
        sandbox.reset(replace(sandbox.config))
        folder = f"{root}/{number}"
        if plan.get("sync"):
            store.copy(f"{root}/zero", folder, recursive=True)
            sandbox.arrive(10)
        gates[0].close(number)
        with paused(gates[0], sandbox, folder, "one", **plan) as early:
            if early.done():
                break
            if run == "two":
                sandbox.arrive(7)
            images = export(sandbox, folder, run, **plan)["images"]
            after = check_complete(folder)
            assert after is not None
            assert after["images"] == images == len(sandbox.all_images())
        with pytest.raises(TakenOverError):
            early.result()
        assert check_complete(folder) == after
        sandbox.arrive(1)
        assert export(sandbox, folder, "three", **plan)["images"] == images + 1
        check_complete(folder)
        # A store in memory searches all that it holds.
        store.rm(folder, recursive=True)
    assert early.result()["images"] == len(sandbox.all_images())
    assert number > 6


def test_a_late_upload_of_a_part_replaces_no_other_one(sandbox: Sandbox, gates: tuple[Gate, Gate]) -> None:
    """It arrives when the other export has taken the folder over, at any point of that export."""
    early_gate, late_gate = gates
    for number in itertools.count(1):
        sandbox.reset(replace(sandbox.config))
        folder = f"memory://exports/{number}"
        early_gate.close(0, "images-00001")
        late_gate.close(number)
        with ExitStack() as later:
            with paused(early_gate, sandbox, folder, "one", part_rows=20) as early:
                assert not early.done()
                sandbox.arrive(7)
                late = later.enter_context(paused(late_gate, sandbox, folder, "two", part_rows=20))
                is_last = late.done()
            with pytest.raises(TakenOverError):
                early.result()
        assert late.result()["images"] == 67
        after = check_complete(folder)
        assert after is not None
        assert after["images"] == 67
        if is_last:
            break
    assert number > 6


@pytest.fixture
def _no_exclusive_mode(gates: tuple[Gate, Gate], monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the libraries of most stores."""
    opens = MemoryFileSystem.open

    def refusing(fs: MemoryFileSystem, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "xb":
            raise NotImplementedError("mode xb")
        return opens(fs, path, mode=mode, **options)

    monkeypatch.setattr(MemoryFileSystem, "open", refusing)


@pytest.mark.usefixtures("_no_exclusive_mode")
@pytest.mark.parametrize("part", ["images-00000", "images-00001"])
@pytest.mark.parametrize("is_older", [False, True], ids=["new folder", "older export"])
def test_where_the_store_creates_nothing_exclusively_a_late_upload_replaces_no_part(
    sandbox: Sandbox, gates: tuple[Gate, Gate], part: str, is_older: bool
) -> None:
    """It has the size of the part that the other export has written meanwhile."""
    folder = "memory://exports/x"
    if is_older:
        export(sandbox, folder, "zero", part_rows=30)
    gates[0].close(0, part)
    with paused(gates[0], sandbox, folder, "one", part_rows=20) as early:
        assert not early.done()
        sandbox.arrive(7)
        assert export(sandbox, folder, "two", part_rows=20)["images"] == 67
        after = check_complete(folder)
        assert after is not None
    with pytest.raises(TakenOverError):
        early.result()
    assert check_complete(folder) == after
    names = [one["name"] for one in after["parts"]]
    assert all(re.fullmatch(r"images-0000\d-[0-9a-f]{8}\.jsonl", name) for name in names)
    assert names == sorted(names)
    sandbox.arrive(1)
    assert export(sandbox, folder, "three", part_rows=20)["images"] == 68
    check_complete(folder)


@pytest.mark.usefixtures("_no_exclusive_mode")
@pytest.mark.parametrize("plan", [SNAPSHOT, SYNC], ids=["snapshot", "sync"])
def test_an_attempt_on_such_a_store_adds_to_the_parts_of_another_one(sandbox: Sandbox, plan: dict[str, Any]) -> None:
    folder = "memory://exports/x"
    if plan.get("sync"):
        export(sandbox, folder, "zero", **plan)
        sandbox.arrive(33)
    sandbox.fail("401", operation="GET /images/", skip=1 if plan.get("sync") else 2)
    with pytest.raises(MiniMaxAuthError):
        export(sandbox, folder, "one", **plan)
    images = export(sandbox, folder, "one", **plan)["images"]
    after = check_complete(folder)
    assert after is not None
    assert after["images"] == images == len(sandbox.all_images())
    assert len({one["name"].split("-")[2] for one in after["parts"]}) > 1


@pytest.mark.parametrize("is_older", [False, True], ids=["new folder", "older export"])
@pytest.mark.usefixtures("gates")
def test_where_the_store_can_refuse_to_overwrite_names_are_plain(sandbox: Sandbox, is_older: bool) -> None:
    folder = "memory://exports/x"
    for part_rows in (30, 20) if is_older else (20,):
        export(sandbox, folder, "one", part_rows=part_rows)
    found = sorted(path.rpartition("/")[2] for path in MemoryFileSystem.store)
    assert found == ["images-00000.jsonl", "images-00001.jsonl", "images-00002.jsonl", "manifest.json"]
