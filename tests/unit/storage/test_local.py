"""Drafts on a local disk."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import ObjectStoragePath

from airflow_provider_minimax.storage.folders import storage_at


def test_a_discarded_draft_leaves_nothing_and_ignores_the_footer_of_its_writer(tmp_path: Path) -> None:
    draft = storage_at(ObjectStoragePath(str(tmp_path))).draft()
    draft.write(b"a part")
    draft.discard()
    assert draft.write(b"a footer") == 8
    assert list(tmp_path.iterdir()) == []
