"""Drafts on a local disk."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.storage.folders import storage_at


def test_a_discarded_draft_leaves_nothing_and_ignores_the_footer_of_its_writer(tmp_path: Path) -> None:
    draft = storage_at(ObjectStoragePath(str(tmp_path))).draft()
    draft.write(b"a part")
    draft.discard()
    assert draft.write(b"a footer") == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("disk", ["begins early", "refuses", "cannot"])
def test_a_long_draft_is_stored_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: str) -> None:
    begun: list[tuple[int, int]] = []

    def advise(handle: int, start: int, size: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_DONTNEED
        assert os.fstat(handle).st_size == start + size, "what the disk begins to store is not in our buffer"
        begun.append((start, size))
        if disk == "refuses":
            raise OSError(errno.EINVAL, "refused")

    if disk == "cannot":
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fadvise", advise)
    draft = storage_at(ObjectStoragePath(str(tmp_path))).draft()
    body = random.Random(1).randbytes(1_000_000)
    for _ in range(7):
        draft.write(body)
    draft.commit("x")
    assert (tmp_path / "x").read_bytes() == body * 7
    assert draft.sha256 == hashlib.sha256(body * 7).hexdigest()
    assert begun == ([] if disk == "cannot" else [(0, 3_000_000), (3_000_000, 3_000_000)])
