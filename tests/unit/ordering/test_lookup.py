"""Which jobs are taken for those of a lost create, and which never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_minimax.ordering.ledger import CLOCK_SKEW, Record
from airflow_provider_minimax.ordering.lookup import adopt, foreign, in_scheduler

NOW = 1_800_000_000_000
RECORD = Record(
    kind="image", fingerprint="f", reply_ref="ref", shared_ref=False, prompt="a cat", account="2", quantity=2,
    since=NOW, until=NOW + 1000, max_tries=3,
)  # fmt: skip
VIDEO = replace(RECORD, kind="video", quantity=1, seen=("user:1-minimax:2-video:1",))


def image_id(number: int, account: str = "2") -> str:
    return f"user:1-minimax:{account}-image:{number}"


def video_id(number: int) -> str:
    return f"user:1-minimax:2-video:{number}"


def image(number: int, batch: str = "b", **other: Any) -> dict[str, Any]:
    return {"imageId": image_id(number), "batchID": batch, "desc": "a cat", "createTime": NOW + 500} | other


def video(number: int, **other: Any) -> dict[str, Any]:
    return {"videoId": video_id(number), "desc": "a cat"} | other


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("key", ["videoId", "imageId"])
def test_the_scheduler_names_an_image_under_either_key(key: str) -> None:
    entries = [{key: image_id(1), "replyRef": "ref"}, {key: image_id(2), "replyRef": "other"}, {key: image_id(3)}]
    assert in_scheduler(RECORD, entries) == [image_id(1)]
    assert foreign(RECORD, entries) == {image_id(2)}


@pytest.mark.parametrize(
    "entry",
    [
        {"videoId": video_id(1), "replyRef": "ref"},
        {"videoId": image_id(1, "3"), "replyRef": "ref"},
        {"videoId": "1", "replyRef": "ref"},
        {"videoId": image_id(1), "replyRef": "ref", "started": at(NOW - CLOCK_SKEW - 1)},
        {"videoId": image_id(1), "replyRef": "ref", "started": at(NOW + 1000 + CLOCK_SKEW + 1)},
        {"replyRef": "ref"},
    ],
)
def test_what_the_scheduler_shows_of_others_is_left(entry: dict[str, Any]) -> None:
    assert in_scheduler(RECORD, [entry]) == []


@pytest.mark.parametrize("started", [None, "soon", 5, at(NOW)])
def test_a_start_that_cannot_be_read_is_no_reason_against(started: Any) -> None:
    assert in_scheduler(RECORD, [{"videoId": image_id(1), "replyRef": "ref", "started": started}]) == [image_id(1)]


@pytest.mark.parametrize(
    ("listed", "running", "excluded", "found"),
    [
        ([image(2), image(1)], [], set(), [1, 2]),
        ([image(2), image(1)], [image_id(2)], set(), [1, 2]),
        # A stranger's beside it.
        ([image(3, "c", desc="a dog"), image(2), image(1)], [], set(), [1, 2]),
        ([image(2), image(1), image(0, "a", createTime=NOW - CLOCK_SKEW - 1)], [], set(), [1, 2]),
        ([image(4, "c"), image(3, "c"), image(2), image(1)], [image_id(3)], set(), [3, 4]),
        ([image(4, "c"), image(3, "c"), image(2), image(1)], [], {image_id(1), image_id(2)}, [3, 4]),
        # Doubt.
        ([image(4, "c"), image(3, "c"), image(2), image(1)], [], set(), None),
        ([image(2)], [], set(), None),
        ([image(3), image(2), image(1)], [], set(), None),
        ([image(2, "c"), image(1)], [], set(), None),
        ([image(2), image(1)], [image_id(9)], set(), None),
        ([image(2), image(1, createTime=NOW + 1001 + CLOCK_SKEW)], [], set(), None),
        ([image(2, createTime=None), image(1, createTime=None)], [], set(), None),
        ([image(2) | {"imageId": image_id(2, "3")}, image(1)], [], set(), None),
        ([], [], set(), None),
    ],
)
def test_only_one_whole_batch_is_adopted(
    listed: list[dict[str, Any]], running: list[str], excluded: set[str], found: list[int] | None
) -> None:
    expected = None if found is None else [image_id(number) for number in found]
    assert adopt(RECORD, running, listed, excluded) == expected


@pytest.mark.parametrize(
    ("listed", "seen", "found"),
    [
        ([video(2), video(1)], (video_id(1),), 2),
        ([video(3, desc="a dog"), video(2), video(1)], (video_id(1),), 2),
        ([video(2)], (), 2),
        # An older one that shows only because a newer was deleted.
        ([video(1), video(0)], (video_id(1),), None),
        ([video(3), video(2), video(1)], (video_id(1),), None),
        # Nothing is known of what was there before.
        ([video(2), video(1)], None, None),
        ([video(2, createTime=NOW)], None, 2),
    ],
)
def test_a_video_is_new_when_it_stands_before_what_was_there(
    listed: list[dict[str, Any]], seen: tuple[str, ...] | None, found: int | None
) -> None:
    expected = None if found is None else [video_id(found)]
    assert adopt(replace(VIDEO, seen=seen), [], listed, set()) == expected
