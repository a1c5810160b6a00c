"""Which images a sync takes for new."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.cursors import Page
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.kinds import VIDEOS
from airflow_provider_minimax.export.manifest import Head
from airflow_provider_minimax.export.walk import new_images


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
        # The known first page is gone, and older images exist.
        ([[12, 8, 7]], [12]),
    ],
)
def test_new_images_end_at_the_first_known_one(numbers: list[list[int]], fresh: list[int]) -> None:
    pages = [Page([image(number) for number in page], None) for page in numbers] + [Page([image(1)], None)]
    found = [each["createTime"] for _, images in new_images(pages, KNOWN) for each in images]
    assert found == fresh


@pytest.mark.parametrize(
    ("numbers", "fresh"),
    [
        ([[12, 11, 10]], [12, 11]),
        ([[10, 9]], []),
        ([[12, 11], [10, 9]], [12, 11]),
        # One of the known ones was deleted, and older ones moved up.
        ([[12, 10, 8, 7]], [12]),
        ([[12, 9, 8, 7]], [12]),
        # In an order that was never seen, one between the known ones is none of them.
        ([[12, 10, 11, 9, 8]], [12, 11]),
    ],
)
def test_without_times_what_stands_behind_the_known_ones_is_known(numbers: list[list[int]], fresh: list[int]) -> None:
    def untimed(number: int) -> dict[str, Any]:
        return {"videoId": f"user:1-minimax:2-video:{number}"}

    known = Head.of([untimed(10), untimed(9)])
    pages = [Page([untimed(number) for number in page], None) for page in numbers] + [Page([untimed(1)], None)]
    assert [each for _, videos in new_images(pages, known, VIDEOS) for each in videos] == list(map(untimed, fresh))


def test_times_of_older_ones_tell_nothing_where_the_known_ones_show_none() -> None:
    untimed, timed = {"videoId": "user:1-minimax:2-video:10"}, {"videoId": "user:1-minimax:2-video:8", "createTime": 8}
    assert [videos for _, videos in new_images([Page([untimed, timed], None)], Head.of([untimed]), VIDEOS)] == [[]]


@pytest.mark.parametrize("numbers", [[[]], [[12, 11]], [[13], [12]]])
def test_a_list_that_ends_without_a_known_image_is_refused(numbers: list[list[int]]) -> None:
    pages = [Page([image(number) for number in page], None) for page in numbers]
    with pytest.raises(MiniMaxUpstreamError, match="the mirror stays as it is"):
        list(new_images(pages, KNOWN))
    # Where nothing was known, all images are new.
    assert sum(len(images) for _, images in new_images(pages, Head())) == sum(map(len, numbers))


def test_images_of_another_account_are_refused() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="minimax:3, and the mirror those of user:1-minimax:2"):
        list(new_images([Page([image(5, account="3")], None)], KNOWN))
    bare = [{"id": "12", "createTime": 12}, image(10)]
    assert next(new_images([Page(bare, None)], KNOWN))[1] == bare[:1]
