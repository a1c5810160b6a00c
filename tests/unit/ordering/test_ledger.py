"""What a try makes of what earlier tries have left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.ordering.ledger import Ledger, Record, decide, fingerprint
from tests.unit.operators.support import MemoryStore

RECORD = Record(
    kind="image", fingerprint="same", reply_ref="ref", shared_ref=False, prompt="a cat", account="2", quantity=1,
    since=1000, until=2000, max_tries=3,
)  # fmt: skip
CREATED = replace(RECORD, phase="created", ids=("id",))
REFUSED = replace(RECORD, phase="refused")


@pytest.mark.parametrize(
    ("record", "wanted", "max_tries", "act", "reason"),
    [
        (None, "same", 3, "create", "Nothing was ordered"),
        (RECORD, "same", 3, "look", "replyRef ref"),
        (CREATED, "same", 3, "attach", "has created id"),
        (REFUSED, "same", 3, "create", "was refused"),
        (RECORD, "other", 3, "create", "inputs are not"),
        (CREATED, "other", 3, "create", "inputs are not"),
        (RECORD, "same", 4, "create", "was cleared"),
        (CREATED, "same", 4, "create", "was cleared"),
        (REFUSED, "other", 4, "create", "was cleared"),
        # A DAG whose number of retries was lowered meanwhile.
        (CREATED, "same", 2, "attach", "has created id"),
    ],
)
def test_the_table(record: Record | None, wanted: str, max_tries: int, act: str, reason: str) -> None:
    decision = decide(record, wanted, max_tries)
    assert decision.act == act
    assert reason in decision.reason


@pytest.mark.parametrize("record", [RECORD, CREATED, replace(RECORD, seen=("a", "b")), replace(RECORD, account=None)])
def test_a_record_comes_back_from_the_store_as_it_was(record: Record) -> None:
    store = MemoryStore()
    Ledger(store).write(record)
    assert Ledger(store).record == record


@pytest.mark.parametrize("value", [None, 1, [], {}, {"version": 1}, {**RECORD.dump(), "version": 2}])
def test_what_is_no_record_is_none(value: Any) -> None:
    assert Record.load(value) is None


def test_without_a_store_a_record_lasts_for_the_try() -> None:
    ledger = Ledger(None)
    ledger.write(RECORD)
    assert ledger.record == RECORD
    assert not ledger.lasts


def test_the_fingerprint_is_of_what_is_generated() -> None:
    body = {"prompt": "a cat", "model": "m"}
    same = fingerprint("image", body, "auto")
    for irrelevant in ("replyRef", "replyUrl", "maxJobs", "account"):
        assert fingerprint("image", {**body, irrelevant: "x"}, "auto") == same
    others = [("video", body, "auto"), ("image", {**body, "prompt": "a dog"}, "auto"), ("image", body, "2")]
    assert same not in [fingerprint(*other) for other in others]
    assert fingerprint("image", dict(reversed(body.items())), "auto") == same


def test_waiting_for_room_begins_anew_with_each_try() -> None:
    ledger = Ledger(MemoryStore())
    assert ledger.waiting_since(1, 10.0) == 10.0
    assert ledger.waiting_since(1, 20.0) == 10.0
    assert ledger.waiting_since(2, 30.0) == 30.0
    assert Ledger(None).waiting_since(1, 5.0) == 5.0
