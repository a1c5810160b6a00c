"""Which checkpoint the next attempt resumes from, and which one it discards."""

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
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.base import Draft
from tests.support import export_to, files

LIST = "GET /images/"
#: The history is the same after each reset.
HISTORY_END = 1_750_000_000_000
IMAGES, PAGE, PART = 200, 20, 30


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


def test_the_next_attempt_resumes_although_images_have_arrived(
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
def test_it_resumes_under_each_reading_of_the_cursor(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], cursor: Any, form: Any, bad: Any
) -> None:
    sandbox.reset(replace(sandbox.config, cursor=cursor, cursor_form=form, bad_cursor=bad))
    break_off(sandbox, tmp_path / "x", 6)
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_another_run_resumes_if_nothing_has_changed(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    break_off(sandbox, tmp_path / "x")
    # One page more, to look at the head of the list.
    assert pages_of(sandbox, tmp_path / "x", "two") <= IMAGES // PAGE - 5 + 3
    assert files(tmp_path / "x") == undisturbed


def test_another_run_does_not_miss_later_images(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    break_off(sandbox, tmp_path / "x")
    sandbox.arrive(7)
    caplog.set_level("INFO")
    assert export(tmp_path / "x", "two")["images"] == IMAGES + 7
    assert "discarded: it is of another run, and the list has changed since" in caplog.text


def test_another_run_does_not_trust_unfinished_images(sandbox: Sandbox, tmp_path: Path) -> None:
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
    assert "discarded: it was made with other parameters, or of other images" in caplog.text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda checkpoint: checkpoint | {"version": 99},
        lambda checkpoint: checkpoint | {"contents": None},
        lambda checkpoint: {name: checkpoint[name] for name in ("kind", "parts", "strays", "owner")},
    ],
)
def test_an_unusable_checkpoint_is_discarded(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], spoil: Any
) -> None:
    break_off(sandbox, tmp_path / "x")
    path = tmp_path / "x" / "checkpoint.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_checkpoint_with_a_missing_part_is_discarded(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    break_off(sandbox, tmp_path / "x")
    (tmp_path / "x" / "images-00000.jsonl").unlink()
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_checkpoint_belongs_to_the_run_that_resumed_from_it(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    break_off(sandbox, tmp_path / "x")
    sandbox.fail("401", operation=LIST, skip=3)
    with pytest.raises(errors.MiniMaxAuthError):
        export(tmp_path / "x", "two")
    sandbox.arrive(1)
    # It was 90 images that the first run had finished, and 120 then; nobody looks at the head again.
    assert pages_of(sandbox, tmp_path / "x", "two") <= (IMAGES - 120) // PAGE + 1
    assert files(tmp_path / "x") == undisturbed


def test_without_a_run_each_checkpoint_is_checked_against_the_list(
    sandbox: Sandbox, tmp_path: Path, undisturbed: Any
) -> None:
    sandbox.fail("401", operation=LIST, skip=5)
    with pytest.raises(errors.MiniMaxAuthError):
        export_to(str(tmp_path / "x"), part_rows=PART)
    sandbox.arrive(30)
    assert export_to(str(tmp_path / "x"), part_rows=PART)["images"] == IMAGES + 30


def test_after_a_lost_position_the_new_walk_is_saved(sandbox: Sandbox, tmp_path: Path) -> None:
    old = sandbox.all_images()[-5]["createTime"] / 1000
    window = {"created_to": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(old)), "part_rows": 10}
    sandbox.reset(replace(sandbox.config, page_cap=10))
    break_off(sandbox, tmp_path, 5, **window)
    sandbox.fail("400", operation=LIST, times=8)
    sandbox.fail("401", operation=LIST, skip=3)
    with pytest.raises(errors.MiniMaxAuthError):
        export(tmp_path, **window)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["scanned"] >= 10


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"")], ids=["lost", "emptied"])
def test_a_checkpoint_with_damaged_files_is_discarded(
    sandbox: Sandbox, tmp_path: Path, spoil: Any, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As they may be after a power loss."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    sandbox.reset(replace(sandbox.config, images=160, page_cap=PAGE, media_pixels=16))
    options = {"part_rows": 15, "download_media": True, "file_format": form}
    export(tmp_path / "undisturbed", **options)
    break_off(sandbox, tmp_path / "x", 6, **options)
    rows = [file for file in (tmp_path / "x" / "media").iterdir() if file.name in written(tmp_path / "x", form)]
    spoil(rows[3])
    caplog.set_level("INFO")
    fetched = sandbox.stats.count("GET /media/{name}")
    export(tmp_path / "x", **options)
    assert "discarded: its files are not all there" in caplog.text
    assert files(tmp_path / "x") == files(tmp_path / "undisturbed")
    assert sandbox.stats.count("GET /media/{name}") - fetched < 110, "complete files are not downloaded again"


def written(folder: Path, form: str) -> set[str]:
    with (folder / f"images-00000.{form}").open("rb") as file:
        rows = FORMATS[form].read(file, None)
        return {row["mediaPath"].rpartition("/")[2] for row in rows if row.get("mediaPath")}


@pytest.mark.usefixtures("sandbox")
def test_no_row_is_committed_before_its_file_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real, sync = Path.replace, os.sync

    def replace_(path: Path, target: Path) -> Path:
        events.append("file" if target.parent.name == "media" else target.name)
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace_)
    monkeypatch.setattr(os, "sync", lambda: (events.append("sync"), sync()))
    export(tmp_path, download_media=True)
    assert events.count("sync") == 2, "once for each part"
    for name in ("images-00000.jsonl", "images-00001.jsonl"):
        part = events.index(name)
        assert events[part + 1] == "sync"
        assert events[part + 2] in ("checkpoint.json", "file")
    assert events[-1] == "manifest.json"


def test_a_lost_position_starts_the_export_from_scratch(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    break_off(sandbox, tmp_path / "x")
    # As a cursor in either form, after the last image and the one before it, on a page of either size.
    sandbox.fail("400", operation=LIST, times=7)
    sandbox.fail("404", operation=LIST, times=1)
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed
    assert "starts from scratch" in caplog.text


def test_a_long_way_to_the_window_is_not_walked_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=IMAGES, page_cap=PAGE))
    old = sandbox.all_images()[-5]["createTime"] / 1000
    window = {"created_to": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(old))}
    break_off(sandbox, tmp_path / "x", 9, **window)
    assert pages_of(sandbox, tmp_path / "x", **window) <= 3


# A storage that fails


def test_a_full_disk_is_a_clear_error_and_the_next_attempt_resumes(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    real = Draft.write

    def write(draft: Draft, body: bytes) -> int:
        nonlocal written
        written += len(body)
        if written > 120_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(draft, body)

    with monkeypatch.context() as patch:
        patch.setattr(Draft, "write", write)
        with pytest.raises(errors.MiniMaxError, match=r"No space left.*after the last complete part") as raised:
            export(tmp_path / "x")
    assert not isinstance(raised.value, errors.MiniMaxBadRequestError)
    left = files(tmp_path / "x")
    assert {name: undisturbed[name] for name in left if name != "checkpoint.json"} == {
        name: body for name, body in left.items() if name != "checkpoint.json"
    }
    export(tmp_path / "x")
    assert files(tmp_path / "x") == undisturbed


def test_a_permission_that_is_lost_midway_is_a_clear_error(
    sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, renamed = Path.replace, iter(range(100))

    def replace_(path: Path, target: Path) -> Path:
        # The claim, and for each part: what comes, the part, and that it is there. Then what comes is said once more.
        if next(renamed) == 7:
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
        assert "images" not in target.name or not (tmp_path / "x" / "manifest.json").exists()
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace_)
    assert export(tmp_path / "x", "two")["images"] == IMAGES + 1


def test_the_page_of_an_older_export_never_stands_beside_new_parts(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=IMAGES, page_cap=PAGE))
    export(tmp_path, contact_sheet=True)
    sandbox.arrive(1)
    sandbox.fail("401", operation=LIST, skip=5)
    with pytest.raises(errors.MiniMaxAuthError):
        export(tmp_path, "two", contact_sheet=True)
    assert {name.partition("-")[0] for name in files(tmp_path)} == {"checkpoint.json", "images"}
