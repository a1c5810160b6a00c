"""What the gallery reads of a folder that an XCom names, and what it does not."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.io import fs
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.ui import exports
from airflow_provider_minimax.ui.exports import UnreadableError, open_beneath, open_media, read_export
from tests.support import export_to, manifest, rows


@pytest.fixture
def export(sandbox: Sandbox, tmp_path: Path) -> Path:
    export_to(tmp_path / "export", download_media=True, max_images=12)
    return tmp_path / "export"


def first_file(export: Path) -> str:
    return str(next(row["mediaPath"] for row in rows(export) if row["mediaPath"]))


@pytest.mark.parametrize("file_format", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_the_rows_of_every_format_are_read(sandbox: Sandbox, tmp_path: Path, file_format: str) -> None:
    export_to(tmp_path, download_media=True, file_format=file_format, max_images=25, part_rows=10)
    found = read_export(str(tmp_path))
    assert (len(found.rows), found.total) == (25, 25)
    assert {f"media/{path.name}" for path in (tmp_path / "media").iterdir()} == found.media
    assert all(row["imageId"] and row["desc"] for row in found.rows)
    assert "userIDStr" not in found.rows[0]


def test_only_the_newest_rows_are_read(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.reset(replace(sandbox.config, images=700))
    export_to(tmp_path, part_rows=300)
    # Of the other parts, not even the names count.
    (tmp_path / "images-00002.jsonl").unlink()
    found = read_export(str(tmp_path))
    assert (len(found.rows), found.total) == (exports.MAX_ROWS, 700)


def test_a_store_is_read_through_its_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str | None] = []

    def store(conn_id: str | None, options: object) -> MemoryFileSystem:
        used.append(conn_id)
        return MemoryFileSystem()

    # As a provider of Airflow registers its scheme.
    monkeypatch.setitem(fs._register_filesystems(), "memory", store)
    monkeypatch.setenv("AIRFLOW_CONN_SHELF", "generic://")
    summary = export_to("memory://bucket/export", storage_conn_id="shelf", download_media=True, max_images=5)
    found = read_export(summary["path"])
    assert len(found.rows) == 5
    with open_media(summary["path"], min(found.media)).file as file:
        assert len(file.read()) > 100
    assert set(used) == {"shelf"}


def test_a_file_is_what_it_begins_like(export: Path) -> None:
    name = first_file(export)
    media = open_media(str(export), name)
    with media.file:
        assert media.content_type == "image/png"
        file_size = (export / name).stat().st_size
        assert media.size == file_size
    (export / name).write_bytes(b"<svg onload='alert(1)'/>".ljust(file_size))
    with pytest.raises(UnreadableError):
        open_media(str(export), name)


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json", "images-00000.jsonl", "media/../manifest.json", "../../../../../../etc/passwd", "/etc/passwd",
        "media/", "", "media/no-0123456789abcdef.png", "media/x\0.png", "media//etc/passwd", "./media/x.png",
    ],
)  # fmt: skip
def test_a_file_that_no_row_names_is_not_opened(export: Path, name: str) -> None:
    (export / "media" / "no-0123456789abcdef.png").write_bytes((export / first_file(export)).read_bytes())
    with pytest.raises(UnreadableError):
        open_media(str(export), name)


def edit_manifest(export: Path, **fields: Any) -> None:
    (export / "manifest.json").write_text(json.dumps(manifest(export) | fields))


def edit_rows(export: Path, **fields: Any) -> None:
    changed = [row | fields for row in rows(export)]
    (export / "images-00000.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in changed))


SECRET = "sql_alchemy_conn = secret"


def secret(export: Path) -> Path:
    path = export.parent / "airflow.cfg"
    path.write_text(SECRET)
    return path


def part_elsewhere(export: Path) -> None:
    part = manifest(export)["parts"][0]
    edit_manifest(export, parts=[{**part, "name": f"../{secret(export).name}"}])


def part_is_absolute(export: Path) -> None:
    edit_manifest(export, parts=[{**manifest(export)["parts"][0], "name": str(secret(export))}])


def part_is_link(export: Path) -> None:
    other = export.parent / "other.jsonl"
    (export / "images-00000.jsonl").rename(other)
    (export / "images-00000.jsonl").symlink_to(other)


def part_is_pipe(export: Path) -> None:
    (export / "images-00000.jsonl").unlink()
    os.mkfifo(export / "images-00000.jsonl")


def part_is_folder(export: Path) -> None:
    (export / "images-00000.jsonl").unlink()
    (export / "images-00000.jsonl").mkdir()


def part_is_no_rows(export: Path) -> None:
    (export / "images-00000.jsonl").write_text(SECRET)


def part_is_other_json(export: Path) -> None:
    (export / "images-00000.jsonl").write_text('["x"]\n7\n')


def manifest_is_link(export: Path) -> None:
    (export / "manifest.json").rename(export / "own.json")
    (export / "manifest.json").symlink_to("own.json")


def manifest_is_foreign(export: Path) -> None:
    edit_manifest(export, kind="webpack")


def manifest_is_newer(export: Path) -> None:
    edit_manifest(export, version=2)


def manifest_is_no_json(export: Path) -> None:
    (export / "manifest.json").write_text(SECRET)


def manifest_is_deep(export: Path) -> None:
    (export / "manifest.json").write_text("[" * 10**6)


def manifest_names_no_format(export: Path) -> None:
    edit_manifest(export, format={"x": 1})


def manifest_is_missing(export: Path) -> None:
    (export / "manifest.json").unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        part_elsewhere, part_is_absolute, part_is_link, part_is_pipe, part_is_folder, part_is_no_rows,
        part_is_other_json, manifest_is_link, manifest_is_foreign, manifest_is_newer, manifest_is_no_json,
        manifest_is_deep, manifest_names_no_format, manifest_is_missing,
    ],
)  # fmt: skip
def test_a_spoilt_export_is_not_read(export: Path, spoil: Callable[[Path], None]) -> None:
    name = first_file(export)
    spoil(export)
    with pytest.raises(UnreadableError) as caught:
        read_export(str(export))
    assert SECRET not in str(caught.value)
    with pytest.raises(UnreadableError):
        open_media(str(export), name)


@pytest.mark.parametrize("path", ["../../etc/passwd", "media/../../x.png", "/etc/passwd", "media/passwd", 7, None])
def test_a_row_that_names_another_file_has_none(export: Path, path: object) -> None:
    edit_rows(export, mediaPath=path)
    assert read_export(str(export)).media == frozenset()


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_is_not_followed(export: Path, tmp_path: Path, link: str) -> None:
    name = first_file(export)
    if link == "file":
        shutil.move(export / name, tmp_path / "picture.png")
        (export / name).symlink_to(tmp_path / "picture.png")
    else:
        (export / "media").rename(tmp_path / "elsewhere")
        (export / "media").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableError):
        open_media(str(export), name)


@pytest.mark.parametrize(
    "path",
    [
        "/etc", "relative", "http://127.0.0.1:1/x", "https://example.com/x", "memory://nobody@x/y", "ftp://x/y",
        "simplecache::file:///tmp", "file://elsewhere/x", "s3://bucket/x", "~nobody-of-this-name/x", "/x/None", "",
        "/x\0y", "/dev", "/proc/self", "github://x", "reference://x",
    ],
)  # fmt: skip
def test_what_is_no_export_is_not_read(path: str) -> None:
    with pytest.raises(UnreadableError):
        read_export(path)


def test_a_part_that_expands_without_end_is_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, file_format="jsonl.gz")
    row = b'{"desc": "' + b"x" * exports.MAX_TEXT_BYTES + b'"}\n'
    (tmp_path / "images-00000.jsonl.gz").write_bytes(gzip.compress(row, compresslevel=1))
    with pytest.raises(UnreadableError):
        read_export(str(tmp_path))


def test_with_teams_nothing_is_read(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    with pytest.raises(UnreadableError):
        read_export(str(export))


def test_a_folder_behind_a_link_is_the_users_own_choice(export: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(export)
    assert len(read_export(str(tmp_path / "link")).rows) == 12


def handles(below: Path) -> list[str]:
    """Return what this process holds open below a folder. Other tests may still close handles of theirs."""
    found = []
    for handle in Path("/proc/self/fd").glob("*"):
        # Not the one that lists them.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(handle.readlink()))
    return [path for path in found if path.startswith(str(below))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_handle_is_left_open(export: Path) -> None:
    (export / "media" / "pipe").symlink_to("/dev/zero")
    os.mkfifo(export / "fifo")
    for name in ("fifo", "media/pipe", "media", "media/none", "none/none"):
        with pytest.raises((FileNotFoundError, IsADirectoryError, OSError), match=r"Errno|fifo|media"):
            open_beneath(str(export), name)
    assert handles(export) == []
    with open_beneath(str(export), "manifest.json"):
        assert len(handles(export)) == 1


def test_of_parts_without_rows_only_so_many_are_opened(export: Path) -> None:
    part = manifest(export)["parts"][0]
    (export / part["name"]).write_bytes(b"")
    # The last one would make the export unreadable.
    edit_manifest(export, parts=[*[part] * exports.MAX_ROWS, {**part, "name": "../airflow.cfg"}])
    assert read_export(str(export)).rows == ()


def test_a_table_that_expands_without_bounds_is_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    export_to(tmp_path, file_format="parquet", max_images=3)
    (part,) = tmp_path.glob("*.parquet")
    table = pq.read_table(part)
    columns = table.schema.names
    prompts = pa.array(["x" * (exports.MAX_TEXT_BYTES // 2)] * table.num_rows)
    table = table.set_column(columns.index("desc"), "desc", prompts)
    pq.write_table(table, part, compression="zstd", use_dictionary=False)
    assert part.stat().st_size < 2**20
    with pytest.raises(UnreadableError):
        read_export(str(tmp_path))
