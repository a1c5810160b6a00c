"""Finding the files of an image in a folder that may hold very many."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.storage.base import Storage, _ObjectStorage, storage_at

FILES = ("12-a.png", "12-b.png", "123-a.png", "2-a.png", "ü", "12-deep/12-c.png")


class Memory(MemoryFileSystem):
    """A store of its own: the library's shares one among all."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]


class FindsByPrefix(Memory):
    def find(self, path: str, prefix: str = "", **kwargs: Any) -> list[str]:
        return [name for name in super().find(path, **kwargs) if name.startswith(f"{path}/{prefix}")]


@pytest.fixture(params=["disk", Memory, FindsByPrefix])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "disk":
        return storage_at(ObjectStoragePath(str(tmp_path)))
    return _ObjectStorage(SimpleNamespace(fs=request.param(), path="/exports"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("prefix", "found"), [("12-", {"12-a.png", "12-b.png"}), ("1-", set()), ("2-", {"2-a.png"})])
def test_names_are_found_by_how_they_begin(storage: Storage, prefix: str, found: set[str]) -> None:
    storage.prepare("media", "media/12-deep")
    for name in FILES:
        storage.put(f"media/{name}", b"x")
    names = storage.names("media")
    # A folder's name does no harm: it is none of a picture.
    assert set(names.beginning_with(prefix)) - {"12-deep"} == found
    names.close()


def test_nothing_is_found_where_nothing_is(storage: Storage) -> None:
    names = storage.names("media")
    assert names.beginning_with("1") == []
    names.close()


def test_a_store_is_not_listed_for_a_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = _ObjectStorage(SimpleNamespace(fs=FindsByPrefix(), path="/exports"))  # type: ignore[arg-type]
    storage.put("media/12-a.png", b"x")
    monkeypatch.setattr(_ObjectStorage, "files", None)
    names = storage.names("media")
    assert names.beginning_with("12-") == ["12-a.png"]
