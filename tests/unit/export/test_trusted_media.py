"""Which files of earlier exports are taken as they are, and which are read and checked first."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.export import formats
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.storage.base import Storage
from tests.support import export_to, files

MEDIA = "GET /media/{name}"
FORMATS = [
    pytest.param(name, marks=pytest.mark.skipif(name == "parquet" and not find_spec("pyarrow"), reason="no pyarrow"))
    for name in formats.FORMATS
]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the media files that are read and hashed."""
    names: list[str] = []
    real = Storage.size_and_hash

    def note(self: Storage, name: str) -> tuple[int, str]:
        if name.startswith("media/"):
            names.append(name)
        return real(self, name)

    monkeypatch.setattr(Storage, "size_and_hash", note)
    return names


def export(folder: Path, **options: Any) -> dict[str, Any]:
    return export_to(folder, download_media=True, **options)


def fail(sandbox: Sandbox, folder: Path, files_first: int, **options: Any) -> None:
    """Export until a file is missing."""
    sandbox.fail("404", operation=MEDIA, skip=files_first)
    with pytest.raises(errors.MiniMaxUpstreamError):
        export(folder, **options)
    sandbox.clear_faults()


def media(folder: Path) -> list[Path]:
    return sorted((folder / "media").iterdir())


def spoil(path: Path) -> bytes:
    """Change a file as a power loss does: its size stays."""
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    return whole


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_whole_export_is_exported_again_without_reading_its_files(
    sandbox: Sandbox, tmp_path: Path, checked: list[str], file_format: str
) -> None:
    export(tmp_path, file_format=file_format)
    before, fetched = files(tmp_path), sandbox.stats.count(MEDIA)
    export(tmp_path, file_format=file_format)
    assert files(tmp_path) == before
    assert (checked, sandbox.stats.count(MEDIA)) == ([], fetched)


def test_the_rows_may_get_another_form(sandbox: Sandbox, tmp_path: Path, checked: list[str]) -> None:
    export(tmp_path, file_format="csv", csv_safe=True)
    fetched = sandbox.stats.count(MEDIA)
    export(tmp_path, part_rows=7)
    assert (checked, sandbox.stats.count(MEDIA)) == ([], fetched)


@pytest.mark.parametrize("change", ["shorter", "longer", "missing"])
def test_a_file_of_another_size_is_fetched_again(
    sandbox: Sandbox, tmp_path: Path, checked: list[str], change: str
) -> None:
    export(tmp_path)
    before, fetched = files(tmp_path), sandbox.stats.count(MEDIA)
    one = media(tmp_path)[3]
    body = one.read_bytes()
    one.write_bytes(body[:-1] if change == "shorter" else body + b"x")
    if change == "missing":
        one.unlink()
    export(tmp_path)
    assert files(tmp_path) == before
    assert sandbox.stats.count(MEDIA) == fetched + 1
    assert checked == ([] if change == "missing" else [f"media/{one.name}"])


def test_files_of_committed_rows_are_trusted_and_later_ones_checked(
    sandbox: Sandbox, tmp_path: Path, checked: list[str]
) -> None:
    """The next attempt has other parameters, so it starts from scratch."""
    sandbox.reset(replace(sandbox.config, images=200, page_cap=20))
    fail(sandbox, tmp_path, 120, part_rows=10)
    there = len(media(tmp_path))
    trusted = sum(line.count(b'"mediaPath":"') for part in tmp_path.glob("images-*") for line in part.open("rb"))
    assert 0 < trusted < there
    export(tmp_path, part_rows=50)
    assert len(set(checked)) == len(checked) == there - trusted


def test_a_file_that_no_row_records_may_be_torn(sandbox: Sandbox, tmp_path: Path, checked: list[str]) -> None:
    fail(sandbox, tmp_path, 30)
    there, fetched = media(tmp_path), sandbox.stats.count(MEDIA)
    whole = spoil(there[2])
    export(tmp_path)
    assert len(checked) == len(there)
    assert there[2].read_bytes() == whole
    assert sandbox.stats.count(MEDIA) == fetched + len(media(tmp_path)) - len(there) + 1


def test_rows_that_cannot_be_trusted_record_nothing(
    sandbox: Sandbox, tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here those of Parquet where its library is missing."""
    pytest.importorskip("pyarrow")
    export(tmp_path, file_format="parquet")
    fetched = sandbox.stats.count(MEDIA)
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    export(tmp_path)
    assert len(checked) == len(media(tmp_path))
    assert sandbox.stats.count(MEDIA) == fetched
