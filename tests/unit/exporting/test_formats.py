"""Formats: what is written comes back, and the same images give the same bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.exporting import formats
from airflow_provider_minimax.exporting.formats import FORMATS, format_named
from airflow_provider_minimax.exporting.rows import columns
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.conftest import export_to

HAS_PYARROW = find_spec("pyarrow") is not None
needs_pyarrow = pytest.mark.skipif(not HAS_PYARROW, reason="needs the extra parquet")
NAMES = [pytest.param(name, marks=needs_pyarrow if name == "parquet" else ()) for name in FORMATS]
#: A table of text cannot tell 2 from "2".
TYPED = [pytest.param(name, marks=needs_pyarrow if name == "parquet" else ()) for name in FORMATS if name != "csv"]

AWKWARD: dict[str, Any] = {
    "id": "7",
    "imageId": "user:1-minimax:2-image:7",
    "desc": 'two lines\r\nand "quotes", a comma,\ttab and 雨',
    "status": 2,
    "statusFinal": True,
    "createTime": 1_742_173_334_234,
    "userID": 2**70,
    "tags": [{"type": "normal", "tagIcon": "", "tagText": "image-01"}],
    "originFiles": [{"name": "a", "size": 3}, "b"],
    "extra": {"cameraMotions": ["left", {"pan": 1}], "promptStruct": ""},
    "videoURLs": {"feedURL": "", "downloadURLWithWatermark": "https://x/y"},
    "duration": 5,
    "tomorrow": {"field": [1, 2.5, None]},
}
#: Values of another type than the documented one, and nested fields that nobody has documented.
MISFITS: dict[str, Any] = {
    **AWKWARD,
    "status": "2",
    "createTime": "yesterday",
    "width": 2.5,
    "height": 2**64,
    "statusFinal": "yes",
    "tags": [{"type": "normal", "weight": 1}],
    "extra": {"promptStruct": "", "more": 1},
    "videoURLs": "none",
    "desc": ["no", "text"],
}


def written(name: str, images: list[dict[str, Any]], *, media: bool = False) -> bytes:
    sink = io.BytesIO()
    writer = format_named(name).write(sink, columns(media=media))
    writer.write(images)
    writer.close()
    return sink.getvalue()


def read(name: str, body: bytes) -> list[dict[str, Any]]:
    return list(format_named(name).read(io.BytesIO(body), None))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_comes_back(name: str) -> None:
    assert read(name, written(name, [AWKWARD, AWKWARD])) == [AWKWARD, AWKWARD]


@pytest.mark.parametrize("name", TYPED)
def test_a_value_of_another_type_is_not_lost(name: str) -> None:
    assert read(name, written(name, [MISFITS])) == [MISFITS]


@pytest.mark.parametrize("name", NAMES)
def test_half_an_emoji_costs_no_export(name: str) -> None:
    (row,) = read(name, written(name, [{"id": "1", "desc": "broken \ud83d", "tags": "\ud83d"}]))
    assert row["desc"] in ("broken \ud83d", "broken \\ud83d")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_images_give_the_same_bytes(name: str) -> None:
    assert written(name, [AWKWARD] * 30) == written(name, [AWKWARD] * 30)


@pytest.mark.parametrize("name", NAMES)
def test_an_export_in_each_format_holds_all_images(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    summary = export_to(
        str(tmp_path), file_format=name, part_rows=25, download_media=True, contact_sheet=True, mode="sync"
    )
    assert (summary["images"], summary["parts"]) == (60, 3)
    rows = [row for path in sorted(tmp_path.glob("images-*")) for row in read(name, path.read_bytes())]
    assert [row["imageId"] for row in rows] == [image["imageId"] for image in sandbox.all_images()]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("media/") >= summary["media_files"]
    # Sync reads rows of this format and writes them again.
    (made,) = sandbox.create_image("a lamp")
    sandbox.hold(made)
    options = {"file_format": name, "part_rows": 25, "download_media": True}
    export_to(str(tmp_path), mode="sync", **options)
    sandbox.finish(made)
    export_to(str(tmp_path), mode="sync", **options)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    rows = [row for part in manifest["parts"] for row in read(name, (tmp_path / part["name"]).read_bytes())]
    assert [row["imageId"] for row in rows] == [image["imageId"] for image in sandbox.all_images()]
    assert [row["desc"] for row in rows] == [image["desc"] for image in sandbox.all_images()]


def test_gzipped_lines_are_lines() -> None:
    lines = gzip.decompress(written("jsonl.gz", [AWKWARD])).splitlines()
    assert [json.loads(line) for line in lines] == [AWKWARD]


def test_a_csv_file_names_its_columns() -> None:
    (row,) = csv.DictReader(io.StringIO(written("csv", [AWKWARD], media=True).decode(), newline=""))
    assert list(row)[-4:] == ["mediaPath", "mediaBytes", "mediaSha256", "otherFields"]
    assert json.loads(row["otherFields"]) == {"tomorrow": {"field": [1, 2.5, None]}}


@needs_pyarrow
def test_a_parquet_file_has_types_and_row_groups() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(written("parquet", [AWKWARD] * 4_100)))
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [2000, 2000, 100]
    types = {field.name: field.type for field in file.schema_arrow}
    assert types["createTime"] == pa.timestamp("ms", tz="UTC")
    assert types["userID"] == pa.decimal128(38, 0)
    assert types["tags"].value_type.field("tagText").type == pa.string()
    assert types["originFiles"] == pa.list_(pa.string())
    assert types["statusFinal"] == pa.bool_()
    assert types["otherFields"] == pa.string()


def test_without_pyarrow_the_extra_is_named_by_the_task_and_the_dag_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    operator = MiniMaxExportImagesOperator(task_id="export", output_path="/nowhere", file_format="parquet")
    with pytest.raises(errors.MiniMaxBadRequestError, match=r"airflow-provider-minimax\[parquet\]"):
        MiniMaxExportImagesOperator.execute.__wrapped__(operator, {})
