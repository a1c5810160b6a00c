"""Foreign files in a folder are never removed and never replaced."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.export.exporter import export_images
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import Part, foreign_parts
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to, files

LIST = "GET /images/"
DIGITS = "0123456789abcdef"


def put(folder: Path, name: str, body: bytes = b"mine") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(body)


OURS = [Part("images-00000.jsonl", 1, 10, "a"), Part("images-00001.jsonl", 1, 20, "b")]
OURS.append(Part("images-00002-0123abcd.jsonl", 1, 30, "c"))


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ({}, []),
        ({"images-00000.jsonl": 10, "images-00001.jsonl": 20}, []),
        ({"images-00000.jsonl": 10}, []),
        ({"images-00000.jsonl": 11}, ["images-00000.jsonl"]),
        ({"images-00001.jsonl": 10}, ["images-00001.jsonl"]),
        ({"images-00002.jsonl": 10}, ["images-00002.jsonl"]),
        ({"images-00000.csv": 10, "images-00000.parquet": 20}, ["images-00000.csv", "images-00000.parquet"]),
        ({"images-123456.jsonl.gz": 10}, ["images-123456.jsonl.gz"]),
        ({"images-0000.jsonl": 1, "images.jsonl": 1, "my-images-00000.jsonl": 1, "images-00000.txt": 1}, []),
        ({"images-00000-0123abcd.jsonl": 10, "images-00000-0123abcd.csv": 10}, []),
        ({"images-00002-0123abcd.jsonl": 10}, ["images-00002-0123abcd.jsonl"]),
        ({"images-00002-0123abcd.jsonl": 30}, []),
        ({"images-00000-0123ABCD.jsonl": 10, "images-00000-0123abc.jsonl": 10}, []),
        ({"manifest.json": 1, "checkpoint.json": 1, "index.html": 1, "notes": 1}, []),
    ],
)
def test_which_files_with_the_name_of_a_part_are_foreign(sizes: dict[str, int], found: list[str]) -> None:
    assert foreign_parts(sizes, OURS) == found


FOREIGN = [
    *("images-00000.jsonl", "images-00000.parquet", "images-00017.csv", "images-00001.jsonl", "images-00300.jsonl.gz"),
    *("checkpoint.json", "manifest.json"),
]


@pytest.mark.parametrize("options", [{}, {"mode": "sync"}, {"file_format": "csv"}], ids=["snapshot", "sync", "csv"])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_with_a_name_of_ours_is_refused_by_name(
    sandbox: Sandbox, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    put(tmp_path, name)
    with pytest.raises(MiniMaxBadRequestError, match=rf"{name}.*Choose another output_path, or remove") as raised:
        export_to(str(tmp_path), **options)
    assert "\n" not in str(raised.value)
    assert files(tmp_path) == {name: b"mine"}
    assert sandbox.stats.requests[LIST] == 0, "it is refused before the walk"
    (tmp_path / name).unlink()
    assert export_to(str(tmp_path), **options)["images"] == 60


@pytest.mark.parametrize("body", [b"{", b"{}", b"[]", b"", b'{"version": 3, "parts": []}', b"\xff\xfe"])
def test_a_checkpoint_without_our_mark_is_refused(sandbox: Sandbox, tmp_path: Path, body: bytes) -> None:
    put(tmp_path, "checkpoint.json", body)
    with pytest.raises(MiniMaxBadRequestError, match=r"checkpoint\.json is not the checkpoint of an image export"):
        export_to(str(tmp_path))
    assert files(tmp_path) == {"checkpoint.json": body}


@pytest.mark.usefixtures("sandbox")
def test_the_error_names_the_first_few_of_many_files(tmp_path: Path) -> None:
    for number in range(300):
        put(tmp_path, f"images-{number:05d}.csv")
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00004\.csv and 295 more\.") as raised:
        export_to(str(tmp_path))
    assert "images-00005.csv" not in str(raised.value)


@pytest.mark.parametrize("mode", ["snapshot", "sync"])
@pytest.mark.parametrize("name", ["images-00000.jsonl", "images-00009.jsonl", "images-00001.csv"])
def test_a_changed_or_added_part_beside_an_export_is_refused(
    sandbox: Sandbox, tmp_path: Path, name: str, mode: str
) -> None:
    export_to(str(tmp_path), part_rows=25, mode=mode)
    put(tmp_path, name)
    before = files(tmp_path)
    sandbox.arrive(3)
    with pytest.raises(MiniMaxBadRequestError, match=name):
        export_to(str(tmp_path), part_rows=25, mode=mode)
    assert files(tmp_path) == before


AGAIN: list[dict[str, Any]] = [{}, {"part_rows": 20}, {"file_format": "csv"}, {"mode": "sync"}]


def edit(file: Path) -> None:
    """Change a file, and not its size."""
    body = file.read_bytes()
    file.write_bytes(body[:-3] + b"!" + body[-2:])


@pytest.mark.parametrize("again", AGAIN, ids=str)
@pytest.mark.parametrize("name", ["images-00000.jsonl", "images-00002.jsonl"])
def test_a_part_that_was_edited_at_equal_size_is_refused(
    sandbox: Sandbox, tmp_path: Path, name: str, again: dict[str, Any]
) -> None:
    export_to(str(tmp_path), part_rows=25, mode=again.get("mode", "snapshot"))
    edit(tmp_path / name)
    before = files(tmp_path)
    sandbox.arrive(3)
    with pytest.raises(MiniMaxBadRequestError, match=rf"{name}\. They stay as they are"):
        export_to(str(tmp_path), **({"part_rows": 25} | again))
    assert files(tmp_path) == before
    assert sandbox.stats.requests[LIST] == 1, "it is refused before the walk"


def test_an_edited_part_of_an_unfinished_export_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, page_cap=10))
    sandbox.fail("401", operation=LIST, skip=4)
    with pytest.raises(MiniMaxAuthError):
        export_to(str(tmp_path), part_rows=15)
    edit(tmp_path / "images-00000.jsonl")
    before = files(tmp_path)
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00000\.jsonl\. They stay"):
        export_to(str(tmp_path), part_rows=15)
    assert files(tmp_path) == before


def test_a_part_that_is_edited_before_the_first_new_part_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    """The older export is looked at again right before it is removed."""
    export_to(str(tmp_path), part_rows=25)
    sandbox.reset(replace(sandbox.config, page_cap=10))
    client = Interrupted(Settings(sandbox.token, sandbox.base_url))
    client.first_part = tmp_path / "checkpoint.json"
    client.act = lambda: edit(tmp_path / "images-00001.jsonl")
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00001\.jsonl"):
        export_images(client, plan=ExportPlan(), folder=ObjectStoragePath(str(tmp_path)))
    assert {"manifest.json", "images-00000.jsonl", "images-00001.jsonl"} <= files(tmp_path).keys()


def test_a_foreign_part_beside_an_unfinished_export_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, page_cap=10))
    sandbox.fail("401", operation=LIST, skip=4)
    with pytest.raises(MiniMaxAuthError):
        export_to(str(tmp_path), part_rows=15)
    before = files(tmp_path)
    put(tmp_path, "images-00002.jsonl")
    with pytest.raises(MiniMaxBadRequestError, match=r"images-00002\.jsonl\. They stay"):
        export_to(str(tmp_path), part_rows=15)
    assert files(tmp_path) == before | {"images-00002.jsonl": b"mine"}


class Interrupted(MiniMaxClient):
    """Does something before its fourth page, which is read ahead, once the first part exists."""

    first_part: Path

    act: Callable[[], object]

    def iter_pages(self, *, after: Any = None, **_: Any) -> Iterator[Page]:
        for number, page in enumerate(super().iter_pages(after=after)):
            if number == 3:
                end = time.monotonic() + 30
                while not self.first_part.exists():
                    assert time.monotonic() < end
                    time.sleep(0.01)
                self.act()
            yield page


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("images-00001.jsonl", b"mine"),
        ("images-00001.jsonl", b""),
        ("manifest.json", b"mine"),
    ],
)
def test_a_foreign_file_that_appears_during_the_export_stays(
    sandbox: Sandbox, tmp_path: Path, name: str, body: bytes
) -> None:
    sandbox.reset(replace(sandbox.config, page_cap=10))
    client = Interrupted(Settings(sandbox.token, sandbox.base_url))
    client.first_part = tmp_path / "images-00000.jsonl"
    client.act = lambda: put(tmp_path, name, body)
    with pytest.raises(MiniMaxBadRequestError, match=name):
        export_images(client, plan=ExportPlan(part_rows=20), folder=ObjectStoragePath(str(tmp_path)))
    assert files(tmp_path)[name] == body
    with pytest.raises(MiniMaxBadRequestError, match=name):
        export_to(str(tmp_path), part_rows=20)
    assert files(tmp_path)[name] == body
    (tmp_path / name).unlink()
    assert export_to(str(tmp_path), part_rows=20)["images"] == 60


def test_parts_of_an_older_export_are_removed_whatever_their_format(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(str(tmp_path / "x"), part_rows=10, file_format="csv")
    export_to(str(tmp_path / "x"), part_rows=25)
    export_to(str(tmp_path / "alone"), part_rows=25)
    assert files(tmp_path / "x") == files(tmp_path / "alone")


# Beside the parts

BESIDE = [
    f"media/holiday-{DIGITS}.jpg",
    "media/1.png",
    ".minimax-notes.unfinished",
    f".minimax-{'0' * 32}-{'1' * 32}.unfinished",
    f".minimax-{'0' * 32}.unfinished",
    "index.html",
    "notes.txt",
    "deeper/images-00000.jsonl",
]


@pytest.mark.parametrize("again", [{"download_media": True}, {}], ids=["media", "rows"])
def test_files_beside_the_parts_stay(sandbox: Sandbox, tmp_path: Path, again: dict[str, Any]) -> None:
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    for name in BESIDE:
        put(tmp_path, name)
    export_to(str(tmp_path), download_media=True)
    export_to(str(tmp_path), max_images=5, **again)
    assert {name: files(tmp_path)[name] for name in BESIDE} == dict.fromkeys(BESIDE, b"mine")


def test_a_file_that_was_downloaded_into_the_folder_of_an_export_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its name holds its checksum, as those of an export do."""
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    name = f"media/alice-image-7-{hashlib.sha256(b'mine').hexdigest()[:16]}.png"
    put(tmp_path, name)
    export_to(str(tmp_path), download_media=True)
    export_to(str(tmp_path), download_media=True, max_images=5)
    assert files(tmp_path)[name] == b"mine"
    assert sum(path.startswith("media/") for path in files(tmp_path)) == 1 + 5, "what the older export had is gone"


def named_by_its_hash(stem: str, body: bytes = b"mine") -> str:
    return f"{stem}-{hashlib.sha256(body).hexdigest()[:16]}.png"


@pytest.mark.parametrize("first", [{}, {"download_media": True}], ids=["rows", "media"])
def test_a_file_named_like_ours_stays_where_no_export_had_files(
    sandbox: Sandbox, tmp_path: Path, first: dict[str, Any]
) -> None:
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    name = f"media/{named_by_its_hash('7')}"
    put(tmp_path, name)
    export_to(str(tmp_path), **first)
    assert files(tmp_path)[name] == b"mine"
    if not first:
        export_to(str(tmp_path), max_images=5)
        assert files(tmp_path)[name] == b"mine"


@pytest.mark.parametrize("again", [{"download_media": True}, {}], ids=["media", "rows"])
def test_nothing_is_removed_through_a_link(sandbox: Sandbox, tmp_path: Path, again: dict[str, Any]) -> None:
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    (tmp_path / "x").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x" / "media").symlink_to(tmp_path / "elsewhere")
    put(tmp_path / "elsewhere", named_by_its_hash("7"))
    export_to(str(tmp_path / "x"), download_media=True)
    before = files(tmp_path / "elsewhere")
    export_to(str(tmp_path / "x"), max_images=5, **again)
    assert files(tmp_path / "elsewhere") == before
    assert (tmp_path / "x" / "media").is_symlink()


def test_a_link_in_the_folder_of_the_files_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    export_to(str(tmp_path / "x"), download_media=True)
    put(tmp_path, "mine.png")
    link = tmp_path / "x" / "media" / named_by_its_hash("7")
    link.symlink_to(tmp_path / "mine.png")
    export_to(str(tmp_path / "x"))
    assert list((tmp_path / "x" / "media").iterdir()) == [link]


@pytest.mark.parametrize("skip", [1, 4], ids=["before its first part", "after it"])
def test_the_files_of_an_export_that_broke_off_are_removed(sandbox: Sandbox, tmp_path: Path, skip: int) -> None:
    """Also where another attempt without files has broken off meanwhile."""
    sandbox.reset(replace(sandbox.config, page_cap=10, media_pixels=8))
    for options in ({"download_media": True}, {}):
        sandbox.fail("401", operation=LIST, skip=skip)
        with pytest.raises(MiniMaxAuthError):
            export_to(str(tmp_path), part_rows=15, **options)
        assert (tmp_path / "media").exists()
    export_to(str(tmp_path))
    assert set(files(tmp_path)) == {"images-00000.jsonl", "manifest.json"}


def test_an_edited_picture_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=8, media_pixels=8))
    export_to(str(tmp_path), download_media=True)
    oldest = json.loads((tmp_path / "images-00000.jsonl").read_text().splitlines()[-1])["mediaPath"]
    put(tmp_path, oldest)
    export_to(str(tmp_path), download_media=True, max_images=5)
    assert files(tmp_path)[oldest] == b"mine"


def test_a_file_named_media_matters_only_to_an_export_with_files(sandbox: Sandbox, tmp_path: Path) -> None:
    put(tmp_path, "media")
    assert export_to(str(tmp_path))["images"] == 60
    assert (tmp_path / "media").read_bytes() == b"mine"
    with pytest.raises(MiniMaxBadRequestError):
        export_to(str(tmp_path), download_media=True)
    assert (tmp_path / "media").read_bytes() == b"mine"
