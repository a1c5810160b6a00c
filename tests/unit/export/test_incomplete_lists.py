"""Whole or absent: what an export makes of a list that breaks off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_minimax.api.errors import MiniMaxShortListError, MiniMaxUpstreamError
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.images import MiniMaxListImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to, files, skip_retry_delays

LIST = "GET /images/"
HISTORY_END = 1_750_000_000_000


@pytest.fixture(autouse=True)
def _pages(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    # An empty list is fetched again after a second.
    skip_retry_delays(monkeypatch)
    sandbox.reset(replace(sandbox.config, history_end=HISTORY_END, images=200, page_cap=20))


@pytest.mark.parametrize("cursor", ["exclusive", "inclusive"])
@pytest.mark.parametrize("number", [1, 3, 9])
def test_an_empty_page_within_the_list_loses_no_image(
    sandbox: Sandbox, tmp_path: Path, number: int, cursor: Any
) -> None:
    export_to(str(tmp_path / "undisturbed"), part_rows=30)
    sandbox.reset(replace(sandbox.config, cursor=cursor))
    sandbox.fail("empty-page", operation=LIST, skip=number)
    assert export_to(str(tmp_path / "x"), part_rows=30)["images"] == 200
    assert files(tmp_path / "x") == files(tmp_path / "undisturbed")


def test_empty_pages_for_a_while_are_an_error_and_the_next_attempt_resumes(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail("empty-page", operation=LIST, skip=5, times=20)
    with pytest.raises(MiniMaxUpstreamError, match="no images beyond it"):
        export_to(str(tmp_path), part_rows=30)
    assert "manifest.json" not in files(tmp_path)
    sandbox.clear_faults()
    before = sandbox.stats.requests[LIST]
    assert export_to(str(tmp_path), part_rows=30)["images"] == 200
    assert sandbox.stats.requests[LIST] - before < 10


@pytest.mark.parametrize("mode", ["snapshot", "sync"])
def test_an_empty_first_page_does_not_replace_an_older_export(sandbox: Sandbox, tmp_path: Path, mode: str) -> None:
    export_to(str(tmp_path), mode=mode)
    before = files(tmp_path)
    sandbox.fail("empty-page", operation=LIST, times=2)
    with pytest.raises(MiniMaxUpstreamError, match="retry"):
        export_to(str(tmp_path), mode=mode)
    assert files(tmp_path) == before
    # A page that was empty for a moment is requested again.
    sandbox.fail("empty-page", operation=LIST)
    assert export_to(str(tmp_path), mode=mode)["images"] == 200


def test_an_empty_first_page_with_a_total_above_zero_is_no_empty_account(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=20))
    sandbox.fail("empty-page", operation=LIST, times=2)
    with pytest.raises(MiniMaxShortListError, match="the service counts 20"):
        export_to(str(tmp_path))
    assert files(tmp_path) == {}
    sandbox.reset(replace(sandbox.config, images=0))
    assert export_to(str(tmp_path))["images"] == 0


def test_a_total_that_counts_deleted_images_does_not_fail_an_export(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, total_counts="made"))
    for image in sandbox.all_images()[10:15]:
        delete(sandbox, image["imageId"])
    with pytest.raises(MiniMaxShortListError, match=r"ends after 195, .* counts 200"):
        export_to(str(tmp_path / "checked"))
    assert "manifest.json" not in files(tmp_path)
    assert export_to(str(tmp_path / "x"), check_total=False)["images"] == 195


# A list that says too little


class Listing:
    """A service of which each page is the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.page: dict[str, Any] = {}
        self.requests = 0
        monkeypatch.setattr(Transport, "send", self._send)

    def _send(self, call: Call) -> dict[str, Any]:
        self.requests += 1
        assert call.path == "/images/"
        return self.page


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Listing:
    return Listing(monkeypatch)


def page(count: int, **says: Any) -> dict[str, Any]:
    images = [{"imageId": f"user:1-minimax:2-image:{n}", "id": str(n), "status": 2} for n in range(count, 0, -1)]
    return {"images": images, "hasNext": False} | says


@pytest.mark.parametrize("total", [4135, 4135.0, "4135"])
@pytest.mark.parametrize("count", [0, 100])
def test_a_list_that_ends_before_its_total_is_neither_exported_nor_listed(
    listing: Listing, tmp_path: Path, count: int, total: Any
) -> None:
    listing.page = page(count, total=total)
    with pytest.raises(MiniMaxShortListError, match=rf"ends after {count}, .*4,135"):
        export_to(str(tmp_path))
    assert listing.requests > 1
    assert "manifest.json" not in files(tmp_path)
    for on_empty in ("return", "skip", "fail"):
        with pytest.raises(MiniMaxShortListError):
            listed(limit=101, on_empty=on_empty)
    with pytest.raises(MiniMaxShortListError):
        list(MiniMaxHook().iter_images())
    assert len(list(MiniMaxHook().iter_images(check_total=False))) == count
    assert len(listed(limit=101, check_total=False)) == count
    assert export_to(str(tmp_path), check_total=False)["images"] == count


def listed(**options: Any) -> list[Any]:
    operator = MiniMaxListImagesOperator(task_id="list", **options)
    found: list[Any] = MiniMaxListImagesOperator.execute.__wrapped__(operator, {})
    return found


def test_a_short_list_that_holds_the_requested_images_is_enough(listing: Listing) -> None:
    listing.page = page(100, total=4135)
    assert len(listed(limit=100)) == 100
    assert len(list(MiniMaxHook().iter_images(max_images=100))) == 100
    assert listing.requests == 2


@pytest.mark.parametrize("mode", ["snapshot", "sync"])
@pytest.mark.parametrize("says", [{}, {"total": None}, {"total": 5}, {"total": 5.0}, {"total": "5"}, {"total": "many"}])
def test_an_empty_list_replaces_images_only_if_the_total_confirms_it(
    listing: Listing, tmp_path: Path, says: dict[str, Any], mode: str
) -> None:
    listing.page = page(5, total=5)
    export_to(str(tmp_path), mode=mode)
    before = files(tmp_path)
    listing.page = page(0, **says)
    with pytest.raises(MiniMaxUpstreamError):
        export_to(str(tmp_path), mode=mode)
    assert {name: body for name, body in files(tmp_path).items() if name != "checkpoint.json"} == before
    if mode == "snapshot":
        with pytest.raises(MiniMaxShortListError, match="allow_empty=True"):
            export_to(str(tmp_path), check_total=False)
        assert files(tmp_path) == before
        assert export_to(str(tmp_path), allow_empty=True)["images"] == 0
    # To an empty folder, there is nothing to lose.
    if says.get("total") in (None, "many"):
        assert export_to(str(tmp_path / "new"))["images"] == 0


def test_an_account_that_says_it_is_empty_gives_an_empty_export(listing: Listing, tmp_path: Path) -> None:
    listing.page = page(5, total=5)
    export_to(str(tmp_path))
    listing.page = page(0, total=0)
    assert export_to(str(tmp_path))["images"] == 0
    assert list(files(tmp_path)) == ["manifest.json"]


def delete(sandbox: Sandbox, image_id: str) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    requests.delete(f"{sandbox.base_url}/images/{image_id}", headers=headers, timeout=10).raise_for_status()


def test_an_empty_page_within_the_new_images_of_a_sync_loses_no_image(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(str(tmp_path), mode="sync")
    sandbox.arrive(70)
    sandbox.fail("empty-page", operation=LIST, skip=2)
    assert export_to(str(tmp_path), mode="sync")["images"] == 270


def test_a_sync_that_meets_no_known_image_does_not_change_the_mirror(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=30))
    export_to(str(tmp_path), mode="sync")
    before = files(tmp_path)
    for image in sandbox.all_images():
        delete(sandbox, image["imageId"])
    sandbox.arrive(3)
    with pytest.raises(MiniMaxUpstreamError, match="the mirror stays as it is"):
        export_to(str(tmp_path), mode="sync")
    assert {name: body for name, body in files(tmp_path).items() if name != "checkpoint.json"} == before
