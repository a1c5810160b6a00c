"""Taking over a folder: of several exports in it one continues, and images of several connections do not mix."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.ownership import TakenOverError
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
from airflow_provider_minimax.storage.folders import storage_at
from tests.support import TIMEOUT, files

LIST = "GET /images/"
HISTORY_END = 1_750_000_000_000


@pytest.fixture(autouse=True)
def _pages(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=200, page_cap=20, media_pixels=16))


class Pause:
    """Pauses an export, as a worker does that Airflow has lost."""

    def __init__(self) -> None:
        self.is_there, self.go = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.is_there.set()
        assert self.go.wait(TIMEOUT)


def client_of(sandbox: Sandbox) -> MiniMaxClient:
    return MiniMaxClient(Settings(sandbox.token, sandbox.base_url))


class PausedAtFirst(MiniMaxClient):
    @cached_property
    def pause(self) -> Pause:
        return Pause()

    def iter_pages(self, *args: Any, **kwargs: Any) -> Iterator[Page]:
        for number, page in enumerate(super().iter_pages(*args, **kwargs)):
            if number == 0:
                self.pause.wait()
            yield page


class PausedInTheEnd(MiniMaxClient):
    @cached_property
    def pause(self) -> Pause:
        return Pause()

    def get_job(self, kind: Any, job_id: str) -> dict[str, Any]:
        self.pause.wait()
        return super().get_job(kind, job_id)


@pytest.fixture
def pause_before_change(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Pause]:
    """Pause the export of a run before its nth change of the folder."""
    pauses: dict[str, tuple[int, Pause]] = {}
    changes = Counter[str]()
    local = type(storage_at(ObjectStoragePath("/")))
    lock = local.lock

    def paused(storage: Any) -> Any:
        name = threading.current_thread().name.rpartition("_")[0]
        number, pause = pauses.get(name, (-1, None))
        changes[name] += 1
        if pause is not None and changes[name] == number:
            pause.wait()
        return lock(storage)

    def pause_at(name: str, number: int) -> Pause:
        pauses[name] = number, Pause()
        return pauses[name][1]

    monkeypatch.setattr(local, "lock", paused)
    return pause_at


def export(
    sandbox: Sandbox, folder: Path, run: str, client: MiniMaxClient | None = None, **plan: Any
) -> dict[str, Any]:
    plan = {"part_rows": 30} | plan
    target = ObjectStoragePath(str(folder))
    return export_images(client or client_of(sandbox), plan=ExportPlan(**plan), folder=target, run=run)


@contextmanager
def paused_export(name: str, pause: Pause, *args: Any, **plan: Any) -> Iterator[Future[dict[str, Any]]]:
    """An export that has reached its pause; it continues at the end."""
    with ThreadPoolExecutor(1, name) as pool:
        running = pool.submit(export, *args, **plan)
        assert pause.is_there.wait(TIMEOUT), running.result(1)
        try:
            yield running
        finally:
            pause.go.set()


MEDIA = {"download_media": True, "contact_sheet": True, "max_images": 100}


@pytest.mark.parametrize(
    ("change", "plan"),
    [(4, {}), (12, {}), (12, MEDIA), (22, {"sync": True}), (26, {})],
    ids=["first part", "checkpoint", "checkpoint, media", "last part, sync", "manifest"],
)
@pytest.mark.parametrize("run", ["one", "two"])
def test_of_two_exports_in_a_folder_the_later_one_takes_over_and_the_earlier_one_stops(
    sandbox: Sandbox, tmp_path: Path, pause_before_change: Any, change: int, run: str, plan: dict[str, Any]
) -> None:
    """Also if the later one is the next attempt of the same task instance, whose first one Airflow has lost."""
    pause = pause_before_change("early", change)
    with paused_export("early", pause, sandbox, tmp_path / "x", "one", **plan) as early:
        if run == "two":
            sandbox.arrive(7)
        export(sandbox, tmp_path / "x", run, **plan)
        after = files(tmp_path / "x")
    with pytest.raises(TakenOverError, match="a retry takes it over"):
        early.result()
    assert files(tmp_path / "x") == after
    # A contact sheet names its folder.
    export(sandbox, tmp_path / "alone" / "x", "three", **plan)
    assert after == files(tmp_path / "alone" / "x")


def test_an_export_that_has_lost_the_folder_does_not_disturb_its_rival(
    sandbox: Sandbox, tmp_path: Path, pause_before_change: Any
) -> None:
    with contextlib.ExitStack() as later:
        with paused_export("early", pause_before_change("early", 12), sandbox, tmp_path / "x", "one") as early:
            sandbox.arrive(7)
            pause = pause_before_change("late", 10)
            late = later.enter_context(paused_export("late", pause, sandbox, tmp_path / "x", "two"))
        with pytest.raises(TakenOverError):
            early.result()
    assert late.result()["images"] == 207
    export(sandbox, tmp_path / "alone", "three")
    assert files(tmp_path / "x") == files(tmp_path / "alone")


def test_of_two_syncs_of_the_same_mirror_the_earlier_one_stops(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    sandbox.create_image("a paper boat")
    export(sandbox, tmp_path, "zero", sync=True)
    sandbox.arrive(30)
    client = PausedInTheEnd(Settings(sandbox.token, sandbox.base_url))
    with paused_export("early", client.pause, sandbox, tmp_path, "one", client, sync=True) as early:
        sandbox.arrive(15)
        assert export(sandbox, tmp_path, "two", sync=True)["images"] == 246
        after = files(tmp_path)
    with pytest.raises(TakenOverError):
        early.result()
    assert files(tmp_path) == after


def test_a_folder_that_changed_after_its_inspection_is_not_taken_over(sandbox: Sandbox, tmp_path: Path) -> None:
    export(sandbox, tmp_path, "zero", sync=True)
    client = PausedAtFirst(Settings(sandbox.token, sandbox.base_url))
    with paused_export("early", client.pause, sandbox, tmp_path, "one", client, sync=True) as early:
        sandbox.arrive(15)
        export(sandbox, tmp_path, "two", sync=True)
        after = files(tmp_path)
    with pytest.raises(TakenOverError):
        early.result()
    assert files(tmp_path) == after


def test_a_part_that_was_changed_during_the_export_prevents_the_manifest(
    sandbox: Sandbox, tmp_path: Path, pause_before_change: Any
) -> None:
    with paused_export("early", pause_before_change("early", 22), sandbox, tmp_path, "one") as early:
        (tmp_path / "images-00001.jsonl").write_text("mine")
    with pytest.raises(MiniMaxError, match=r"images-00001\.jsonl is not what was written there"):
        early.result()
    assert "manifest.json" not in files(tmp_path)
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00001\.jsonl\. They stay as they are"):
        export(sandbox, tmp_path, "one")
    assert (tmp_path / "images-00001.jsonl").read_text() == "mine"
    (tmp_path / "images-00001.jsonl").unlink()
    assert export(sandbox, tmp_path, "one")["images"] == 200


# The base of a sync


@pytest.mark.parametrize("number", [0, 6])
def test_a_mirror_with_a_missing_part_starts_from_scratch(
    sandbox: Sandbox, tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    export(sandbox, tmp_path / "x", "one", sync=True)
    (tmp_path / "x" / f"images-{number:05d}.jsonl").unlink()
    sandbox.arrive(2)
    assert export(sandbox, tmp_path / "x", "two", sync=True)["images"] == 202
    assert f"images-{number:05d}.jsonl is missing or damaged" in caplog.text
    export(sandbox, tmp_path / "alone", "three")
    assert files(tmp_path / "x") == files(tmp_path / "alone")


# Whose images


@pytest.fixture
def other(sandbox: Sandbox) -> Iterator[Sandbox]:
    config = SandboxConfig(images=200, page_cap=20, history_end=HISTORY_END, seed=9, bad_cursor="ignore")
    with Sandbox(replace(config, token="user:2222-other")) as other:
        yield other


def test_the_manifest_names_the_user_and_not_the_token(sandbox: Sandbox, tmp_path: Path) -> None:
    export(sandbox, tmp_path, "one")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["service"], manifest["user"]) == (sandbox.base_url, "1000")
    assert all(sandbox.token.encode() not in body for body in files(tmp_path).values())


def test_a_sync_over_another_connection_starts_from_scratch(sandbox: Sandbox, other: Sandbox, tmp_path: Path) -> None:
    export(sandbox, tmp_path / "x", "one", sync=True)
    other.arrive(5)
    export(other, tmp_path / "x", "two", sync=True)
    export(other, tmp_path / "alone", "two")
    assert files(tmp_path / "x") == files(tmp_path / "alone")


def test_an_export_over_another_connection_does_not_resume(sandbox: Sandbox, other: Sandbox, tmp_path: Path) -> None:
    sandbox.fail("401", operation=LIST, skip=5)
    with pytest.raises(MiniMaxAuthError):
        export(sandbox, tmp_path / "x", "one")
    export(other, tmp_path / "x", "one")
    export(other, tmp_path / "alone", "two")
    assert files(tmp_path / "x") == files(tmp_path / "alone")


def test_a_mirror_refuses_images_of_another_account_of_the_same_user(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without an account in the task the service chooses, and what it has may change."""
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts

    class Chosen(MiniMaxClient):
        account = first

        def list_page(self, kind: Any, limit: int, after: Any = None, account: Any = None) -> dict[str, Any]:
            return super().list_page(kind, limit, after, self.account)

    client = Chosen(Settings(sandbox.token, sandbox.base_url))
    export(sandbox, tmp_path, "one", client, sync=True)
    before = files(tmp_path)
    client.account = second
    with pytest.raises(MiniMaxBadRequestError, match=f"images of .*{second}, and the mirror those of .*{first}"):
        export(sandbox, tmp_path, "two", client, sync=True)
    assert {name: body for name, body in files(tmp_path).items() if name != "checkpoint.json"} == before
