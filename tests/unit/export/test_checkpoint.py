"""Which checkpoint an export can resume from, decided without a folder."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_minimax.api.cursors import Page, Place, Position
from airflow_provider_minimax.export.checkpoint import Checkpoint
from airflow_provider_minimax.export.manifest import Contents, Head, MediaFailure, Unfinished
from airflow_provider_minimax.export.parts import Part

SHAPE = {"format": "jsonl", "user": "1000", "service": "https://a"}
SIZES = {"images-00000.jsonl": 10, "other.txt": 3}


def checkpoint(**changes: Any) -> Checkpoint:
    state = Checkpoint.begin(dict(SHAPE), "run", None)
    state.parts = [Part("images-00000.jsonl", 1, 10, "a")]
    for name, value in changes.items():
        setattr(state, name, value)
    return state


@pytest.mark.parametrize(
    ("changes", "base", "sizes", "skip", "reason"),
    [
        ({}, None, SIZES, False, None),
        ({"plan": SHAPE | {"user": "2222"}}, None, SIZES, False, "other parameters, or of other images"),
        ({"plan": SHAPE | {"service": "https://b"}}, None, SIZES, False, "other parameters, or of other images"),
        ({}, "abc", SIZES, False, "for another export"),
        ({"base": "abc"}, None, SIZES, False, "for another export"),
        ({"base": "abc"}, "abc", SIZES, False, None),
        ({"contents": Contents(media_failed=[MediaFailure("i", "x")])}, None, SIZES, False, "left out files"),
        ({"contents": Contents(media_failed=[MediaFailure("i", "x")])}, None, SIZES, True, None),
        ({}, None, {}, False, "parts are not all there"),
        ({}, None, {"images-00000.jsonl": 9}, False, "parts are not all there"),
    ],
)
def test_which_checkpoint_an_export_cannot_resume_from(
    changes: dict[str, Any], base: str | None, sizes: dict[str, int], skip: bool, reason: str | None
) -> None:
    found = checkpoint(**changes).mismatch(SHAPE, base, sizes, skip_bad_media=skip)
    assert found is None if reason is None else reason in str(found)


IMAGES = [{"imageId": f"i{n}", "createTime": n} for n in (3, 2, 1)]


@pytest.mark.parametrize(
    ("contents", "first", "is_current"),
    [
        (Contents(), Page(IMAGES, 3), True),
        (Contents(), Page(IMAGES, 4), False),
        (Contents(), Page(IMAGES[1:], 3), False),
        (Contents(), None, False),
        (Contents(unfinished=[Unfinished("i3", None, "a")]), Page(IMAGES, 3), False),
    ],
)
def test_when_a_checkpoint_of_another_run_is_stale(contents: Contents, first: Page | None, is_current: bool) -> None:
    found = checkpoint(contents=contents, head=Head.of(IMAGES), total=3).staleness(first)
    assert (found is None) is is_current


def test_a_checkpoint_survives_encoding() -> None:
    state = checkpoint(head=Head.of(IMAGES), scanned=2, owner="me")
    state.after = state.position_after(IMAGES[0], IMAGES[1])
    assert state.after == Position(None, "i2", ("i3", "i2"), 3, Place(None, "i3"), 2)
    assert msgspec.json.decode(msgspec.json.encode(state), type=Checkpoint) == state
