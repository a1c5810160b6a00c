"""Names in a folder that may hold very many, found by prefix."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.folders import storage_at
from airflow_provider_minimax.storage.object_store import ObjectStorage

FILES = ("12-a.png", "12-b.png", "123-a.png", "2-a.png", "ü", "12-deep/12-c.png")


class Memory(MemoryFileSystem):
    """A store of its own: instances of the library's share one."""

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
    return ObjectStorage(SimpleNamespace(fs=request.param(), path="/exports"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("prefix", "found"), [("12-", {"12-a.png", "12-b.png"}), ("1-", set()), ("2-", {"2-a.png"})])
def test_names_are_found_by_prefix(storage: Storage, prefix: str, found: set[str]) -> None:
    storage.prepare("media", "media/12-deep")
    for name in FILES:
        storage.write(f"media/{name}", b"x")
    names = storage.names("media")
    # The name of a folder does no harm: it does not match those of pictures.
    assert set(names.with_prefix(prefix)) - {"12-deep"} == found
    names.close()


def test_nothing_is_found_in_a_missing_folder(storage: Storage) -> None:
    names = storage.names("media")
    assert names.with_prefix("1") == []
    names.close()


def test_a_store_is_not_listed_for_a_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage(SimpleNamespace(fs=FindsByPrefix(), path="/exports"))  # type: ignore[arg-type]
    storage.write("media/12-a.png", b"x")
    monkeypatch.setattr(ObjectStorage, "files", None)
    names = storage.names("media")
    assert names.with_prefix("12-") == ["12-a.png"]
