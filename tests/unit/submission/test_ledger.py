"""What a try makes of what earlier tries have left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.submission.record import KEY, Ledger, Record, Unreadable, decide, fingerprint
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
        # Cleared after the DAG's number of retries was lowered.
        (CREATED, "same", 2, "create", "was cleared"),
        (Unreadable("id", None), "same", 3, "give up", "cannot be read here"),
        (Unreadable("id", 3), "same", 3, "give up", "It tells of id"),
        (Unreadable("id", 2), "same", 3, "create", "The earlier one was id"),
        (Unreadable(None, 2), "same", 3, "create", "was cleared"),
    ],
)
def test_the_table(record: Record | Unreadable | None, wanted: str, max_tries: int, act: str, reason: str) -> None:
    decision = decide(record, wanted, max_tries)
    assert decision.act == act
    assert reason in decision.reason


#: As the first form of the record lies in the stores of tasks.
STORED = {
    "version": 1, "kind": "video", "fingerprint": "same", "reply_ref": "ref", "shared_ref": False, "prompt": "a cat",
    "account": None, "quantity": 1, "since": 1000, "until": 2000, "max_tries": 3, "seen": ["a", "b"],
    "phase": "created", "ids": ["id"],
}  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        CREATED,
        replace(RECORD, seen={"2": ("a", "b"), "3": ()}, others=("c",), former_refs=("d",)),
        replace(RECORD, account=None, attempt=2, unknown_in=2, resubmitted_in=2, closed=True),
        replace(RECORD, clock_offset=-600_000, clock_margin=15_000),
    ],
)
def test_a_record_comes_back_from_the_store_as_it_was(record: Record) -> None:
    store = MemoryStore()
    Ledger(store).write(record)
    assert Ledger(store).record == record


def test_the_first_form_stays_readable() -> None:
    # Its ids are; what it says of the time before was not known for certain.
    expected = replace(CREATED, kind="video", account=None, seen={})
    assert Record.load(STORED) == expected
    assert Record.load({**STORED, "from_tomorrow": 1}) == expected


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, Unreadable(None, None)),
        ([], Unreadable(None, None)),
        ({}, Unreadable(None, None)),
        # A worker without the state_store_backend that keeps the record elsewhere.
        ({"__airflow_state_ref__": "s3://bucket/key"}, Unreadable(None, None)),
        ({"version": 1}, Unreadable(None, None)),
        ({"version": 2}, Unreadable(None, None)),
        ({**STORED, "version": 99}, Unreadable("id", 3)),
        ({**STORED, "version": 99, "ids": [], "max_tries": "3"}, Unreadable("replyRef ref", None)),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_nothing(value: Any, found: Unreadable) -> None:
    assert Record.load(value) == found
    store = MemoryStore()
    store.set(KEY, value)
    assert Ledger(store).record is None
    assert Ledger(store).found == found


def test_nothing_is_no_record() -> None:
    assert Record.load(None) is None


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
    assert ledger.waiting_since(1) is None
    ledger.wait_since(1, 10.0)
    assert ledger.waiting_since(1) == 10.0
    assert ledger.waiting_since(2) is None
    Ledger(None).wait_since(1, 10.0)
    assert Ledger(None).waiting_since(1) is None
