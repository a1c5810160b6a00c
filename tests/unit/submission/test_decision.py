"""What an attempt does with the record of earlier attempts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_minimax.submission.decision import decide, may_submit
from airflow_provider_minimax.submission.record import Record, UnreadableRecord
from tests.unit.submission.support import RECORD

CREATED = replace(RECORD, phase="created", ids=("id",))
REFUSED = replace(RECORD, phase="refused")


@pytest.mark.parametrize(
    ("stored", "wanted", "max_tries", "action", "reason"),
    [
        (RECORD, "same", 3, "recover", "replyRef ref"),
        (CREATED, "same", 3, "resume", "submitted id"),
        (REFUSED, "same", 3, "submit", "was refused"),
        (RECORD, "other", 3, "submit", "inputs changed"),
        (CREATED, "other", 3, "submit", "inputs changed"),
        (RECORD, "same", 4, "submit", "was cleared"),
        (CREATED, "same", 4, "submit", "was cleared"),
        (REFUSED, "other", 4, "submit", "was cleared"),
        # Cleared after the DAG's number of retries was lowered.
        (CREATED, "same", 2, "submit", "was cleared"),
        (UnreadableRecord("id", None), "same", 3, "unreadable", "is unreadable"),
        (UnreadableRecord("id", 3), "same", 3, "unreadable", "it names id"),
        (UnreadableRecord("id", 2), "same", 3, "submit", "The earlier job was id"),
        (UnreadableRecord(None, 2), "same", 3, "submit", "was cleared"),
    ],
)
def test_a_stored_record_decides_what_an_attempt_does(
    stored: Record | UnreadableRecord, wanted: str, max_tries: int, action: str, reason: str
) -> None:
    decision = decide(stored, wanted, max_tries)
    assert decision.action == action
    assert reason in decision.reason


def test_a_first_attempt_submits_and_has_nothing_to_log() -> None:
    assert decide(None, "same", 3) == ("submit", "")


@pytest.mark.parametrize(
    ("met_unknown", "has_resubmitted", "outcome_known", "resubmits", "expected"),
    [
        (False, False, False, False, True),
        (True, False, False, False, False),
        (True, False, False, True, True),
        (True, False, True, False, True),
        (True, True, False, True, False),
        (True, True, True, True, False),
    ],
)
def test_at_most_one_create_follows_an_unknown_outcome(
    met_unknown: bool, has_resubmitted: bool, outcome_known: bool, resubmits: bool, expected: bool
) -> None:
    assert expected is may_submit(
        met_unknown=met_unknown, has_resubmitted=has_resubmitted, outcome_known=outcome_known, resubmits=resubmits
    )
