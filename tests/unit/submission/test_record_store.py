"""Where a task keeps its record."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.submission.record_store import RecordStore
from tests.unit.operators.support import MemoryStore
from tests.unit.submission.support import RECORD


def test_without_task_state_a_record_lasts_for_the_attempt() -> None:
    store = RecordStore(None)
    store.save(RECORD)
    assert store.record == RECORD
    assert not store.is_persistent


def test_each_attempt_waits_for_capacity_from_its_own_start() -> None:
    store = RecordStore(MemoryStore())
    assert store.waiting_since(1) is None
    store.save_waiting_since(1, 10.0)
    assert store.waiting_since(1) == 10.0
    assert store.waiting_since(2) is None
    RecordStore(None).save_waiting_since(1, 10.0)
    assert RecordStore(None).waiting_since(1) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "x",
        [],
        {},
        {"try_number": 1},
        *({"try_number": 1, "since": since} for since in (None, "x", "10", True, [10.0], -1, 10**30)),
        {"since": 10.0},
        {"try_number": "1", "since": 10.0},
    ],
)
def test_an_entry_that_is_no_time_counts_for_none(value: Any) -> None:
    store = MemoryStore()
    store.set("minimax_waiting", value)
    assert RecordStore(store).waiting_since(1) is None
