"""A store whose library does no more than open files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.storage.object_store import BLOCK_BYTES, ObjectStorage


class OpensFiles(MemoryFileSystem):
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]

    def pipe_file(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    def cp_file(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError


@pytest.fixture
def storage() -> ObjectStorage:
    return ObjectStorage(SimpleNamespace(fs=OpensFiles(), path="/exports"))  # type: ignore[arg-type]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("size", [1, 5 * 2**20, BLOCK_BYTES + 1])
def test_a_draft_is_uploaded_whatever_its_size(storage: ObjectStorage, size: int, durable: bool) -> None:
    draft, body = storage.draft(), b"x" * size
    draft.write(body)
    draft.commit("media/1.png", durable=durable)
    assert storage.read("media/1.png") == body


def test_a_manifest_is_published(storage: ObjectStorage) -> None:
    storage.publish("manifest.json", b"{}", lambda: None)
    assert storage.sizes() == {"manifest.json": 2}
