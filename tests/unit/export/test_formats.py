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
from airflow_provider_minimax.api.serialization import dumps, loads
from airflow_provider_minimax.export import formats
from airflow_provider_minimax.export.formats import FORMATS, SAFE_CSV, format_named
from airflow_provider_minimax.export.rows import columns
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import export_to

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
def test_rows_survive_writing_and_reading(name: str) -> None:
    assert read(name, written(name, [AWKWARD, AWKWARD])) == [AWKWARD, AWKWARD]


@pytest.mark.parametrize("name", TYPED)
def test_a_value_of_another_type_is_not_lost(name: str) -> None:
    assert read(name, written(name, [MISFITS])) == [MISFITS]


@pytest.mark.parametrize("name", NAMES)
def test_half_an_emoji_does_not_fail_an_export(name: str) -> None:
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


# Numbers and dates that a format cannot hold


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["createTime", "duration", "userID", "tomorrow", "extra"])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "0.1234567890123456789", "1" * 5000])
def test_a_number_beyond_its_type_is_kept_as_it_was_sent(name: str, field: str, number: str) -> None:
    body = f'{{"id":"1","{field}":{number}}}'.encode()
    (row,) = read(name, written(name, [loads(body)]))
    assert dumps({"id": row["id"], field: row[field]}) == body


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "created",
    [
        *(2**53 - 1, 2**53, 2**63, 2**64, 2**70, -(2**53), -(2**63) - 1, 253_402_300_800_000, -62_135_596_800_001),
        *(253_402_300_799_999, -62_135_596_800_000, -1, 0, 1, 1_742_173_334_234, 1e300, -1e300, 1.5, True),
    ],
)
def test_a_date_that_a_format_cannot_hold_is_kept_as_it_was_sent(name: str, created: object) -> None:
    image = {"id": "1", "createTime": created}
    (row,) = read(name, written(name, [image]))
    assert row == image
    assert type(row["createTime"]) is type(created)


@needs_pyarrow
def test_a_date_beyond_all_libraries_goes_into_the_other_fields() -> None:
    import pyarrow.parquet as pq

    rows = [{"id": str(n), "createTime": n} for n in (1_742_173_334_234, 2**53 - 1, -(2**53))]
    table = pq.read_table(io.BytesIO(written("parquet", rows)))
    dates, others = table["createTime"].to_pylist(), table["otherFields"].to_pylist()
    assert [None if found is None else found.isoformat() for found in dates] == [
        "2025-03-17T01:02:14.234000+00:00",
        None,
        None,
    ]
    assert others == [None, f'{{"createTime":{2**53 - 1}}}', f'{{"createTime":{-(2**53)}}}']


@needs_pyarrow
def test_a_file_with_a_date_beyond_python_can_be_read() -> None:
    """As an earlier release has written it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    schema = pa.schema(
        [("id", pa.string()), ("createTime", pa.timestamp("ms", tz="UTC")), ("otherFields", pa.string())]
    )
    pq.write_table(pa.Table.from_pylist([{"id": "1", "createTime": 2**53 - 1}], schema=schema), sink)
    assert read("parquet", sink.getvalue()) == [{"id": "1", "createTime": 2**53 - 1}]


# CSV for spreadsheets

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "''=1",
    "'-",
    "=",
    "'",
    "''",
    "'quoted'",
    "plain",
    "",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_an_escaped_cell_is_no_formula_and_is_read_as_it_was(text: str) -> None:
    image = {"id": "1", "desc": text, "priority": -1, "tags": [], "tomorrow": text} | ({} if text else {"desc": None})
    sink = io.BytesIO()
    SAFE_CSV.write(sink, columns(media=False)).write([image])
    (cells,) = csv.DictReader(io.StringIO(sink.getvalue().decode(), newline=""))
    assert not [cell for cell in cells.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    sink.seek(0)
    (row,) = SAFE_CSV.read(sink, None)
    assert row == {name: value for name, value in image.items() if value is not None}


def test_cells_are_escaped_only_with_csv_safe() -> None:
    (cells,) = csv.DictReader(io.StringIO(written("csv", [{"id": "1", "desc": "=1+1"}]).decode(), newline=""))
    assert cells["desc"] == "=1+1"


def test_an_export_for_spreadsheets_goes_through_a_sync(sandbox: Sandbox, tmp_path: Path) -> None:
    options = {"file_format": "csv", "csv_safe": True, "part_rows": 25, "mode": "sync", "contact_sheet": True}
    (made,) = sandbox.create_image("=HYPERLINK(1)")
    sandbox.hold(made)
    export_to(str(tmp_path), **options)
    sandbox.finish(made)
    summary = export_to(str(tmp_path), **options)
    assert summary["images"] == 61
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["csv_safe"] is True
    parts = [(tmp_path / part["name"]).read_bytes() for part in manifest["parts"]]
    assert not any(b",=HYPERLINK" in part or b',"=HYPERLINK' in part for part in parts)
    rows = [row for part in parts for row in SAFE_CSV.read(io.BytesIO(part), None)]
    assert [row["desc"] for row in rows] == [image["desc"] for image in sandbox.all_images()]
    # Without it, the cells are others: nothing is added to what is there.
    export_to(str(tmp_path), **options | {"csv_safe": False})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert "csv_safe" not in manifest
    parts = [(tmp_path / part["name"]).read_bytes() for part in manifest["parts"]]
    assert any(b',"=HYPERLINK' in part or b",=HYPERLINK" in part for part in parts)


def test_csv_safe_needs_csv(tmp_path: Path) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="csv_safe is for file_format='csv', not 'jsonl'"):
        export_to(str(tmp_path / "x"), csv_safe=True)
    assert not (tmp_path / "x").exists()
