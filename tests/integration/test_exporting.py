"""Exports through real tasks while the service misbehaves, and how much memory they take."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import run
from tests.support import skip_retry_delays

LIST = "GET /images/"


@pytest.mark.usefixtures("airflow_db")
@pytest.mark.parametrize("cursor", ["exclusive", "inclusive"])
def test_a_thousand_images_through_a_bad_night(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cursor: Any
) -> None:
    """A 429, an HTML 502, a broken response and new images meanwhile: each image of the start once."""
    skip_retry_delays(monkeypatch)
    sandbox.reset(replace(sandbox.config, images=1000, cursor=cursor, surrogate_at=500))
    before = sandbox.all_images()
    # One of these a page, so that each page but the first has its trouble.
    sandbox.fail("429", operation=LIST, skip=1, retry_after=0)
    sandbox.fail("502-html", operation=LIST, skip=3)
    sandbox.fail("truncated", operation=LIST, skip=5)
    sandbox.fail("arrive", operation=LIST, skip=7, count=40)
    sandbox.fail("reset", operation=LIST, skip=9)

    finished = run(
        f"bad_night_{cursor}",
        lambda: MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), part_rows=300),
    )
    assert finished.states == {"export": "success"}
    assert not sandbox.pending_faults
    assert len(sandbox.all_images()) == 1040
    parts = [tmp_path / part["name"] for part in json.loads((tmp_path / "manifest.json").read_text())["parts"]]
    exported = [json.loads(line) for part in parts for line in part.open(encoding="utf-8")]
    assert exported == before
    assert finished.xcom("export")["images"] == 1000
    prompts = "".join(image["desc"] for image in exported)
    assert "\n" in prompts
    assert not prompts.isascii()
    assert min(image["userID"] for image in exported) > 2**53


def test_memory_does_not_grow_with_the_number_of_images(sandbox: Sandbox, tmp_path: Path) -> None:
    page = sandbox.all_images()[:50]

    class Walk:
        settings = Settings(token="x")

        def __init__(self, pages: int) -> None:
            self.pages = pages

        def iter_pages(self, *, after: object = None, **_: object) -> Iterator[Page]:
            for number in range(self.pages):
                images = [{**image, "imageId": f"{number}-{image['imageId']}"} for image in page]
                yield Page(images, self.pages * len(page))

    def peak(pages: int) -> int:
        folder = ObjectStoragePath(str(tmp_path / str(pages)))
        tracemalloc.start()
        export_images(Walk(pages), plan=ExportPlan(part_rows=1000), folder=folder)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(2)
    assert peak(400) < 1.2 * peak(40)
