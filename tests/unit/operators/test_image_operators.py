"""The operators, executed against the sandbox."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.transport import Transport
from airflow_provider_minimax.compat import AirflowFailException, AirflowSkipException
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import execute, export_to, files, rows

LIST = "GET /images/"


def listing(**options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = execute(MiniMaxListImagesOperator(task_id="list", **options))
    return found


def ids(images: list[dict[str, Any]]) -> list[str]:
    return [image["imageId"] for image in images]


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


# List


def test_the_newest_images_come_first_in_one_request(sandbox: Sandbox) -> None:
    found = listing(limit=5)
    assert ids(found) == ids(sandbox.all_images()[:5])
    assert sandbox.stats.requests == {LIST: 1}


def test_a_list_holds_the_compact_fields_and_no_others(sandbox: Sandbox) -> None:
    (image,) = listing(limit=1, statuses=["completed"])
    assert set(image) == {
        *("imageId", "fileID", "status", "statusLabel", "statusFinal", "createTime"),
        *("modelID", "aspectRatio", "batchID", "desc", "url"),
    }
    assert image["url"].startswith("http")


def test_the_limit_counts_what_matches_and_not_what_is_looked_at(sandbox: Sandbox) -> None:
    failed = [image for image in sandbox.all_images() if image["statusLabel"] in ("failed", "moderated")]
    assert len(failed) > 1
    assert ids(listing(limit=2, statuses=["failed", "moderated"])) == ids(failed[:2])


def test_a_window_is_half_open(sandbox: Sandbox) -> None:
    images = sandbox.all_images()
    newest, oldest = images[10]["createTime"], images[20]["createTime"]
    expected = [image for image in images if oldest <= image["createTime"] < newest]
    assert ids(listing(limit=100, created_from=iso(oldest), created_to=iso(newest))) == ids(expected)


def test_the_walk_stops_where_the_window_begins(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=1000, page_cap=30))
    newest = sandbox.all_images()[0]["createTime"]
    assert listing(created_from=iso(newest - 1))
    assert sandbox.stats.requests[LIST] == 2


@pytest.mark.parametrize("on_empty", ["return", "skip", "fail"])
@pytest.mark.parametrize("statuses", [None, ["completed"]])
def test_a_search_that_max_scanned_stops_short_is_an_error_whatever_was_found(
    sandbox: Sandbox, on_empty: str, statuses: list[str] | None
) -> None:
    sandbox.reset(replace(sandbox.config, images=1000))
    options = {"statuses": statuses, "limit": 500} if statuses else {"created_to": "2020-01-02"}
    with pytest.raises(errors.MiniMaxScanLimitError, match="max_scanned=150: of the 150 newest images") as caught:
        listing(max_scanned=150, on_empty=on_empty, **options)
    assert isinstance(caught.value, AirflowFailException), "a retry would look at the same images"
    assert sandbox.stats.requests[LIST] == 2


def test_a_bound_within_which_the_search_ends_is_none(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=150))
    assert listing(created_to="2020-01-02", max_scanned=150) == []
    assert len(listing(limit=120, max_scanned=120)) == 120


def test_a_search_goes_to_the_end_of_its_window_however_far_it_is(sandbox: Sandbox) -> None:
    """A day that lies behind more images than anybody would look through."""
    sandbox.reset(replace(sandbox.config, images=3_400, spacing_seconds=600))
    images = sandbox.all_images()
    oldest, newest = images[3_250]["createTime"], images[3_150]["createTime"]
    expected = [image for image in images if oldest <= image["createTime"] < newest]
    assert expected
    assert ids(listing(limit=1000, created_from=oldest, created_to=str(newest))) == ids(expected)
    assert sandbox.stats.requests[LIST] <= 35


def test_a_killed_list_asks_for_no_further_page(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.reset(replace(sandbox.config, images=1000))
    operator = MiniMaxListImagesOperator(task_id="list", created_to="2020-01-02")
    fetch, asked = Transport.send, list[str]()

    def send(transport: Transport, call: Any) -> Any:
        asked.append(call.operation)
        if len(asked) == 2:
            operator.on_kill()
        return fetch(transport, call)

    monkeypatch.setattr(Transport, "send", send)
    with pytest.raises(errors.MiniMaxError, match="was killed"):
        execute(operator)
    assert len(asked) == 2


@pytest.mark.parametrize(("on_empty", "error"), [("skip", AirflowSkipException), ("fail", errors.MiniMaxError)])
def test_an_empty_list_is_an_outcome_of_its_own(sandbox: Sandbox, on_empty: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="None of the 60 images"):
        listing(created_from="2199-01-01", on_empty=on_empty)


def test_with_several_accounts_the_account_is_passed_on(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    with pytest.raises(errors.MiniMaxBadRequestError):
        listing(limit=1)
    second = sandbox.accounts[1]
    assert ids(listing(limit=1, account=second)) == ids(sandbox.all_images(second)[:1])


# Export


def test_an_export_holds_every_field_as_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, surrogate_at=3))
    summary = export_to(tmp_path)
    assert rows(tmp_path) == sandbox.all_images()
    assert summary == {
        "path": str(tmp_path),
        "manifest": str(tmp_path / "manifest.json"),
        "images": 60,
        "parts": 1,
        "bytes": (tmp_path / "images-00000.jsonl").stat().st_size,
        "media_files": 0,
        "media_failed": 0,
        "newest_image_id": sandbox.all_images()[0]["imageId"],
        "oldest_image_id": sandbox.all_images()[-1]["imageId"],
    }
    assert any(image["userID"] > 2**53 for image in rows(tmp_path))


def test_running_again_gives_the_same_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, part_rows=7)
    first = files(tmp_path)
    export_to(tmp_path, part_rows=7)
    assert files(tmp_path) == first
    assert len(first) == 1 + 9


def test_csv_has_the_same_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, file_format="csv", part_rows=50)
    read: list[dict[str, str]] = []
    for part in sorted(tmp_path.glob("images-*.csv")):
        with part.open(encoding="utf-8", newline="") as file:
            read += csv.DictReader(file)
    images = sandbox.all_images()
    assert [row["imageId"] for row in read] == ids(images)
    assert [row["desc"] for row in read] == [image["desc"] for image in images]
    assert [json.loads(row["tags"]) for row in read] == [image["tags"] for image in images]
    assert [int(row["userID"]) for row in read] == [image["userID"] for image in images]


def test_filters_and_max_images_apply(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, statuses=["completed"], max_images=7)
    completed = [image for image in sandbox.all_images() if image["statusLabel"] == "completed"]
    assert rows(tmp_path) == completed[:7]


@pytest.mark.parametrize(("most", "pages"), [(1, 1), (100, 1), (101, 2), (200, 2), (250, 3)])
def test_no_page_is_asked_for_in_vain(sandbox: Sandbox, tmp_path: Path, most: int, pages: int) -> None:
    sandbox.reset(replace(sandbox.config, images=1000))
    assert export_to(tmp_path, max_images=most)["images"] == most
    assert sandbox.stats.requests == {LIST: pages}


def test_a_filter_has_no_page_asked_for_in_vain_either(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=1000))
    most = [image["statusLabel"] for image in sandbox.all_images()[:200]].count("completed")
    assert export_to(tmp_path, statuses=["completed"], max_images=most)["images"] == most
    assert sandbox.stats.requests == {LIST: 2}


def test_an_account_without_images_gives_an_empty_export(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=0))
    assert export_to(tmp_path)["images"] == 0
    assert list(files(tmp_path)) == ["manifest.json"]


def test_an_export_that_fails_before_its_first_part_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=500))
    sandbox.fail("401", operation=LIST, skip=2)
    with pytest.raises(errors.MiniMaxAuthError):
        export_to(tmp_path)
    assert files(tmp_path) == {}


def test_an_older_export_stays_until_the_first_page_has_come(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path)
    before = files(tmp_path)
    sandbox.fail("401", operation=LIST)
    with pytest.raises(errors.MiniMaxAuthError):
        export_to(tmp_path)
    assert files(tmp_path) == before


# Bad input


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MiniMaxListImagesOperator(task_id="t", limit=0), "limit must be"),
        (lambda: MiniMaxListImagesOperator(task_id="t", limit=True), "limit must be"),
        (lambda: MiniMaxListImagesOperator(task_id="t", max_scanned=-1), "max_scanned must be"),
        (lambda: MiniMaxListImagesOperator(task_id="t", on_empty="shrug"), "on_empty must be"),
        (lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", file_format="xls"), "file_format must be"),
        (lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", part_rows=0), "part_rows must be"),
        (lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", mode="mirror"), "mode must be"),
        (lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", on_media_error=None), "on_media_error must"),
        (
            lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", mode="sync", max_images=1),
            "max_images makes no sense",
        ),
        (lambda: MiniMaxExportImagesOperator(task_id="t", output_path="x", max_images=0), "max_images must be"),
    ],
)
def test_constants_are_checked_when_the_dag_is_read(make: Callable[[], object], words: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"statuses": ["complete"]}, "unknown status label 'complete'"),
        ({"statuses": "completed"}, "takes a list"),
        ({"statuses": []}, "statuses is an empty list"),
        ({"created_from": "yesterday"}, "is not an ISO time"),
        ({"created_from": "None"}, "no data interval"),
        ({"created_from": ""}, "created_from was rendered to ''"),
        ({"created_to": " "}, "created_to was rendered to ' '"),
        ({"created_from": "1768-01-06"}, "created_from: '1768-01-06' is .*no time from 2020"),
        ({"account": ""}, "account was rendered to ''"),
        ({"account": "None"}, "account was rendered to 'None'"),
        ({"account": [1]}, "account takes text"),
        ({"minimax_conn_id": ""}, "minimax_conn_id was rendered to ''"),
        ({"minimax_conn_id": "None"}, "minimax_conn_id was rendered to 'None'"),
        ({"minimax_conn_id": None}, "minimax_conn_id was rendered to None"),
        ({"statuses": "None"}, "statuses takes a list"),
        ({"statuses": ""}, "statuses takes a list"),
        ({"statuses": [None]}, "unknown status label 'None'"),
        ({"created_from": "2026-01-02", "created_to": "2026-01-01"}, "is empty"),
        ({"created_from": "2026-01-01", "created_to": "2026-01-01"}, "CronDataIntervalTimetable"),
    ],
)
def test_templates_are_checked_before_any_request(
    sandbox: Sandbox, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        listing(**options)
    with pytest.raises(errors.MiniMaxBadRequestError, match=words):
        export_to(tmp_path / "new", **options)
    assert not sandbox.calls
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("output_path", ["", "  ", "nosuch://bucket/x"])
def test_an_output_path_that_names_no_folder_is_refused(sandbox: Sandbox, output_path: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="output_path"):
        execute(MiniMaxExportImagesOperator(task_id="t", output_path=output_path))
    assert not sandbox.calls


def test_an_output_path_that_is_a_file_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.MiniMaxBadRequestError, match="cannot be written"):
        export_to(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_manifest_of_somebody_else_is_not_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "my web app"}')
    with pytest.raises(errors.MiniMaxBadRequestError, match="not the manifest of an image export"):
        export_to(tmp_path)
    assert files(tmp_path) == {"manifest.json": b'{"name": "my web app"}'}
