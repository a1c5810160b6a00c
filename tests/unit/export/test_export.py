"""An export: complete or absent, and the same each time."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api.cursors import Page, Position
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.filters import Selection
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import Part, PartWriter
from tests.support import files, manifest, rows

Image = dict[str, Any]


def images(count: int) -> list[Image]:
    return [
        {"imageId": f"i{number}", "status": 2 + number % 2, "createTime": number * 1000, "userID": 2**60 + number}
        for number in range(count, 0, -1)
    ]


def pages(found: list[Image], size: int = 10, error: BaseException | None = None) -> Iterator[Page]:
    """Walk through the images, and break off with the error at the end of them."""
    for start in range(0, len(found), size):
        yield Page(found[start : start + size], len(found))
    if error is not None:
        raise error


class Walk:
    """A client whose list is walked once, from its head."""

    settings = Settings("user:1-x")

    def __init__(self, found: Iterator[Page]) -> None:
        self._found = found

    def iter_pages(self, *, after: Position | None = None, **_: Any) -> Iterator[Page]:
        assert after is None
        return self._found

    def get_job(self, kind: str, image_id: str) -> Image:
        raise AssertionError(f"nobody should read {image_id}")


def export(folder: Path | ObjectStoragePath, walk: Iterator[Page], **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"selection": Selection(), "file_format": "jsonl", "part_rows": 7} | options
    return export_images(Walk(walk), plan=ExportPlan(**given), folder=ObjectStoragePath(str(folder)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What is written


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (6, [6]), (7, [7]), (8, [7, 1]), (14, [7, 7]), (25, [7, 7, 7, 4])]
)
def test_images_fill_part_after_part(tmp_path: Path, count: int, sizes: list[int]) -> None:
    summary = export(tmp_path, pages(images(count)))
    assert rows(tmp_path) == images(count)
    assert [part["images"] for part in manifest(tmp_path)["parts"]] == sizes
    assert names(tmp_path) == [*[f"images-{number:05d}.jsonl" for number in range(len(sizes))], "manifest.json"]
    assert (summary["images"], summary["parts"]) == (count, len(sizes))


def test_the_manifest_matches_each_part(tmp_path: Path) -> None:
    summary = export(tmp_path, pages(images(25)))
    for part in manifest(tmp_path)["parts"]:
        body = (tmp_path / part["name"]).read_bytes()
        assert (part["bytes"], part["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert part["images"] == body.count(b"\n")
    assert summary["bytes"] == sum(len(body) for name, body in files(tmp_path).items() if name != "manifest.json")


def test_the_summary_has_exactly_the_fields_of_the_contract(tmp_path: Path) -> None:
    summary = export(tmp_path / "new" / "folder", pages(images(3)))
    assert summary == {
        "path": str(tmp_path / "new" / "folder"),
        "manifest": str(tmp_path / "new" / "folder" / "manifest.json"),
        "images": 3, "parts": 1, "bytes": summary["bytes"], "media_files": 0, "media_failed": 0,
        "newest_image_id": "i3", "oldest_image_id": "i1",
    }  # fmt: skip
    assert json.loads(json.dumps(summary)) == summary
    assert Path(summary["manifest"]).is_file()


def test_the_manifest_holds_the_parameters(tmp_path: Path) -> None:
    selection = Selection(frozenset({"completed"}), datetime(1970, 1, 1, tzinfo=UTC))
    export(tmp_path, pages(images(4)), selection=selection, max_images=2)
    found = manifest(tmp_path)
    assert found["selection"] == selection.describe()
    assert (found["max_images"], found["images"], found["format"]) == (2, 2, "jsonl")
    assert (found["newest_image_id"], found["oldest_image_id"]) == ("i4", "i2")


def test_an_export_of_no_images_is_complete_and_has_no_parts(tmp_path: Path) -> None:
    for walk in (pages([]), pages(images(5))):
        summary = export(tmp_path, walk, selection=Selection.parse(["moderated"]))
        assert names(tmp_path) == ["manifest.json"]
        assert manifest(tmp_path)["parts"] == []
        assert (summary["images"], summary["parts"], summary["bytes"]) == (0, 0, 0)
        assert (summary["newest_image_id"], summary["oldest_image_id"]) == (None, None)


def test_only_selected_images_are_written(tmp_path: Path) -> None:
    export(
        tmp_path,
        pages(images(40)),
        selection=Selection(frozenset({"completed"}), None, datetime(1970, 1, 1, 0, 0, 21, tzinfo=UTC)),
    )
    assert [row["createTime"] for row in rows(tmp_path)] == list(range(20_000, 0, -2000))


@pytest.mark.parametrize("max_images", [1, 9, 10, 11, 20, 25, 99])
def test_max_images_keeps_the_newest(tmp_path: Path, max_images: int) -> None:
    taken = 0

    def counted() -> Iterator[Page]:
        nonlocal taken
        for page in pages(images(25)):
            taken += 1
            yield page

    export(tmp_path, counted(), max_images=max_images)
    assert rows(tmp_path) == images(25)[:max_images]
    assert taken == min(-(-max_images // 10), 3), "no page is read for nothing"


def test_each_part_of_a_csv_export_has_the_header(tmp_path: Path) -> None:
    summary = export(tmp_path, pages(images(10)), file_format="csv")
    assert names(tmp_path) == ["images-00000.csv", "images-00001.csv", "manifest.json"]
    found = []
    for part in manifest(tmp_path)["parts"]:
        with (tmp_path / part["name"]).open(newline="", encoding="utf-8") as file:
            found += list(csv.DictReader(file))
        assert part["bytes"] == (tmp_path / part["name"]).stat().st_size
    assert [row["imageId"] for row in found] == [image["imageId"] for image in images(10)]
    assert summary["images"] == 10


# Once more


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_images_give_the_same_bytes(tmp_path: Path, form: str) -> None:
    first = export(tmp_path, pages(images(25)), file_format=form)
    before = files(tmp_path)
    again = export(tmp_path, pages(images(25)), file_format=form)
    assert files(tmp_path) == before
    assert again == first


def test_a_smaller_export_leaves_no_part_of_a_larger_one(tmp_path: Path) -> None:
    export(tmp_path, pages(images(25)))
    export(tmp_path, pages(images(8)))
    assert names(tmp_path) == ["images-00000.jsonl", "images-00001.jsonl", "manifest.json"]
    assert rows(tmp_path) == images(8)


def test_an_export_leaves_no_part_of_another_format(tmp_path: Path) -> None:
    export(tmp_path, pages(images(25)), file_format="csv")
    export(tmp_path, pages(images(3)))
    assert names(tmp_path) == ["images-00000.jsonl", "manifest.json"]


def test_files_of_the_user_stay_where_they_are(tmp_path: Path) -> None:
    mine = ["images-00001.png", "images-1.jsonl", "my-images-00001.jsonl", "images-00001.jsonl.bak", "notes.txt"]
    for name in mine:
        (tmp_path / name).write_text(name)
    export(tmp_path, pages(images(3)))
    assert names(tmp_path) == sorted([*mine, "images-00000.jsonl", "manifest.json"])
    with pytest.raises(MiniMaxUpstreamError):
        export(tmp_path, pages(images(30), error=MiniMaxUpstreamError("x")))
    assert all((tmp_path / name).read_text() == name for name in mine)


# Not at all


@pytest.mark.parametrize("error", [MiniMaxUpstreamError("x"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
@pytest.mark.parametrize("count", [10, 14, 40])
def test_a_failed_export_leaves_no_manifest(tmp_path: Path, count: int, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        export(tmp_path, pages(images(count), error=error))
    assert caught.value is error
    assert "manifest.json" not in names(tmp_path)


def test_a_failed_export_over_an_older_one_leaves_no_manifest(tmp_path: Path) -> None:
    export(tmp_path, pages(images(100)))
    with pytest.raises(MiniMaxUpstreamError):
        export(tmp_path, pages(images(30), error=MiniMaxUpstreamError("x")))
    assert "manifest.json" not in names(tmp_path)


def test_an_older_export_survives_a_first_page_that_fails(tmp_path: Path) -> None:
    export(tmp_path, pages(images(25)))
    before = files(tmp_path)
    with pytest.raises(MiniMaxUpstreamError):
        export(tmp_path, pages([], error=MiniMaxUpstreamError("x")))
    assert files(tmp_path) == before


def test_no_manifest_stands_beside_the_parts_of_another_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    finish = PartWriter.finish

    def watched(writer: PartWriter) -> Part:
        part = finish(writer)
        seen.append((tmp_path / "manifest.json").exists())
        return part

    export(tmp_path, pages(images(3)))
    monkeypatch.setattr(PartWriter, "finish", watched)
    export(tmp_path, pages(images(40)))
    assert seen == [False] * 6
    assert (tmp_path / "manifest.json").exists()


# Folders that cannot be used


@pytest.mark.parametrize(
    "body", [b'{"kind": "of another tool"}', b"[]", b"not json", b'{"manifest_version": 3}', b"\xff"]
)
def test_the_manifest_of_another_tool_is_not_overwritten(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(body)
    (tmp_path / "images-00000.jsonl").write_bytes(b"of another tool")
    with pytest.raises(MiniMaxBadRequestError, match="not the manifest of an image export"):
        export(tmp_path, pages(images(3)))
    assert files(tmp_path) == {"manifest.json": body, "images-00000.jsonl": b"of another tool"}


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_path_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MiniMaxBadRequestError, match="cannot be written") as caught:
        export(tmp_path / "file" / below, pages(images(3)))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


# Object stores


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An object store, which has no folders to make and no renaming that is atomic."""
    attach("memory", fs=MemoryFileSystem())
    MemoryFileSystem.store.clear()
    yield MemoryFileSystem()
    MemoryFileSystem.store.clear()


def test_an_export_into_an_object_store_needs_no_existing_prefix(store: MemoryFileSystem) -> None:
    folder = ObjectStoragePath("memory://bucket/run=1")
    for count in (25, 8):
        summary = export(folder, pages(images(count)))
        parts = [f"/bucket/run=1/images-{number:05d}.jsonl" for number in range(summary["parts"])]
        assert store.find("/") == [*parts, "/bucket/run=1/manifest.json"]
        # Airflow 3.1 spells it with a third slash.
        assert summary["manifest"] == str(folder / "manifest.json")
    assert b"".join(store.cat_file(part) for part in parts).count(b"\n") == 8


def test_a_failed_export_to_an_object_store_leaves_no_manifest(store: MemoryFileSystem) -> None:
    folder = ObjectStoragePath("memory://bucket/run=1")
    with pytest.raises(MiniMaxUpstreamError):
        export(folder, pages(images(30), error=MiniMaxUpstreamError("x")))
    assert "/bucket/run=1/manifest.json" not in store.find("/")
