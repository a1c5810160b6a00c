"""Records that several tests start from."""

from __future__ import annotations

from airflow_provider_minimax.submission.record import Record

RECORD = Record(
    kind="image", fingerprint="same", reply_ref="ref", shared_ref=False, prompt="a cat", account="2", quantity=1,
    sent_after=1000, sent_before=2000, max_tries=3,
)  # fmt: skip
