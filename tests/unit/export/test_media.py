"""Exports with files: each completed image has its file, and its row names it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to, manifest, rows

MEDIA = "GET /media/{name}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def export(folder: Path, **options: Any) -> dict[str, Any]:
    return export_to(folder, download_media=True, **options)


# Through an export


def test_every_completed_image_has_its_file_and_its_row_names_it(sandbox: Sandbox, tmp_path: Path) -> None:
    summary = export(tmp_path)
    saved = [row for row in rows(tmp_path) if row["mediaPath"]]
    assert [row["statusLabel"] for row in saved] == ["completed"] * len(saved)
    assert summary["media_files"] == len(saved) == len(list((tmp_path / "media").iterdir()))
    for row in saved:
        body = (tmp_path / row["mediaPath"]).read_bytes()
        assert re.fullmatch(r"media/\d+-[0-9a-f]{16}\.png", row["mediaPath"])
        assert (len(body), hashlib.sha256(body).hexdigest()) == (row["mediaBytes"], row["mediaSha256"])
    fields = ("mediaPath", "mediaBytes", "mediaSha256")
    plain = [{name: value for name, value in row.items() if name not in fields} for row in rows(tmp_path)]
    assert plain == sandbox.all_images()
    assert sandbox.stats.media_requests_with_authorization == 0


def test_an_existing_file_that_matches_its_name_is_not_downloaded_again(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path)
    fetched = sandbox.stats.count(MEDIA)
    one, other, *_ = sorted((tmp_path / "media").iterdir())
    complete = one.read_bytes()
    one.write_bytes(complete[:-5])
    other.unlink()
    export(tmp_path)
    assert sandbox.stats.count(MEDIA) == fetched + 2
    assert one.read_bytes() == complete


def test_files_of_an_older_export_are_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path, contact_sheet=True)
    (tmp_path / "media" / "mine.txt").write_text("not ours")
    assert export(tmp_path, max_images=5, contact_sheet=True)["media_files"] <= 5
    kept = {Path(row["mediaPath"]).name for row in rows(tmp_path) if row["mediaPath"]}
    assert {path.name for path in (tmp_path / "media").iterdir()} == kept | {"mine.txt"}
    (tmp_path / "media" / "mine.txt").unlink()
    export_to(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"images-00000.jsonl", "manifest.json"}


@pytest.mark.parametrize("fault", ["429", "500", "502-html", "truncated", "reset"])
def test_transient_faults_are_retried(sandbox: Sandbox, tmp_path: Path, fault: str) -> None:
    sandbox.fail(fault, operation=MEDIA, times=2, skip=3, retry_after=0 if fault.isdigit() else None)
    assert export(tmp_path)["media_failed"] == 0
    assert not sandbox.pending_faults


@pytest.mark.parametrize(("fault", "reason"), [("404", "status code 404"), ("not-json", "no known picture")])
def test_a_bad_file_fails_the_export_or_is_left_out(sandbox: Sandbox, tmp_path: Path, fault: str, reason: str) -> None:
    sandbox.fail(fault, operation=MEDIA, skip=3)
    with pytest.raises(errors.MiniMaxUpstreamError, match=rf"{reason}.*on_media_error='skip'"):
        export(tmp_path)
    assert not (tmp_path / "manifest.json").exists()

    sandbox.fail(fault, operation=MEDIA, skip=3)
    completed = len([image for image in sandbox.all_images() if image["statusLabel"] == "completed"])
    # The files of the first attempt still exist, so the fault would find too few requests.
    summary = export(tmp_path / "skip", on_media_error="skip")
    assert (summary["media_files"], summary["media_failed"]) == (completed - 1, 1)
    (failed,) = manifest(tmp_path / "skip")["media_failed"]
    assert reason in failed["reason"]
    (row,) = [row for row in rows(tmp_path / "skip") if row["imageId"] == failed["image_id"]]
    assert (row["mediaPath"], row["mediaBytes"], row["mediaSha256"]) == (None, None, None)


def test_another_image_of_a_similar_name_is_another_image(sandbox: Sandbox, tmp_path: Path) -> None:
    export(tmp_path)
    one, *_ = sorted((tmp_path / "media").iterdir())
    stem, _, rest = one.name.rpartition("-")
    one.rename(one.with_name(f"{stem}-0-{rest}"))
    fetched = sandbox.stats.count(MEDIA)
    export(tmp_path)
    assert sandbox.stats.count(MEDIA) == fetched + 1
    assert one.exists()
