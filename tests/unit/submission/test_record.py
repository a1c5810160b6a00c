"""The record of a create, and its fingerprint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.submission.record import Record, UnreadableRecord, fingerprint
from airflow_provider_minimax.submission.record_store import KEY, RecordStore
from tests.unit.operators.support import MemoryStore
from tests.unit.submission.support import RECORD

CREATED = replace(RECORD, phase="created", ids=("id",))
STORED = CREATED.dump()
WRONG: list[tuple[str, Any]] = [
    *((name, wrong) for name in ("sent_after", "sent_before") for wrong in ("abc", "1000", None, True, -1, 10**30)),
    *(("clock_offset", wrong) for wrong in ("0", None, 10**30, -(10**30))),
    ("clock_margin", "0"),
    *(("earlier_sent", wrong) for wrong in ([1], [[1]], [["1", 2]], None)),
    *(("phase", wrong) for wrong in ("lost", None, 1)),
    *(("kind", wrong) for wrong in ("poem", "", None)),
    *((name, wrong) for name in ("foreign_ids", "earlier_refs") for wrong in ([1], "id", None, {"id": 1})),
    *(("known_ids", wrong) for wrong in ([1], {"2": [1]}, {"2": "id"}, {"2": None}, None)),
    *((name, [wrong]) for name in ("prompt", "fingerprint", "account", "reply_ref", "accepted") for wrong in (1, "x")),
    *((name, "1") for name in ("quantity", "attempt", "unknown_in", "resubmitted_in", "closed", "shared_ref")),
]


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        CREATED,
        replace(RECORD, known_ids={"2": ("a", "b"), "3": ()}, foreign_ids=("c",), earlier_refs=("d",)),
        replace(RECORD, account=None, attempt=2, unknown_in=2, resubmitted_in=2, closed=True),
        replace(RECORD, is_mapped=True, earlier_sent=((1, 2), (3, 4))),
        replace(RECORD, clock_offset=-600_000, clock_margin=15_000),
    ],
)
def test_a_record_is_loaded_as_it_was_saved(record: Record) -> None:
    store = MemoryStore()
    RecordStore(store).save(record)
    assert RecordStore(store).record == record


def test_an_unknown_field_of_a_stored_record_is_ignored() -> None:
    assert Record.load({**STORED, "from_tomorrow": 1}) == CREATED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, UnreadableRecord(None, None)),
        ([], UnreadableRecord(None, None)),
        ({}, UnreadableRecord(None, None)),
        # A worker without the state_store_backend that keeps the record elsewhere.
        ({"__airflow_state_ref__": "s3://bucket/key"}, UnreadableRecord(None, None)),
        ({"version": 1}, UnreadableRecord(None, None)),
        ({"version": 2}, UnreadableRecord(None, None)),
        ({**STORED, "version": 99}, UnreadableRecord("id", 3)),
        ({**STORED, "version": 99, "ids": [], "max_tries": "3"}, UnreadableRecord("replyRef ref", None)),
        ({**STORED, "version": 99, "max_tries": True}, UnreadableRecord("id", None)),
        # The right names, and what is not one of ours.
        ({**STORED, "ids": []}, UnreadableRecord("replyRef ref", 3)),
        ({**STORED, "ids": None}, UnreadableRecord("replyRef ref", 3)),
        ({**STORED, "ids": [1]}, UnreadableRecord("1", 3)),
        *(({**STORED, name: wrong}, UnreadableRecord("id", 3)) for name, wrong in WRONG),
    ],
)
def test_an_unreadable_record_is_not_a_missing_one(value: Any, expected: UnreadableRecord) -> None:
    assert Record.load(value) == expected
    store = MemoryStore()
    store.set(KEY, value)
    assert RecordStore(store).record is None
    assert RecordStore(store).stored == expected


def test_no_value_is_no_record() -> None:
    assert Record.load(None) is None


def test_the_fingerprint_covers_the_inputs_that_change_what_is_generated() -> None:
    body = {"prompt": "a cat", "model": "m"}
    same = fingerprint("image", body, "auto")
    for irrelevant in ("replyRef", "replyUrl", "maxJobs", "account"):
        assert fingerprint("image", {**body, irrelevant: "x"}, "auto") == same
    others = [("video", body, "auto"), ("image", {**body, "prompt": "a dog"}, "auto"), ("image", body, "2")]
    assert same not in [fingerprint(*other) for other in others]
    assert fingerprint("image", dict(reversed(body.items())), "auto") == same
