"""Mirrors: a sync costs what the new images cost, and holds each image once, as it is now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxNotFoundError, MiniMaxUpstreamError
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to, files, manifest

LIST, READ = "GET /images/", "GET /images/{id}"


def sync(folder: Path, **options: Any) -> dict[str, Any]:
    return export_to(folder, mode="sync", **options)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Read the mirror as its manifest says."""
    parts = manifest(folder)["parts"]
    found = [
        json.loads(line) for part in parts for line in (folder / part["name"]).read_text(encoding="utf-8").splitlines()
    ]
    assert len(found) == manifest(folder)["images"]
    return found


@pytest.mark.parametrize("options", [{}, {"part_rows": 7, "download_media": True, "contact_sheet": True}])
def test_the_first_sync_equals_a_snapshot(sandbox: Sandbox, tmp_path: Path, options: dict[str, Any]) -> None:
    # A contact sheet names its folder.
    sync(tmp_path / "mirror" / "x", **options)
    export_to(tmp_path / "snapshot" / "x", **options)
    assert files(tmp_path / "mirror") == files(tmp_path / "snapshot")


def test_ten_new_images_cost_one_page_however_many_there_are(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=3_000))
    sync(tmp_path)
    parts = files(tmp_path)
    before = sandbox.stats.requests[LIST]
    sandbox.arrive(10)
    summary = sync(tmp_path)
    assert sandbox.stats.requests[LIST] - before == 1
    assert sandbox.stats.count(READ) == 0
    assert summary["images"] == 3_010
    assert summary["parts"] == 2
    assert rows(tmp_path) == sandbox.all_images()
    # The history does not change.
    assert files(tmp_path)["images-00000.jsonl"] == parts["images-00000.jsonl"]


def test_a_sync_without_new_images_changes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sync(tmp_path)
    before = files(tmp_path)
    sync(tmp_path)
    assert files(tmp_path) == before


def test_more_new_images_than_a_page_are_all_found(sandbox: Sandbox, tmp_path: Path) -> None:
    sync(tmp_path)
    sandbox.arrive(250)
    sync(tmp_path, part_rows=10_000)
    assert rows(tmp_path) == sandbox.all_images()


def test_an_unfinished_image_is_read_again_and_replaces_its_row(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    made = sandbox.create_image("a paper boat", quantity=2)
    sync(tmp_path, part_rows=20, download_media=True)
    assert {row["statusLabel"] for row in rows(tmp_path) if row["imageId"] in made} == {"pending"}
    sandbox.finish(made[0])
    sandbox.arrive(3)
    summary = sync(tmp_path, part_rows=20, download_media=True)
    assert sandbox.stats.count(READ) == 2
    exported = {row["imageId"]: row for row in rows(tmp_path)}
    assert len(exported) == summary["images"] == 65
    assert exported[made[0]]["statusLabel"] == "completed"
    assert (tmp_path / exported[made[0]]["mediaPath"]).is_file()
    assert exported[made[1]]["statusLabel"] == "pending"
    # The rewritten part replaced the old one.
    assert sorted(path.name for path in tmp_path.glob("images-*")) == sorted(
        part["name"] for part in manifest(tmp_path)["parts"]
    )
    sandbox.finish(made[1], 3)
    sync(tmp_path, part_rows=20, download_media=True)
    assert sandbox.stats.count(READ) == 3
    assert [row["imageId"] for row in rows(tmp_path)] == [image["imageId"] for image in sandbox.all_images()]
    sync(tmp_path, part_rows=20, download_media=True)
    assert sandbox.stats.count(READ) == 3


def test_an_image_that_was_left_out_while_unfinished_is_added_later(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    (made,) = sandbox.create_image("a paper boat")
    sync(tmp_path, statuses=["completed"])
    assert made not in {row["imageId"] for row in rows(tmp_path)}
    sandbox.finish(made)
    sync(tmp_path, statuses=["completed"])
    completed = [image for image in sandbox.all_images() if image["statusLabel"] == "completed"]
    assert rows(tmp_path) == completed


def test_a_row_that_is_no_longer_selected_is_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    first, second = sandbox.create_image("a paper boat", quantity=2)
    sync(tmp_path, statuses=["pending"])
    assert len(rows(tmp_path)) == 2
    sandbox.finish(first)
    sync(tmp_path, statuses=["pending"])
    assert [row["imageId"] for row in rows(tmp_path)] == [second]
    sandbox.finish(second)
    assert sync(tmp_path, statuses=["pending"])["images"] == 0
    assert rows(tmp_path) == []


def test_other_parameters_start_the_mirror_from_scratch(sandbox: Sandbox, tmp_path: Path) -> None:
    sync(tmp_path)
    sync(tmp_path, statuses=["completed"])
    export_to(tmp_path / "snapshot", statuses=["completed"])
    assert rows(tmp_path) == rows(tmp_path / "snapshot")


def test_a_failed_sync_leaves_the_old_mirror_complete(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=40, page_cap=20))
    sync(tmp_path, part_rows=15)
    before = rows(tmp_path)
    sandbox.arrive(50)
    sandbox.fail("401", operation=LIST, skip=2)
    with pytest.raises(Exception, match="401"):
        sync(tmp_path, part_rows=15)
    assert rows(tmp_path) == before
    done = sandbox.stats.requests[LIST]
    sync(tmp_path, part_rows=15)
    assert rows(tmp_path) == sandbox.all_images()
    # It went on after the two parts that it had finished.
    assert sandbox.stats.requests[LIST] - done <= 3
    assert not (tmp_path / "checkpoint.json").exists()


def test_the_newest_known_image_may_be_gone(sandbox: Sandbox, tmp_path: Path) -> None:
    import requests

    sync(tmp_path)
    head = sandbox.all_images()[0]["imageId"]
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    requests.delete(f"{sandbox.base_url}/images/{head}", headers=headers, timeout=10).raise_for_status()
    sandbox.arrive(2)
    assert sync(tmp_path)["images"] == 62


@pytest.mark.parametrize("options", [{}, {"file_format": "parquet"}], ids=["jsonl", "parquet"])
def test_a_change_of_status_is_mirrored_and_the_image_is_read_again(
    sandbox: Sandbox, tmp_path: Path, options: dict[str, Any]
) -> None:
    if options:
        pytest.importorskip("pyarrow")
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    made, other = sandbox.create_image("a paper boat", quantity=2)
    sync(tmp_path / "x", **options)
    sandbox.finish(made, 1)
    sync(tmp_path / "x", **options)
    assert labels(tmp_path / "x")[made] == "processing"
    assert labels(tmp_path / "x")[other] == "pending"
    assert {one["image_id"] for one in manifest(tmp_path / "x")["unfinished"]} == {made, other}


def test_a_change_of_status_out_of_the_selection_and_into_it_is_mirrored(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    one, other = sandbox.create_image("a paper boat", quantity=2)
    sandbox.finish(other, 1)
    sync(tmp_path, statuses=["processing"])
    assert labels(tmp_path).keys() == {other}
    sandbox.finish(one, 1)
    sandbox.finish(other, 12)
    sandbox.finish(other, 0)
    sync(tmp_path, statuses=["processing"])
    assert labels(tmp_path).keys() == {one}
    sandbox.finish(other, 1)
    sync(tmp_path, statuses=["processing"])
    assert labels(tmp_path).keys() == {one, other}
    assert manifest(tmp_path)["images"] == 2


def test_unchanged_parts_are_not_rewritten(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    sandbox.create_image("a paper boat")
    sync(tmp_path)
    before = files(tmp_path)
    sync(tmp_path)
    assert sandbox.stats.count(READ) == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize("status", ["404", "400"])
def test_an_image_that_cannot_be_read_is_left_to_the_next_sync(sandbox: Sandbox, tmp_path: Path, status: str) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=3600))
    (made,) = sandbox.create_image("a paper boat")
    sync(tmp_path)
    sandbox.fail(status, operation=READ)
    sync(tmp_path)
    sandbox.finish(made)
    sync(tmp_path)
    assert labels(tmp_path)[made] == "completed"
    assert manifest(tmp_path)["unfinished"] == []


def test_files_that_could_not_be_downloaded_are_downloaded_later(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, media_pixels=16))
    media = {"download_media": True, "part_rows": 20}
    sandbox.fail("404", operation="GET /media/{name}", times=3)
    assert sync(tmp_path / "x", on_media_error="skip", **media)["media_failed"] == 3
    before = files(tmp_path / "x")
    sandbox.fail("404", operation="GET /media/{name}", times=3)
    assert sync(tmp_path / "x", on_media_error="skip", **media)["media_failed"] == 3
    assert files(tmp_path / "x") == before, "nothing has changed"
    sandbox.fail("404", operation="GET /media/{name}", times=1)
    assert sync(tmp_path / "x", on_media_error="skip", **media)["media_failed"] == 1
    healed = sync(tmp_path / "x", **media)
    snapshot = export_to(tmp_path / "snapshot", **media)
    assert (healed["media_failed"], healed["media_files"]) == (0, snapshot["media_files"])
    assert rows(tmp_path / "x") == rows(tmp_path / "snapshot")
    assert set(files(tmp_path / "x")) >= {name for name in files(tmp_path / "snapshot") if name.startswith("media/")}
    read_before = sandbox.stats.count(READ)
    sync(tmp_path / "x", **media)
    assert sandbox.stats.count(READ) == read_before


def test_an_old_failure_that_lasts_fails_the_sync_unless_failures_are_skipped(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, media_pixels=16))
    sandbox.fail("404", operation="GET /media/{name}", times=1)
    sync(tmp_path, download_media=True, on_media_error="skip")
    before = files(tmp_path)
    sandbox.fail("404", operation="GET /media/{name}", times=1)
    with pytest.raises(MiniMaxUpstreamError, match="cannot be fetched: status code 404"):
        sync(tmp_path, download_media=True)
    sandbox.fail("404", operation=READ, times=1)
    with pytest.raises(MiniMaxNotFoundError):
        sync(tmp_path, download_media=True)
    left = files(tmp_path)
    left.pop("checkpoint.json", None)
    assert left == before
    assert sync(tmp_path, download_media=True)["media_failed"] == 0


@pytest.mark.parametrize("which", ["newest", "oldest", "only"])
@pytest.mark.parametrize("status", [2, 5])
def test_the_summary_names_the_first_and_the_last_image_of_the_rows(
    sandbox: Sandbox, tmp_path: Path, which: str, status: int
) -> None:
    sandbox.reset(replace(sandbox.config, images=0 if which != "newest" else 4, step_seconds=3600))
    (made,) = sandbox.create_image("a paper boat")
    statuses = {"statuses": ["completed", "pending"], "part_rows": 2}
    for options in ({"statuses": ["completed"]}, statuses, {}):
        folder = tmp_path / str(len(options))
        sync(folder, **options)
    if which == "oldest":
        sandbox.arrive(3)
        for options in ({"statuses": ["completed"]}, statuses, {}):
            sync(tmp_path / str(len(options)), **options)
    sandbox.finish(made, status)
    for options in ({"statuses": ["completed"]}, statuses, {}):
        summary = sync(tmp_path / str(len(options)), **options)
        found = [row["imageId"] for row in rows(tmp_path / str(len(options)))]
        assert summary["images"] == len(found)
        assert summary["newest_image_id"] == (found[0] if found else None)
        assert summary["oldest_image_id"] == (found[-1] if found else None)


def labels(folder: Path) -> dict[str, str]:
    manifest_ = manifest(folder)
    form = FORMATS[manifest_["format"]]
    found = {}
    for part in manifest_["parts"]:
        with (folder / part["name"]).open("rb") as file:
            found |= {row["imageId"]: row["statusLabel"] for row in form.read(file, None)}
    return found
