"""Names of files."""

from __future__ import annotations

from airflow_provider_minimax.media.filenames import stem_of


def test_two_ids_never_share_a_name() -> None:
    ids = ["a/b", "a.b", "a b", "a_b", "x:a_b", "é", "è", "x" * 100, "x" * 101]
    assert len({stem_of(one) for one in ids}) == len(ids) - 1  # x:a_b is a_b, written in full.
