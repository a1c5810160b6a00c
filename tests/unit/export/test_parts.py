"""The writer of parts."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.parts import Part, PartWriter, first_damaged
from airflow_provider_minimax.export.rows import columns
from airflow_provider_minimax.storage.folders import storage_at


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMATS)
def test_an_aborted_part_leaves_nothing_and_warns_of_nothing(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    writer = PartWriter(storage, FORMATS[form], columns(media=False), 0, lambda draft, part: draft.commit(part.name))
    writer.add([{"imageId": "i1", "status": 2}])
    writer.flush()
    writer.abort()
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sizes", "name"),
    [({"a": 1, "b": 2}, None), ({"a": 1, "b": 2, "c": 3}, None), ({"a": 1}, "b"), ({"b": 2}, "a"), ({"a": 0}, "a")],
)
def test_a_part_is_damaged_where_it_is_missing_or_of_another_size(sizes: dict[str, int], name: str | None) -> None:
    assert first_damaged([Part("a", 1, 1, ""), Part("b", 1, 2, "")], sizes) == name
