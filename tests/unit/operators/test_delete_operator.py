"""Deletes at the service: nothing goes of which no whole export holds a checked file."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator
from airflow_provider_minimax.sandbox import Sandbox

OPERATORS = {"image": MiniMaxExportImagesOperator, "video": MiniMaxExportVideosOperator}
KINDS = pytest.mark.parametrize("kind", ["image", "video"])


def execute(operator: Any) -> Any:
    return type(operator).execute.__wrapped__(operator, {})


def delete(ids: Any, **options: Any) -> Any:
    return execute(MiniMaxDeleteOperator(task_id="delete", ids=ids, **options))


def export(kind: str, folder: Path, **options: Any) -> dict[str, Any]:
    options = {"download_media": True, "statuses": ["completed"]} | options
    summary: dict[str, Any] = execute(OPERATORS[kind](task_id="export", output_path=str(folder), **options))
    return summary


def listed(sandbox: Sandbox, kind: str) -> list[str]:
    items = sandbox.all_images() if kind == "image" else sandbox.all_videos()
    return [item[f"{kind}Id"] for item in items]


def completed(sandbox: Sandbox, kind: str) -> list[str]:
    items = sandbox.all_images() if kind == "image" else sandbox.all_videos()
    return [item[f"{kind}Id"] for item in items if item["statusLabel"] == "completed"]


@pytest.fixture(autouse=True)
def _videos(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, images=30, videos=30, media_pixels=16))


FORMATS = ["jsonl", "jsonl.gz", "csv", *(["parquet"] if find_spec("pyarrow") else [])]


@KINDS
@pytest.mark.parametrize("file_format", FORMATS)
def test_what_an_export_holds_is_deleted(sandbox: Sandbox, tmp_path: Path, kind: str, file_format: str) -> None:
    summary = export(kind, tmp_path, file_format=file_format, part_rows=4)
    before, ids = listed(sandbox, kind), completed(sandbox, kind)[1:5]
    counts = delete(ids, confirm_exported=summary["manifest"])
    assert counts == {"images": 0, "videos": 0, f"{kind}s": 4}
    assert listed(sandbox, kind) == [one for one in before if one not in ids]


def test_both_kinds_are_deleted_by_force_in_any_number_of_attempts(sandbox: Sandbox) -> None:
    ids = [*listed(sandbox, "image")[:2], *listed(sandbox, "video")[:1], listed(sandbox, "image")[0]]
    for _ in range(2):
        assert delete(ids, force=True) == {"images": 2, "videos": 1}
    assert len(listed(sandbox, "image")) == 28
    assert len(listed(sandbox, "video")) == 29


@pytest.mark.parametrize("text", ["{0}", "['{0}', '{1}']"])
def test_ids_may_be_the_text_of_a_template(sandbox: Sandbox, text: str) -> None:
    assert delete(text.format(*listed(sandbox, "video")), force=True)["videos"] == text.count("{")


def test_the_log_counts_what_was_deleted(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        delete(listed(sandbox, "image")[0], force=True)
    assert "Deleted 1 image and 0 videos." in caplog.messages


def test_nothing_to_delete_is_no_error() -> None:
    assert delete([], force=True) == {"images": 0, "videos": 0}


def test_a_job_that_the_service_does_not_know_any_more_is_deleted(sandbox: Sandbox) -> None:
    """Documented is 200 for an unknown id, of images and files; of videos nothing is documented."""
    sandbox.fail("404", operation="DELETE /videos/{id}")
    assert delete(listed(sandbox, "video")[:2], force=True) == {"images": 0, "videos": 2}


@pytest.mark.parametrize("options", [{}, {"confirm_exported": "/x/manifest.json", "force": True}])
def test_an_export_or_force_is_named_and_not_both(options: dict[str, Any]) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="may have the only copy"):
        MiniMaxDeleteOperator(task_id="delete", ids="x", **options)


# An export that does not hold what is to be deleted


def refused(sandbox: Sandbox, kind: str, ids: list[str], manifest: object) -> str:
    before = listed(sandbox, kind)
    with pytest.raises(MiniMaxBadRequestError) as caught:
        delete(ids, confirm_exported=manifest)
    assert isinstance(caught.value, AirflowFailException)
    assert listed(sandbox, kind) == before
    assert sandbox.stats.requests[f"DELETE /{kind}s/{{id}}"] == 0
    assert "Nothing was deleted" in str(caught.value)
    return str(caught.value)


@KINDS
def test_an_id_that_is_not_in_the_export_keeps_all(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    first, *_, last = completed(sandbox, kind)
    summary = export(kind, tmp_path, **{f"max_{kind}s": 1})
    message = refused(sandbox, kind, [first, last], summary["manifest"])
    assert f"does not hold 1 of the 2 ids with their file ({last}: it is not in the export)" in message


@KINDS
@pytest.mark.parametrize(("body", "reason"), [(None, "is missing or damaged"), (b"half", "is missing or damaged")])
def test_a_file_that_is_missing_or_damaged_keeps_all(
    sandbox: Sandbox, tmp_path: Path, kind: str, body: bytes | None, reason: str
) -> None:
    summary = export(kind, tmp_path)
    ids = completed(sandbox, kind)
    (file,) = (tmp_path / "media").glob(f"{ids[0].rpartition(':')[2]}-*")
    file.unlink()
    if body is not None:
        file.write_bytes(body)
    assert f"{ids[0]}: media/{file.name} {reason}" in refused(sandbox, kind, ids, summary["manifest"])
    assert delete(ids[1:], confirm_exported=summary["manifest"])[f"{kind}s"] == len(ids) - 1


@KINDS
def test_a_row_without_a_file_keeps_all(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    summary = export(kind, tmp_path, statuses=None)
    (unfinished, *_) = [one for one in listed(sandbox, kind) if one not in completed(sandbox, kind)]
    assert f"{unfinished}: it has no file there" in refused(sandbox, kind, [unfinished], summary["manifest"])


@KINDS
def test_an_export_that_is_not_whole_confirms_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    ids = completed(sandbox, kind)[:1]
    without_files = export(kind, tmp_path / "rows", download_media=False)
    assert "holds no files (download_media=False)" in refused(sandbox, kind, ids, without_files["manifest"])

    manifest = tmp_path / "a" / "manifest.json"
    assert "is missing, or is not the manifest" in refused(sandbox, kind, ids, manifest)
    export(kind, manifest.parent)
    assert "must name the manifest.json" in refused(sandbox, kind, ids, manifest.parent)
    part = manifest.parent / f"{kind}s-00000.jsonl"
    part.write_bytes(part.read_bytes().replace(b"a", b"b", 1))
    assert "is not what the manifest names" in refused(sandbox, kind, ids, manifest)
    part.unlink()
    assert "is missing, or is not what" in refused(sandbox, kind, ids, manifest)
    for foreign in ("[]", "no JSON", json.dumps({"kind": "other"})):
        manifest.write_text(foreign)
        assert "is not the manifest" in refused(sandbox, kind, ids, manifest)


def test_a_kill_stops_before_the_next_one(sandbox: Sandbox) -> None:
    operator = MiniMaxDeleteOperator(task_id="delete", ids=listed(sandbox, "image"), force=True)
    sandbox.on_call = lambda call, _: operator.on_kill()
    try:
        with pytest.raises(MiniMaxError, match="killed"):
            execute(operator)
    finally:
        sandbox.on_call = None
    assert sandbox.stats.requests["DELETE /images/{id}"] == 1
