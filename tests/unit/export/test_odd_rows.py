"""Rows that no table is made for: an export ends well, and keeps what was sent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.serialization import dumps, loads
from tests.unit.export.test_export import export, pages
from tests.unit.export.test_formats import NAMES, read

#: As the service might send them: dates that nobody can hold, and numbers that no type can.
SENT = [
    b'{"imageId":"i6","createTime":9007199254740991,"status":2,"desc":"far"}',
    b'{"imageId":"i5","createTime":1e400,"status":2,"desc":"infinite"}',
    b'{"imageId":"i4","createTime":-62135596800001,"status":2,"desc":"before the year 1"}',
    b'{"imageId":"i3","createTime":1742173334234.5,"status":2,"desc":"half"}',
    b'{"imageId":"i2","createTime":"soon","width":1e400,"height":' + b"9" * 400 + b',"status":2,"desc":"words"}',
    b'{"imageId":"i1","createTime":1742173334234,"status":2,"desc":"a date"}',
]


@pytest.mark.parametrize("name", NAMES)
def test_an_export_with_odd_dates_succeeds_and_has_a_contact_sheet(tmp_path: Path, name: str) -> None:
    images = [loads(body) for body in SENT]
    summary = export(tmp_path, pages(images), file_format=name, part_rows=4, contact_sheet=True)
    assert summary["images"] == len(SENT)
    bodies = [path.read_bytes() for path in sorted(tmp_path.glob("images-*"))]
    rows = [row for body in bodies for row in read(name, body)]
    assert [_sorted(row) for row in rows] == [_sorted(image) for image in images]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data"')[2].partition(">")[2].partition("</script>")[0])
    assert [row[4] for row in data["rows"]] == [None, None, None, 1_742_173_334_234, None, 1_742_173_334_234]


def _sorted(image: dict[str, Any]) -> bytes:
    return dumps(dict(sorted(image.items())))


@pytest.mark.parametrize("name", ["jsonl", "jsonl.gz"])
def test_lines_equal_what_the_service_has_sent(tmp_path: Path, name: str) -> None:
    export(tmp_path, pages([loads(body) for body in SENT]), file_format=name, part_rows=10)
    (part,) = tmp_path.glob("images-*")
    body = part.read_bytes()
    if name == "jsonl.gz":
        body = gzip.decompress(body)
    assert body == b"".join(line + b"\n" for line in SENT)
