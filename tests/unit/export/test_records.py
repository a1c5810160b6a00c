"""What a next try may build upon, decided without a folder."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.pagination import Page, Place, Position
from airflow_provider_minimax.export.records import Checkpoint, Found, Head, MediaFailure, Part, Unfinished, damaged
from airflow_provider_minimax.export.sync import news

SHAPE = {"format": "jsonl", "user": "1000", "service": "https://a"}
SIZES = {"images-00000.jsonl": 10, "other.txt": 3}


def checkpoint(**changes: Any) -> Checkpoint:
    found = Checkpoint.begin(dict(SHAPE), "run", None)
    found.parts = [Part("images-00000.jsonl", 1, 10, "a")]
    for name, value in changes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("changes", "base", "sizes", "skip", "reason"),
    [
        ({}, None, SIZES, False, None),
        ({"plan": SHAPE | {"user": "2222"}}, None, SIZES, False, "other parameters, or of other images"),
        ({"plan": SHAPE | {"service": "https://b"}}, None, SIZES, False, "other parameters, or of other images"),
        ({}, "abc", SIZES, False, "for another export"),
        ({"base": "abc"}, None, SIZES, False, "for another export"),
        ({"base": "abc"}, "abc", SIZES, False, None),
        ({"found": Found(media_failed=[MediaFailure("i", "x")])}, None, SIZES, False, "left out files"),
        ({"found": Found(media_failed=[MediaFailure("i", "x")])}, None, SIZES, True, None),
        ({}, None, {}, False, "parts are not all there"),
        ({}, None, {"images-00000.jsonl": 9}, False, "parts are not all there"),
    ],
)
def test_what_speaks_against_a_checkpoint(
    changes: dict[str, Any], base: str | None, sizes: dict[str, int], skip: bool, reason: str | None
) -> None:
    told = checkpoint(**changes).objection(SHAPE, base, sizes, skip_bad_media=skip)
    assert told is None if reason is None else reason in str(told)


IMAGES = [{"imageId": f"i{n}", "createTime": n} for n in (3, 2, 1)]


@pytest.mark.parametrize(
    ("found", "first", "is_current"),
    [
        (Found(), Page(IMAGES, 3), True),
        (Found(), Page(IMAGES, 4), False),
        (Found(), Page(IMAGES[1:], 3), False),
        (Found(), None, False),
        (Found(unfinished=[Unfinished("i3", None, "a")]), Page(IMAGES, 3), False),
    ],
)
def test_what_another_run_makes_of_a_checkpoint(found: Found, first: Page | None, is_current: bool) -> None:
    told = checkpoint(found=found, head=Head.of(IMAGES), total=3).outdated_by(first)
    assert (told is None) is is_current


def test_a_checkpoint_comes_back_as_it_was() -> None:
    whole = checkpoint(head=Head.of(IMAGES), scanned=2, owner="me")
    whole.after = whole.place_after(IMAGES[0], IMAGES[1])
    assert whole.after == Position(None, "i2", ("i3", "i2"), 3, Place(None, "i3"), 2)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Checkpoint) == whole


@pytest.mark.parametrize(
    ("sizes", "name"),
    [({"a": 1, "b": 2}, None), ({"a": 1, "b": 2, "c": 3}, None), ({"a": 1}, "b"), ({"b": 2}, "a"), ({"a": 0}, "a")],
)
def test_a_part_is_damaged_where_it_is_missing_or_of_another_size(sizes: dict[str, int], name: str | None) -> None:
    assert damaged([Part("a", 1, 1, ""), Part("b", 1, 2, "")], sizes) == name


def image(number: int, account: str = "2") -> dict[str, Any]:
    return {"imageId": f"user:1-minimax:{account}-image:{number}", "createTime": number}


KNOWN = Head.of([image(10), image(9)])


@pytest.mark.parametrize(
    ("numbers", "fresh"),
    [
        ([[12, 11, 10]], [12, 11]),
        ([[10, 9]], []),
        ([[12, 11], [10, 9]], [12, 11]),
        ([[12, 9]], [12]),
        # All of the head is gone, and older ones are there.
        ([[12, 8, 7]], [12]),
    ],
)
def test_news_end_where_the_list_is_known(numbers: list[list[int]], fresh: list[int]) -> None:
    pages = [Page([image(number) for number in page], None) for page in numbers] + [Page([image(1)], None)]
    found = [each["createTime"] for page in news(pages, KNOWN) for each in page.images]
    assert found == fresh


@pytest.mark.parametrize("numbers", [[[]], [[12, 11]], [[13], [12]]])
def test_a_list_that_ends_without_anything_known_is_no_news(numbers: list[list[int]]) -> None:
    pages = [Page([image(number) for number in page], None) for page in numbers]
    with pytest.raises(MiniMaxUpstreamError, match="the mirror stays as it is"):
        list(news(pages, KNOWN))
    # Where nothing was known, all of it is news.
    assert sum(len(page.images) for page in news(pages, Head())) == sum(map(len, numbers))


def test_images_of_another_account_are_no_news() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="minimax:3, and the mirror those of user:1-minimax:2"):
        list(news([Page([image(5, account="3")], None)], KNOWN))
    bare = [{"id": "12", "createTime": 12}, image(10)]
    assert next(iter(news([Page(bare, None)], KNOWN))).images == bare[:1]
