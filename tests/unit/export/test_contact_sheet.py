"""The contact sheet: what is in it, and what cannot get out of it."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.export import contact_sheet
from airflow_provider_minimax.export.manifest import load_manifest
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.folders import storage_at
from tests.support import export_to

HOSTILE = [
    "</script><script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "<!-- <script>",
    "]]> &quot; &lt;/script&gt; \u2028 \u2029 \ud83d",
    "{{data}} {{script}} ${document.title = 'ran'}",
    "javascript:document.title = 'ran'",
]


class Page(html.parser.HTMLParser):
    """The elements of a page, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._is_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_data = dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._is_data = False

    def handle_data(self, data: str) -> None:
        self.data += data if self._is_data else ""


def image(number: int, prompt: str = "a lamp", **fields: Any) -> dict[str, Any]:
    return {
        "imageId": f"user:1-minimax:2-image:{number}", "desc": prompt, "status": 2, "statusLabel": "completed",
        "modelID": "image-01", "createTime": 1_742_173_334_234, "aspectRatio": "16:9",
        "mediaPath": f"media/{number}-0123456789abcdef.png",
    } | fields  # fmt: skip


def sheet(rows: list[dict[str, Any]]) -> str:
    return b"".join(contact_sheet.page(iter(rows), len(rows))).decode()


def test_a_hostile_prompt_stays_a_prompt() -> None:
    rows = [image(number, prompt, modelID=prompt, statusLabel=prompt) for number, prompt in enumerate(HOSTILE)]
    page = Page(sheet(rows))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in Page(sheet([])).elements]
    assert [row[1] for row in json.loads(page.data)["rows"]] == HOSTILE


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/share/x.png", "https://evil.example/7-0123456789abcdef.png", "../7-0123456789abcdef.png",
        "/media/7-0123456789abcdef.png", "media/../7-0123456789abcdef.png", "media//7-0123456789abcdef.png", "x/media",
        "media/7-0123456789abcdef.png/", "media/7-0123456789abcdef.png?", "javascript:document.title = 'ran'", "", 7,
        "media/7-0123456789abcdef.png\n", "evil:media/7-0123456789abcdef.png", None, {"x": 1},
    ],
)  # fmt: skip
def test_a_foreign_path_is_no_file(path: object) -> None:
    rows = [image(7), image(7, mediaPath=path)]
    assert [row[0] for row in json.loads(Page(sheet(rows)).data)["rows"]] == ["media/7-0123456789abcdef.png", None]


def test_the_page_allows_its_own_script_and_no_other_host() -> None:
    page = Page(sheet([image(1)]))
    (policy,) = [found["content"] for _, found in page.elements if found.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src 'self' file:; script-src 'sha256-")
    assert "unsafe" not in policy
    addresses = [value for _, found in page.elements for name, value in found.items() if name in ("src", "href")]
    assert addresses == []
    assert not re.search(r"https?://", sheet([]))


def test_ratios_stay_within_the_bounds_of_the_grid() -> None:
    rows = [
        image(1), image(2, width=300, height=200), image(3, aspectRatio="auto"), image(4, aspectRatio="1:999"),
        image(5, aspectRatio="0:0"), image(6, aspectRatio=None), image(7, width=0, height=0, aspectRatio="9:16"),
        image(8, width=10**400, height=1), image(9, width=10**400, height=10**400), image(10, width=float("inf")),
        image(11, width=True, height=-1), image(12, width=10**7, height=10**7, aspectRatio=10**400),
    ]  # fmt: skip
    shapes = [row[5] for row in json.loads(Page(sheet(rows)).data)["rows"]]
    assert shapes == [1.778, 1.5, 1.0, 0.4, 1.0, 1.0, 0.562, 1.778, 1.778, 1.778, 1.778, 1.0]


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        (1_742_173_334_234, 1_742_173_334_234), (1_742_173_334_234.0, 1_742_173_334_234),
        ("1742173334234", 1_742_173_334_234), (1_742_173_334, 1_742_173_334_000), (0, 0),
        (253_402_300_799_999, 253_402_300_799_999), (253_402_300_800_000, None), (2**53, None), (2**63, None),
        (-1, None), (1e300, None), (float("inf"), None), (float("nan"), None), (True, None), ("yesterday", None),
        ("2025", None), (None, None), ([], None), ({}, None), ("1" * 5000, None), (10**400, None),
    ],
)  # fmt: skip
def test_a_time_that_is_no_date_is_shown_as_none(created: object, shown: int | None) -> None:
    (row,) = json.loads(Page(sheet([image(1, createTime=created)])).data)["rows"]
    assert row[4] == shown


def test_a_foreign_page_is_not_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>my site</h1>")
    with pytest.raises(MiniMaxBadRequestError, match="not a contact sheet of ours"):
        export_to(str(tmp_path), contact_sheet=True)
    assert not sandbox.calls
    export_to(str(tmp_path))
    assert (tmp_path / "index.html").read_text() == "<h1>my site</h1>"


def test_the_page_shows_the_newest_images_and_the_total(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, part_rows=15, contact_sheet=True)
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    stored = load_manifest(storage, storage.read("manifest.json"))
    assert stored is not None
    assert stored.manifest is not None
    contact_sheet.write(storage, ExportPlan(contact_sheet=True), stored.manifest, max_images=20)
    data = json.loads(Page((tmp_path / "index.html").read_text(encoding="utf-8")).data)
    assert data["total"] == 60
    assert [row[6] for row in data["rows"]] == [image["imageId"] for image in sandbox.all_images()[:20]]
    assert {row[0] for row in data["rows"]} == {None}
