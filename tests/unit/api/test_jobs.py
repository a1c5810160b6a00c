"""The status table, and what goes into an XCom."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import (
    FINAL_LABELS,
    KNOWN_LABELS,
    check_labels,
    compact,
    created_at,
    is_final,
    media_url,
    outcome,
    status_label,
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
        pytest.param({"status": 1, "statusLabel": "completed"}, "completed", "completed", id="label beats number"),
        pytest.param({"status": 2, "statusLabel": "upscaling"}, "upscaling", None, id="unknown label beats number"),
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
        pytest.param({"status": "2"}, "unknown (2)", None, id="status as text"),
        pytest.param({"status": [2]}, "unknown ([2])", None, id="status as list"),
    ],
)
def test_the_services_own_words_come_before_the_table(job: dict[str, Any], label: str, end: str | None) -> None:
    assert (status_label(job), is_final(job), outcome(job)) == (label, end is not None, end)


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
