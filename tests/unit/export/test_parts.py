"""The writer of parts."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.export.parts import PartWriter
from airflow_provider_minimax.export.rows import columns
from airflow_provider_minimax.storage.folders import storage_at


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMATS)
def test_an_aborted_part_leaves_nothing_and_warns_of_nothing(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    storage = storage_at(ObjectStoragePath(str(tmp_path)))
    writer = PartWriter(storage, FORMATS[form], columns(media=False), 0, lambda draft, part: draft.commit(part.name))
    writer.add({"imageId": "i1", "status": 2})
    writer.flush()
    writer.abort()
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == []
