"""The status table, and what goes into an XCom."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import (
    FINAL_LABELS,
    KNOWN_LABELS,
    STATUSES,
    check_labels,
    compact,
    created_at,
    is_final,
    is_known_failure,
    media_url,
    outcome,
    status_label,
    unknown_end,
)

# The documented table: status, label, outcome (None while the job runs).
TABLE: list[tuple[int, str, str | None]] = [
    (0, "pending", None),
    (1, "processing", None),
    (2, "completed", "completed"),
    (3, "failed", "failed"),
    (5, "moderated", "moderated"),
    (7, "moderated", "moderated"),
    (11, "queued", None),
    (12, "processing", None),
    (14, "moderated", "moderated"),
]


@pytest.mark.parametrize(("status", "label", "end"), TABLE)
def test_a_bare_status_means_what_the_table_says(status: int, label: str, end: str | None) -> None:
    job = {"status": status}
    assert (status_label(job), is_final(job), outcome(job)) == (label, end is not None, end)


@pytest.mark.parametrize(("status", "label", "end"), TABLE)
def test_a_status_with_its_label_and_finality_means_the_same(status: int, label: str, end: str | None) -> None:
    job = {"status": status, "statusLabel": label, "statusFinal": end is not None}
    assert (status_label(job), is_final(job), outcome(job)) == (label, end is not None, end)


@pytest.mark.parametrize(
    ("job", "label", "end"),
    [
        pytest.param({"status": 2, "statusFinal": False}, "completed", None, id="not final though the table is"),
        pytest.param({"status": 1, "statusFinal": True}, "processing", "failed", id="final though the table is not"),
        pytest.param({"status": 1, "statusLabel": "completed"}, "processing", None, id="number beats label"),
        pytest.param(
            {"status": 2, "statusLabel": "upscaling"}, "completed", "completed", id="number beats unknown label"
        ),
        pytest.param(
            {"status": 2, "statusLabel": "Completed", "statusFinal": True}, "completed", "completed", id="capitals"
        ),
        pytest.param(
            {"status": 2, "statusLabel": "success", "statusFinal": True}, "completed", "completed", id="another word"
        ),
        pytest.param({"status": 2, "statusLabel": "failed"}, "completed", "completed", id="number beats failed label"),
        pytest.param({"status": 3, "statusLabel": "success"}, "failed", "failed", id="number beats good label"),
        pytest.param(
            {"status": 3, "statusFinal": True, "downloadURL": "u"}, "failed", "failed", id="number beats file"
        ),
        pytest.param(
            {"status": 1, "statusFinal": True, "downloadURL": "u"}, "processing", "completed", id="final with a file"
        ),
        pytest.param(
            {"status": 0, "statusLabel": "completed", "statusFinal": True}, "pending", "completed", id="final by label"
        ),
        pytest.param({"statusLabel": "Moderated "}, "moderated", "moderated", id="label alone"),
        pytest.param({"status": 10, "statusFinal": True, "videoURL": "u"}, "unknown (10)", "completed", id="file"),
        pytest.param(
            {"status": 10, "statusLabel": "SUCCEEDED", "statusFinal": True}, "completed", "completed", id="new number"
        ),
        pytest.param({"status": 9, "statusLabel": "Error"}, "failed", "failed", id="new number with a final label"),
        pytest.param({"status": 6, "statusLabel": "review", "videoURL": "u"}, "review", None, id="file of no end"),
        pytest.param({"status": 2.0}, "completed", "completed", id="status as a float"),
        pytest.param({"status": 2.5, "statusFinal": True}, "unknown (2.5)", "failed", id="status as a fraction"),
        pytest.param({"status": True}, "unknown (True)", None, id="status as a bool"),
        pytest.param({"status": "two"}, "unknown (two)", None, id="status as a word"),
        pytest.param({"status": "9" * 5000}, f"unknown ({'9' * 5000})", None, id="status without end"),
        pytest.param({"status": 99}, "unknown (99)", None, id="unknown number keeps waiting"),
        pytest.param({"status": 99, "statusLabel": "expired"}, "expired", None, id="unknown label keeps waiting"),
        pytest.param(
            {"status": 99, "statusFinal": True}, "unknown (99)", "failed", id="unknown and final is a failure"
        ),
        pytest.param(
            {"status": 4, "statusLabel": "expired", "statusFinal": True}, "expired", "failed", id="unknown final label"
        ),
        pytest.param({}, "unknown (None)", None, id="nothing at all"),
        pytest.param({"status": None, "statusLabel": None, "statusFinal": None}, "unknown (None)", None, id="nulls"),
        pytest.param({"status": 2, "statusLabel": ""}, "completed", "completed", id="empty label"),
        pytest.param({"status": 2, "statusLabel": 5}, "completed", "completed", id="label that is no text"),
        pytest.param({"status": 2, "statusFinal": "no"}, "completed", "completed", id="finality that is no bool"),
        pytest.param({"status": "2"}, "completed", "completed", id="status as text"),
        pytest.param({"status": [2]}, "unknown ([2])", None, id="status as list"),
    ],
)
def test_the_number_decides_then_the_label_then_the_file(job: dict[str, Any], label: str, end: str | None) -> None:
    assert (status_label(job), is_final(job), outcome(job)) == (label, end is not None, end)


# Statuses that the web application behind the service is said to have. None of them proves an end by itself.
@pytest.mark.parametrize("number", [6, 8, 9, 10, 16])
@pytest.mark.parametrize("extra", [{}, {"statusFinal": False}, {"statusFinal": None}])
def test_an_undocumented_status_is_waited_on(number: int, extra: dict[str, Any]) -> None:
    job = {"status": number, **extra}
    assert (is_final(job), outcome(job), unknown_end(job)) == (False, None, None)
    assert outcome({"status": 10, "statusFinal": False, "downloadURL": "u"}) is None


@pytest.mark.parametrize(
    ("job", "end", "words"),
    [
        ({"status": 9}, "failed", "unknown final status 9 (appeal rejected)"),
        ({"status": 9, "statusLabel": "rejected"}, "failed", "unknown final status 9 (rejected, appeal rejected)"),
        ({"status": 9, "statusLabel": " "}, "failed", "unknown final status 9 (appeal rejected)"),
        ({"status": 9, "downloadURL": "u"}, "completed", None),
        ({"status": 9, "statusLabel": "Failed"}, "failed", None),
        ({"status": 9, "statusLabel": "moderated"}, "moderated", None),
        ({"status": 10}, "failed", "unknown final status 10 (appeal approved)"),
        ({"status": 10, "videoURL": "u"}, "completed", None),
        ({"status": 6}, "failed", "unknown final status 6 (waits for review)"),
        ({"status": 17}, "failed", "unknown final status 17"),
        ({"status": "done"}, "failed", "unknown final status done"),
        ({"status": 1}, "failed", "unknown final status 1"),
        ({"status": 1, "statusLabel": "processing"}, "failed", "unknown final status 1 (processing)"),
        ({"status": 3}, "failed", None),
        ({"status": 2}, "completed", None),
    ],
)
def test_a_final_status_that_nobody_knows_is_named(job: dict[str, Any], end: str, words: str | None) -> None:
    final = {**job, "statusFinal": True}
    assert (outcome(final), unknown_end(final)) == (end, words)


def test_an_approved_appeal_with_a_file_is_a_success() -> None:
    assert outcome({"status": 10, "downloadURL": "u"}) == "completed"


def test_the_table_says_how_sure_it_is() -> None:
    assert {number: status.source.confidence for number, status in STATUSES.items() if status.label is None} == (
        dict.fromkeys((6, 8, 9, 10, 16), "C")
    )
    assert {status.source.confidence for status in STATUSES.values() if status.label} == {"A"}
    assert sorted(STATUSES) == list(STATUSES)


@pytest.mark.parametrize(
    ("job", "known"),
    [
        *(({"status": number, "statusFinal": True}, number in (3, 5, 7, 14)) for number in range(20)),
        *(({"status": number}, number in (3, 5, 7, 14)) for number in range(20)),
        ({"status": 3, "statusFinal": False}, False),
        ({"status": 2, "statusLabel": "failed", "statusFinal": True}, False),
        ({"status": 9, "statusLabel": "Failed", "statusFinal": True}, True),
        ({"status": 9, "statusLabel": "moderated"}, True),
        ({"status": 9, "statusLabel": "appeal rejected", "statusFinal": True}, False),
        ({"status": 1, "statusLabel": "failed", "statusFinal": True}, True),
        ({"statusFinal": True}, False),
        ({}, False),
    ],
)
def test_only_what_is_known_to_have_failed_may_be_submitted_again(job: dict[str, Any], known: bool) -> None:
    assert is_known_failure(job) is known


@pytest.mark.parametrize(
    ("job", "url"),
    [
        ({"downloadURL": "d", "videoURL": "v", "coverURL": "c"}, "d"),
        ({"downloadURL": "", "videoURL": "v"}, "v"),
        ({"downloadURL": None, "videoURL": "v"}, "v"),
        ({"videoURL": "v"}, "v"),
        ({"coverURL": "c"}, None),
        ({"downloadURL": "", "videoURL": ""}, None),
    ],
)
def test_the_url_without_watermark_comes_first(job: dict[str, Any], url: str | None) -> None:
    assert media_url(job) == url


@pytest.mark.parametrize(
    ("job", "created"),
    [({"createTime": 1}, 1), ({"createTime": "1"}, None), ({"createTime": None}, None), ({}, None)],
)
def test_a_time_of_creation_is_a_number_or_none(job: dict[str, Any], created: int | None) -> None:
    assert created_at(job) == created


def test_a_compact_image_has_exactly_the_fields_of_the_contract() -> None:
    image = {
        "imageId": "I", "fileID": "F", "status": 2, "statusLabel": "completed", "statusFinal": True,
        "createTime": 1742173334234, "modelID": "image-01", "aspectRatio": "9:16", "batchID": "B", "desc": "d",
        "downloadURL": "u", "userID": 923847293472394000, "originFiles": [{"id": "x"}],
    }  # fmt: skip
    assert compact(image) == {
        "imageId": "I", "fileID": "F", "status": 2, "statusLabel": "completed", "statusFinal": True,
        "createTime": 1742173334234, "modelID": "image-01", "aspectRatio": "9:16", "batchID": "B", "desc": "d",
        "url": "u",
    }  # fmt: skip


def test_a_compact_image_has_every_field_also_when_the_service_sent_none() -> None:
    row = compact({"status": 11})
    assert row.keys() == compact({"imageId": "I", "downloadURL": "u"}).keys()
    assert (row["statusLabel"], row["statusFinal"], row["url"], row["desc"]) == ("queued", False, None, None)


@pytest.mark.parametrize("labels", [["completed"], ("failed", "moderated"), {"queued"}, [], ["completed", "completed"]])
def test_known_labels_become_a_set(labels: Collection[str]) -> None:
    assert check_labels("statuses", labels, KNOWN_LABELS) == frozenset(labels)


@pytest.mark.parametrize(
    ("labels", "known", "words"),
    [
        pytest.param(["done"], KNOWN_LABELS, ["statuses", "'done'", "completed, failed"], id="unknown"),
        pytest.param(["Completed"], KNOWN_LABELS, ["'Completed'"], id="case"),
        pytest.param(["zzz", "completed", "aaa"], KNOWN_LABELS, ["'aaa', 'zzz'"], id="two unknown"),
        pytest.param([2], KNOWN_LABELS, ["'2'"], id="number"),
        pytest.param(["queued"], FINAL_LABELS, ["'queued'", "completed, failed, moderated"], id="not final"),
        pytest.param("completed", KNOWN_LABELS, ["a list", "'completed'"], id="string instead of list"),
    ],
)
def test_an_unknown_label_is_refused_with_the_known_ones(labels: Any, known: Collection[str], words: list[str]) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        check_labels("statuses", labels, known)
    assert [word for word in words if word not in str(caught.value)] == []
