"""Lists and exports of videos, executed against the sandbox: in both forms of its list, with and without times."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.kinds import VIDEOS
from airflow_provider_minimax.compat import AirflowFailException, AirflowSkipException
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator, MiniMaxListVideosOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import skip_retry_delays

LIST = "GET /videos/"
WRAPPED = {"videos_form": "wrapped"}
FORMS = pytest.mark.parametrize("form", ["array", "wrapped"])


def execute(operator: Any) -> Any:
    return type(operator).execute.__wrapped__(operator, {})


def listing(**options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = execute(MiniMaxListVideosOperator(task_id="list", **options))
    return found


def export(folder: Path, **options: Any) -> dict[str, Any]:
    summary: dict[str, Any] = execute(MiniMaxExportVideosOperator(task_id="export", output_path=str(folder), **options))
    return summary


def reset(sandbox: Sandbox, **options: Any) -> list[dict[str, Any]]:
    """Reset the sandbox to an account with videos, and return them."""
    sandbox.reset(replace(sandbox.config, **{"videos": 60, **options}))
    return sandbox.all_videos()


def ids(videos: list[dict[str, Any]]) -> list[str]:
    return [video["videoId"] for video in videos]


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    parts = [folder / part["name"] for part in manifest(folder)["parts"]]
    return [json.loads(line) for part in parts for line in part.open(encoding="utf-8")]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_retry_delays(monkeypatch)


# List


@FORMS
def test_the_newest_videos_come_first_in_one_request(sandbox: Sandbox, form: Any) -> None:
    videos = reset(sandbox, videos_form=form)
    assert ids(listing(limit=5)) == ids(videos[:5])
    assert sandbox.stats.requests == {LIST: 1}


def test_a_list_holds_the_compact_fields_and_no_others(sandbox: Sandbox) -> None:
    reset(sandbox)
    (video,) = listing(limit=1, statuses=["completed"])
    assert set(video) == {
        *("videoId", "status", "statusLabel", "statusFinal", "createTime", "modelID", "aspectRatio"),
        *("desc", "width", "height", "url"),
    }
    assert video["url"].endswith(".mp4")


@FORMS
def test_a_search_by_status_goes_to_the_end_of_the_list(sandbox: Sandbox, form: Any) -> None:
    videos = reset(sandbox, videos=250, videos_form=form)
    failed = [video for video in videos if video["statusLabel"] == "failed"]
    assert len(failed) > 2
    assert ids(listing(limit=1000, statuses=["failed"])) == ids(failed)


@FORMS
@pytest.mark.parametrize(
    "operator",
    [partial(MiniMaxListVideosOperator, on_empty="skip"), MiniMaxExportVideosOperator],
    ids=["list", "export"],
)
@pytest.mark.parametrize("window", [{"created_from": "2026-01-01"}, {"created_to": "2026-01-01"}])
def test_a_window_on_a_list_without_times_is_an_error_and_not_an_empty_result(
    sandbox: Sandbox, tmp_path: Path, form: Any, operator: Any, window: dict[str, str]
) -> None:
    reset(sandbox, videos_form=form)
    path = {"output_path": str(tmp_path)} if operator is MiniMaxExportVideosOperator else {}
    with pytest.raises(errors.MiniMaxBadRequestError, match=r"shows no creation times .* select by statuses") as caught:
        execute(operator(task_id="window", **window, **path))
    assert isinstance(caught.value, AirflowFailException), "a retry would look at the same list"
    assert list(tmp_path.iterdir()) == []


@FORMS
def test_a_window_selects_where_videos_carry_a_time(sandbox: Sandbox, tmp_path: Path, form: Any) -> None:
    videos = reset(sandbox, videos_form=form, video_times=True)
    newest, oldest = videos[10]["createTime"], videos[20]["createTime"]
    expected = [video for video in videos if oldest <= video["createTime"] < newest]
    window = {"created_from": oldest, "created_to": newest}
    assert ids(listing(limit=100, **window)) == ids(expected)
    assert export(tmp_path, **window)["videos"] == len(expected) > 0
    assert rows(tmp_path) == expected


@FORMS
@pytest.mark.parametrize(("on_empty", "raises"), [("skip", AirflowSkipException), ("fail", errors.MiniMaxError)])
def test_an_empty_list_is_a_result_of_its_own(sandbox: Sandbox, form: Any, on_empty: str, raises: Any) -> None:
    reset(sandbox, videos=0, videos_form=form)
    with pytest.raises(raises, match="None of the 0 videos"):
        listing(on_empty=on_empty)


# Export


@FORMS
@pytest.mark.parametrize("cursor", ["exclusive", "inclusive"])
@pytest.mark.parametrize("cursor_form", ["bare", "full"])
def test_every_video_once_through_faults_and_drift(
    sandbox: Sandbox, tmp_path: Path, form: Any, cursor: Any, cursor_form: Any
) -> None:
    before = reset(sandbox, videos=1_000, videos_form=form, cursor=cursor, cursor_form=cursor_form)
    for number, (kind, options) in enumerate(
        {"429": {"retry_after": 0}, "502-html": {}, "truncated": {}, "arrive": {"count": 140}, "reset": {}}.items()
    ):
        sandbox.fail(kind, operation=LIST, skip=1 + 2 * number, **options)
    summary = export(tmp_path, part_rows=300)
    assert not sandbox.pending_faults
    assert len(sandbox.all_videos()) == 1_140
    assert rows(tmp_path) == before
    assert summary == {
        "path": str(tmp_path),
        "manifest": f"{tmp_path}/manifest.json",
        "videos": 1_000,
        "parts": 4,
        "bytes": sum(path.stat().st_size for path in tmp_path.glob("videos-*")),
        "media_files": 0,
        "media_failed": 0,
        "newest_video_id": before[0]["videoId"],
        "oldest_video_id": before[-1]["videoId"],
    }


@FORMS
@pytest.mark.parametrize("size", [0, 1, 2, 99, 100, 101, 200])
def test_the_end_of_a_list_of_any_size_is_proven(sandbox: Sandbox, tmp_path: Path, form: Any, size: int) -> None:
    videos = reset(sandbox, videos=size, videos_form=form)
    assert export(tmp_path)["videos"] == size
    assert rows(tmp_path) == videos


@FORMS
def test_a_list_that_breaks_off_is_an_error_and_never_a_small_export(
    sandbox: Sandbox, tmp_path: Path, form: Any
) -> None:
    reset(sandbox, videos=300, videos_form=form)
    sandbox.fail("empty-page", operation=LIST, skip=1, times=0)
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"The list of videos cannot be read beyond video user:"):
        export(tmp_path)
    assert not (tmp_path / "manifest.json").exists()


@FORMS
def test_an_empty_list_replaces_no_videos_unless_it_is_sure(sandbox: Sandbox, tmp_path: Path, form: Any) -> None:
    before = reset(sandbox, videos_form=form)
    export(tmp_path)
    reset(sandbox, videos=0, videos_form=form)
    if form == "array":
        with pytest.raises(errors.MiniMaxShortListError, match=r"The list of videos is empty, .* an export of videos"):
            export(tmp_path)
        assert rows(tmp_path) == before
    assert export(tmp_path, allow_empty=form == "array")["videos"] == 0
    assert rows(tmp_path) == []


FORMATS = ["jsonl", "jsonl.gz", "csv", *(["parquet"] if find_spec("pyarrow") else [])]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("times", [False, True])
def test_a_format_gives_back_what_the_service_sent(sandbox: Sandbox, tmp_path: Path, name: str, times: bool) -> None:
    from airflow_provider_minimax.export.options import ExportPlan

    videos = reset(sandbox, video_times=times)
    plan = ExportPlan(VIDEOS, file_format=name)
    export(tmp_path, file_format=name)
    if name == "csv":
        # An empty cell stands for an empty text and for a missing one.
        videos = [{field: value for field, value in video.items() if value != ""} for video in videos]
    with (tmp_path / f"videos-00000.{name}").open("rb") as file:
        assert list(plan.format.read(file, None)) == videos


def test_a_csv_file_has_the_columns_of_videos(sandbox: Sandbox, tmp_path: Path) -> None:
    reset(sandbox)
    export(tmp_path, file_format="csv", download_media=True, statuses=["completed"], max_videos=2)
    with (tmp_path / "videos-00000.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert header[:3] == ["videoId", "status", "statusLabel"]
    assert header[-4:] == ["mediaPath", "mediaBytes", "mediaSha256", "otherFields"]
    assert "imageId" not in header


def test_the_files_of_videos_are_checked_and_named_by_what_they_are(sandbox: Sandbox, tmp_path: Path) -> None:
    reset(sandbox)
    summary = export(tmp_path, download_media=True, statuses=["completed"], max_videos=5)
    assert summary["media_files"] == summary["videos"] == 5
    for row in rows(tmp_path):
        body = (tmp_path / row["mediaPath"]).read_bytes()
        assert row["mediaPath"].endswith(".mp4")
        assert body[4:8] == b"ftyp"
        assert (row["mediaBytes"], row["mediaSha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_picture_in_the_place_of_a_video_is_refused(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_minimax.sandbox import routes_media

    reset(sandbox)
    monkeypatch.setattr(routes_media, "sample_video", lambda _: b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"The file of video .* no known video format"):
        export(tmp_path, download_media=True, statuses=["completed"], max_videos=1)
    summary = export(tmp_path, download_media=True, statuses=["completed"], max_videos=1, on_media_error="skip")
    assert (summary["media_files"], summary["media_failed"]) == (0, 1)
    (failed,) = manifest(tmp_path)["media_failed"]
    assert failed["video_id"] == summary["newest_video_id"]


def test_a_manifest_names_videos_and_nothing_of_images(sandbox: Sandbox, tmp_path: Path) -> None:
    reset(sandbox)
    held = sandbox.create_video("still made [hold]")
    export(tmp_path)
    found = manifest(tmp_path)
    assert found["kind"] == "airflow-provider-minimax/videos"
    assert (found["videos"], found["parts"][0]["videos"]) == (61, 61)
    assert [one["video_id"] for one in found["unfinished"]] == [held]
    assert "image" not in json.dumps(found)


def test_neither_kind_exports_into_a_folder_of_the_other(sandbox: Sandbox, tmp_path: Path) -> None:
    reset(sandbox)
    export(tmp_path / "videos")
    before = (tmp_path / "videos" / "manifest.json").read_bytes()
    images = MiniMaxExportImagesOperator(task_id="images", output_path=str(tmp_path / "videos"))
    with pytest.raises(errors.MiniMaxBadRequestError, match="not the manifest of an image export"):
        execute(images)
    assert (tmp_path / "videos" / "manifest.json").read_bytes() == before
    images.output_path = str(tmp_path / "images")
    execute(images)
    with pytest.raises(errors.MiniMaxBadRequestError, match="not the manifest of a video export"):
        export(tmp_path / "images")


# Sync


@FORMS
@pytest.mark.parametrize("times", [False, True])
def test_a_mirror_takes_what_is_new_and_reads_again_what_was_made(
    sandbox: Sandbox, tmp_path: Path, form: Any, times: bool
) -> None:
    before = reset(sandbox, videos=250, videos_form=form, video_times=times)
    held = sandbox.create_video("still made [hold]")
    assert export(tmp_path, mode="sync")["videos"] == 251
    sandbox.finish(held)
    new = sandbox.arrive(3, kind="video")
    requests = sandbox.stats.requests[LIST]
    summary = export(tmp_path, mode="sync")
    assert sandbox.stats.requests[LIST] == requests + 1
    assert (summary["videos"], summary["newest_video_id"]) == (254, new[-1])
    assert ids(rows(tmp_path)) == [*new[::-1], held, *ids(before)]
    assert rows(tmp_path)[3]["statusLabel"] == "completed"
    assert manifest(tmp_path)["unfinished"] == []


@FORMS
def test_a_mirror_holds_nothing_twice_when_known_videos_were_deleted(
    sandbox: Sandbox, tmp_path: Path, form: Any
) -> None:
    """The first page then shows videos that stood on the second one, and no time tells that they are old."""
    before = reset(sandbox, videos=250, videos_form=form)
    export(tmp_path, mode="sync")
    for video in before[10:40]:
        MiniMaxHook().delete_video(video["videoId"])
    new = sandbox.arrive(2, kind="video")
    assert export(tmp_path, mode="sync")["videos"] == 252
    assert ids(rows(tmp_path)) == [*new[::-1], *ids(before)]


def test_the_log_speaks_of_videos(sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reset(sandbox)
    listing(limit=3)
    export(tmp_path)
    assert "Found 3 matching videos among the 3 read." in caplog.text
    assert f"Exported 60 videos to {tmp_path} (1 part, " in caplog.text
    assert "image" not in caplog.text.replace("images-00000", "")
