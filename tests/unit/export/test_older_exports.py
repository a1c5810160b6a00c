"""An older export stays whole until the first part of the new one is complete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.cursors import Image, Page
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxShortListError, MiniMaxUpstreamError
from airflow_provider_minimax.api.filters import Selection
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from tests.support import files

OLD = 250


class Listing:
    """A list of so many images in pages of 50, which ends with an error where there is one."""

    settings = Settings("x")

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error

    def iter_pages(self, *, after: Any = None, **_: Any) -> Iterator[Page]:
        skip = 0 if after is None else OLD + 1 - int(after.image_id[1:])
        images = [{"imageId": f"i{OLD - n}", "status": 2, "createTime": (OLD - n) * 1000} for n in range(self.count)]
        for start in range(skip, self.count, 50):
            yield Page(images[start : start + 50], OLD)
        if self.error is not None:
            raise self.error

    def get_job(self, kind: str, image_id: str) -> Image:
        raise AssertionError(image_id)


def export(folder: Path, listing: Listing, **plan: Any) -> int:
    summary = export_images(listing, plan=ExportPlan(**plan), folder=ObjectStoragePath(str(folder)), run="one")
    return int(summary["images"])


AGAIN = [{}, {"part_rows": 101}, {"file_format": "csv"}, {"contact_sheet": True}, {"download_media": True}]


@pytest.mark.parametrize("again", AGAIN, ids=str)
@pytest.mark.parametrize(
    "error",
    [MiniMaxShortListError("x"), MiniMaxUpstreamError("x"), KeyboardInterrupt(), RuntimeError("a bug")],
    ids=repr,
)
def test_a_list_that_ends_before_the_first_part_loses_nothing(
    tmp_path: Path, error: Exception, again: dict[str, Any]
) -> None:
    # A contact sheet names its folder.
    folder, alone = tmp_path / "x", tmp_path / "alone" / "x"
    export(folder, Listing(OLD), part_rows=60, contact_sheet=True)
    before = files(folder)
    with pytest.raises(type(error)):
        export(folder, Listing(100, error), **again)
    after = files(folder)
    after.pop("checkpoint.json", None)
    assert after == before
    assert export(folder, Listing(OLD), **again) == OLD
    export(alone, Listing(OLD), **again)
    assert files(folder) == files(alone)


def test_an_attempt_without_a_result_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    export(tmp_path, Listing(OLD), part_rows=60)
    before = files(tmp_path)
    with pytest.raises(MiniMaxShortListError):
        export(tmp_path, Listing(100, MiniMaxShortListError("x")))
    assert files(tmp_path) == before


def test_a_position_without_a_part_leaves_the_older_export_and_is_resumed_from(tmp_path: Path) -> None:
    """A long way to the window is saved although no part exists."""
    window = {"part_rows": 60, "max_images": 20}
    export(tmp_path, Listing(OLD), part_rows=60)
    before = files(tmp_path)
    plan = window | {"selection": Selection(created_to=datetime.fromtimestamp(40, UTC))}
    with pytest.raises(MiniMaxUpstreamError):
        export(tmp_path, Listing(200, MiniMaxUpstreamError("x")), **plan)
    after = files(tmp_path)
    assert b'"scanned":200' in after.pop("checkpoint.json")
    assert after == before
    assert export(tmp_path, Listing(OLD), **plan) == 20
    assert set(files(tmp_path)) == {"images-00000.jsonl", "manifest.json"}


def test_a_file_that_appears_before_the_first_part_keeps_the_older_export(tmp_path: Path) -> None:
    class Meanwhile(Listing):
        def iter_pages(self, *, after: Any = None, **_: Any) -> Iterator[Page]:
            for number, page in enumerate(super().iter_pages(after=after)):
                if number == 4:
                    wait_for(tmp_path / "checkpoint.json")
                    (tmp_path / "images-00077.csv").write_text("mine")
                yield page

    export(tmp_path, Listing(OLD), part_rows=60)
    before = files(tmp_path)
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00077\.csv"):
        export(tmp_path, Meanwhile(OLD))
    assert files(tmp_path) == before | {"images-00077.csv": b"mine"}


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
