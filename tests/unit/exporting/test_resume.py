"""What a next try makes of the checkpoint that it finds."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.exporting import storage
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.conftest import export_to

LIST = "GET /images/"
#: The history is the same after each reset.
HISTORY_END = 1_750_000_000_000
IMAGES, PAGE, PART = 200, 20, 30


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def undisturbed(sandbox: Sandbox, tmp_path: Path) -> dict[str, bytes]:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=IMAGES, page_cap=PAGE))
    export_to(str(tmp_path / "undisturbed"), part_rows=PART)
    return files(tmp_path / "undisturbed")


def run_of(run_id: str) -> dict[str, Any]:
    return {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id=run_id, map_index=-1)}


def export(folder: Path, run_id: str = "one", **options: Any) -> dict[str, Any]:
    options = {"part_rows": PART, **options}
    operator = MiniMaxExportImagesOperator(task_id="export", output_path=str(folder), **options)
    summary: dict[str, Any] = MiniMaxExportImagesOperator.execute.__wrapped__(operator, run_of(run_id))
    return summary


def break_off(sandbox: Sandbox, folder: Path, after: int = 5, **options: Any) -> None:
    sandbox.fail("401", operation=LIST, skip=after)
    with pytest.raises(errors.MiniMaxAuthError):
        export(folder, **options)


def pages_of(sandbox: Sandbox, folder: Path, run_id: str = "one", **options: Any) -> int:
    before = sandbox.stats.requests[LIST]
    export(folder, run_id, **options)
    return sandbox.stats.requests[LIST] - before


def test_the_next_try_goes_on_although_images_have_arrived(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    break_off(sandbox, tmp_path / "x")
    assert "manifest.json" not in files(tmp_path / "x")
    sandbox.arrive(7)
    assert pages_of(sandbox, tmp_path / "x") <= IMAGES // PAGE - 5 + 2
    assert files(tmp_path / "x") == undisturbed


@pytest.mark.parametrize("cursor", ["inclusive", "exclusive"])
@pytest.mark.parametrize("form", ["bare", "full"])
@pytest.mark.parametrize("bad", ["error", "ignore", "empty"])
def test_it_goes_on_under_each_reading_of_the_cursor(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], cursor: Any, form: Any, bad: Any
) -> None:
    sandbox.reset(replace(sandbox.config, cursor=cursor, cursor_form=form, bad_cursor=bad))
    break_off(sandbox, tmp_path / "x", 6)
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_another_run_goes_on_where_nothing_has_changed(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    break_off(sandbox, tmp_path / "x")
    # One page more, to look at the head of the list.
    assert pages_of(sandbox, tmp_path / "x", "two") <= IMAGES // PAGE - 5 + 3
    assert files(tmp_path / "x") == undisturbed


def test_another_run_does_not_miss_what_came_since(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    break_off(sandbox, tmp_path / "x")
    sandbox.arrive(7)
    caplog.set_level("INFO")
    assert export(tmp_path / "x", "two")["images"] == IMAGES + 7
    assert "discarded: it is of another run, and the list has changed since" in caplog.text


def test_another_run_does_not_trust_images_that_were_being_made(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=IMAGES, page_cap=PAGE, step_seconds=3600))
    (made,) = sandbox.create_image("a paper boat")
    break_off(sandbox, tmp_path / "x")
    sandbox.finish(made)
    export(tmp_path / "x", "two")
    first = json.loads((tmp_path / "x" / "images-00000.jsonl").read_text().splitlines()[0])
    assert (first["imageId"], first["statusLabel"]) == (made, "completed")


def test_a_checkpoint_of_other_parameters_is_discarded_with_its_parts(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    break_off(sandbox, tmp_path / "x", part_rows=10)
    caplog.set_level("INFO")
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed
    assert "discarded: it was made with other parameters" in caplog.text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "checkpoint.json").write_text("{"),
        lambda folder: (folder / "checkpoint.json").write_text('{"version":99}'),
        lambda folder: (folder / "images-00000.jsonl").unlink(),
        lambda folder: (folder / "images-00000.jsonl").write_text("short"),
    ],
)
def test_a_checkpoint_that_cannot_be_trusted_is_discarded(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], spoil: Any
) -> None:
    break_off(sandbox, tmp_path / "x")
    spoil(tmp_path / "x")
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_place_that_the_service_has_forgotten_begins_anew(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    break_off(sandbox, tmp_path / "x")
    sandbox.fail("400", operation=LIST, times=3)
    sandbox.fail("404", operation=LIST, times=1)
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed
    assert "begins anew" in caplog.text


def test_a_long_way_to_the_window_is_not_walked_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=IMAGES, page_cap=PAGE))
    old = sandbox.all_images()[-5]["createTime"] / 1000
    window = {"created_to": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(old))}
    break_off(sandbox, tmp_path / "x", 9, **window)
    assert pages_of(sandbox, tmp_path / "x", **window) <= 3


# A storage that fails


def test_a_full_disk_is_a_clear_error_and_the_next_try_goes_on(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    real = storage.Draft.write

    def write(draft: storage.Draft, body: bytes) -> int:
        nonlocal written
        written += len(body)
        if written > 120_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(draft, body)

    with monkeypatch.context() as patch:
        patch.setattr(storage.Draft, "write", write)
        with pytest.raises(errors.MiniMaxError, match=r"No space left on device.*after the last whole part") as raised:
            export(tmp_path / "x")
    assert not isinstance(raised.value, errors.MiniMaxBadRequestError)
    left = files(tmp_path / "x")
    assert {name: undisturbed[name] for name in left if name != "checkpoint.json"} == {
        name: body for name, body in left.items() if name != "checkpoint.json"
    }
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_permission_that_is_lost_half_way_is_a_clear_error(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, renamed = Path.replace, iter(range(100))

    def replace_(path: Path, target: Path) -> Path:
        if next(renamed) == 4:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_)
        with pytest.raises(errors.MiniMaxBadRequestError, match="cannot be written: Permission denied"):
            export(tmp_path / "x")
    assert set(files(tmp_path / "x")) == {"checkpoint.json", "images-00000.jsonl", "images-00001.jsonl"}
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_clock_that_jumps_changes_nothing(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    jumps = iter(range(1_000_000))
    monkeypatch.setattr(time, "time", lambda: now + (-1) ** next(jumps) * 1e6)
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_an_old_manifest_never_stands_beside_new_parts(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "x")
    sandbox.arrive(1)
    real = Path.replace

    def replace_(path: Path, target: Path) -> Path:
        assert target.name == "manifest.json" or not (tmp_path / "x" / "manifest.json").exists()
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace_)
    assert export(tmp_path / "x", "two")["images"] == IMAGES + 1
