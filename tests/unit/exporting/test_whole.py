"""Whole or absent: what an export makes of a list that breaks off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.sandbox import Sandbox
from tests.conftest import export_to

LIST = "GET /images/"
HISTORY_END = 1_750_000_000_000


@pytest.fixture(autouse=True)
def _pages(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=200, page_cap=20))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("cursor", ["exclusive", "inclusive"])
@pytest.mark.parametrize("number", [1, 3, 9])
def test_an_empty_page_within_the_list_loses_nothing(
    sandbox: Sandbox, tmp_path: Path, number: int, cursor: Any
) -> None:
    export_to(str(tmp_path / "undisturbed"), part_rows=30)
    sandbox.reset(replace(sandbox.config, cursor=cursor))
    sandbox.fail("empty-page", operation=LIST, skip=number)
    assert export_to(str(tmp_path / "x"), part_rows=30)["images"] == 200
    assert files(tmp_path / "x") == files(tmp_path / "undisturbed")


def test_a_service_that_sends_empty_pages_for_a_while_is_an_error_and_the_next_try_goes_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fail("empty-page", operation=LIST, skip=5, times=20)
    with pytest.raises(MiniMaxUpstreamError, match="no images beyond it"):
        export_to(str(tmp_path), part_rows=30)
    assert "manifest.json" not in files(tmp_path)
    sandbox.clear_faults()
    before = sandbox.stats.requests[LIST]
    assert export_to(str(tmp_path), part_rows=30)["images"] == 200
    assert sandbox.stats.requests[LIST] - before < 10


@pytest.mark.parametrize("mode", ["snapshot", "sync"])
def test_an_empty_first_page_leaves_an_older_export_as_it_is(sandbox: Sandbox, tmp_path: Path, mode: str) -> None:
    export_to(str(tmp_path), mode=mode)
    before = files(tmp_path)
    sandbox.fail("empty-page", operation=LIST)
    with pytest.raises(MiniMaxUpstreamError, match="retry"):
        export_to(str(tmp_path), mode=mode)
    assert files(tmp_path) == before
    assert export_to(str(tmp_path), mode=mode)["images"] == 200


def test_an_empty_first_page_that_the_count_speaks_against_is_no_empty_account(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.reset(replace(sandbox.config, images=20))
    sandbox.fail("empty-page", operation=LIST)
    with pytest.raises(MiniMaxUpstreamError, match="the service counts 20"):
        export_to(str(tmp_path))
    assert files(tmp_path) == {}
    sandbox.reset(replace(sandbox.config, images=0))
    assert export_to(str(tmp_path))["images"] == 0


def test_a_total_that_counts_deleted_images_does_not_keep_an_export_from_its_end(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.reset(replace(sandbox.config, total_counts="made"))
    for image in sandbox.all_images()[10:15]:
        delete(sandbox, image["imageId"])
    assert export_to(str(tmp_path))["images"] == 195


def delete(sandbox: Sandbox, image_id: str) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    requests.delete(f"{sandbox.base_url}/images/{image_id}", headers=headers, timeout=10).raise_for_status()


def test_an_empty_page_within_the_news_of_a_sync_loses_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(str(tmp_path), mode="sync")
    sandbox.arrive(70)
    sandbox.fail("empty-page", operation=LIST, skip=2)
    assert export_to(str(tmp_path), mode="sync")["images"] == 270


def test_a_sync_that_meets_nothing_it_knows_leaves_the_mirror_as_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=30))
    export_to(str(tmp_path), mode="sync")
    before = files(tmp_path)
    for image in sandbox.all_images():
        delete(sandbox, image["imageId"])
    sandbox.arrive(3)
    with pytest.raises(MiniMaxUpstreamError, match="the mirror stays as it is"):
        export_to(str(tmp_path), mode="sync")
    assert {name: body for name, body in files(tmp_path).items() if name != "checkpoint.json"} == before
