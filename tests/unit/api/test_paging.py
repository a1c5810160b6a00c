"""The walk through a list, against every reading of what the documentation leaves open."""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakSet

import pytest

from airflow_provider_minimax.api.cursors import Page, image_key
from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.pagination import count_of, walk
from tests.unit.api.lists import FORMS, ListService, collect, history, image, keys, no_next_page


@pytest.mark.parametrize("size", [2, 3, 7, 100])
@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
def test_a_walk_yields_each_image_from_before_it_once_in_order(
    forms: str, inclusive: bool, flag: bool, size: int
) -> None:
    accepted, wrong_form = FORMS[forms]
    for count in (0, 1, 2, size - 1, size, size + 1, 2 * size, 5 * size + 1):
        for arrivals in (0, 1, size, 2 * size + 1):
            service = ListService(history(count), size, inclusive, accepted, wrong_form, arrivals, flag)
            expected = [image_key(existing) for existing in service.images]
            found = keys(walk(service.fetch(None), service.fetch))
            assert found == expected, f"{count} images, {arrivals} arrivals a page"
            assert len(service.cursors) <= count + 4, "a bounded number of requests"


@pytest.mark.parametrize("size", [6, 9])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("timed", [set(), {1, 2, 3}, {5, 8, 30}], ids=["no times", "old ones timed", "some timed"])
def test_a_walk_through_a_list_without_flags_and_times_yields_each_once(
    forms: str, inclusive: bool, size: int, timed: set[int]
) -> None:
    """As the list of videos is documented. While an end is proven, in four requests, fewer arrive than a page holds."""
    accepted, wrong_form = FORMS[forms]
    for count in (0, 1, 2, size - 1, size, size + 1, 2 * size, 5 * size + 1):
        for arrivals in (0, 1):
            videos = [
                untimed(found, keep=number in timed)
                for number, found in zip(range(count, 0, -1), history(count), strict=True)
            ]
            service = ListService(videos, size, inclusive, accepted, wrong_form, arrivals, False, untimed)
            found = keys(walk(service.bare_page(None), service.bare_page))
            assert found == list(map(image_key, videos)), f"{count} videos, {arrivals} arrivals a page"


def untimed(video: dict[str, Any], *, keep: bool = False) -> dict[str, Any]:
    return video if keep else {name: value for name, value in video.items() if name != "createTime"}


def test_a_walk_requests_no_more_pages_than_needed_where_pages_have_hasnext() -> None:
    service = ListService(history(30), 10)
    assert len(keys(walk(service.fetch(None), service.fetch))) == 30
    assert service.cursors == [None, "21", "11"]


def test_a_walk_keeps_the_form_of_cursor_that_worked() -> None:
    service = ListService(history(40), 10, forms=frozenset({"full"}))
    keys(walk(service.fetch(None), service.fetch))
    assert [cursor is not None and ":" in cursor for cursor in service.cursors] == [False, False, True, True, True]


def test_each_page_has_the_services_own_total() -> None:
    service = ListService(history(3), 2, arrivals=1)
    assert [page.total for page in walk(service.fetch(None), service.fetch)] == [3, 4]


@pytest.mark.parametrize(
    ("total", "count"),
    [
        (12, 12), (0, 0), ("12", 12), (" 12 ", 12), (12.0, 12), ("12.0", 12), (1e3, 1000), (2**70, 2**70),
        (None, None), ({}, None), ([], None), (True, None), (False, None), ("", None), ("many", None), (-1, None),
        (12.5, None), ("12.5", None), (float("inf"), None), ("nan", None), ("-0", 0),
    ],
)  # fmt: skip
def test_a_total_is_a_count_of_images_in_each_notation(total: Any, count: int | None) -> None:
    first = {"images": [image(number) for number in range(20, 0, -1)], "hasNext": False, "total": total}
    assert count_of(total) == count
    found = walk(first, lambda _: {"images": [], "hasNext": False})
    assert [page.total for page in found] == [count]


@pytest.mark.parametrize("total", [None, 0, 7])
def test_an_empty_list_is_one_page_with_the_services_total(total: int | None) -> None:
    assert list(walk({"images": [], "hasNext": False, "total": total}, no_next_page)) == [Page([], total)]
    assert list(walk({"images": [], "total": total}, no_next_page)) == [Page([], total)]


# The end of the list


READINGS = [
    (inclusive, flag, forms)
    for inclusive, flag, forms in itertools.product([False, True], [False, True], FORMS)
    if not (inclusive and forms.endswith("empty"))
]


@pytest.mark.parametrize("glitch", [{"images": [], "hasNext": True}, {"images": [], "hasNext": False}, {"images": []}])
@pytest.mark.parametrize(("inclusive", "flag", "forms"), READINGS)
def test_one_empty_page_is_never_taken_for_the_end(
    inclusive: bool, flag: bool, forms: str, glitch: dict[str, Any]
) -> None:
    """Whichever page it is: the walk is complete, or it is an error."""
    accepted, wrong_form = FORMS[forms]
    healed = 0
    for spoilt in range(1, 8):
        service = ListService(history(23), 4, inclusive, accepted, wrong_form, flag=flag)
        number = itertools.count()

        def fetch(cursor: str, service: ListService = service, number: Any = number, spoilt: int = spoilt) -> Any:
            return glitch if next(number) == spoilt else service.fetch(cursor)

        found: list[str | None] = []
        try:
            collect(walk(service.fetch(None), fetch), found)
        except MiniMaxUpstreamError as error:
            broken = str(error)
        else:
            broken = ""
            healed += 1
        assert found == [image_key(each) for each in history(23)][: len(found)]
        assert "retry" in broken or len(found) == 23
    assert healed > 2


@pytest.mark.parametrize("counted", [23, 30, 1_000, None, 5])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_a_walk_is_complete_whatever_the_total(counted: int | None, inclusive: bool) -> None:
    service = ListService(history(23), 4, inclusive)
    fetch = lambda cursor: service.fetch(cursor) | {"total": counted}  # noqa: E731
    assert len(keys(walk(fetch(None), fetch))) == 23
    needed = 1 + 22 // 3 if inclusive else 6
    assert len(service.cursors) <= needed + (counted is not None and counted > 23)


def test_an_end_that_the_total_contradicts_is_requested_once_more() -> None:
    service = ListService(history(23), 4)
    responses = iter([{"images": history(23)[4:6], "hasNext": False, "total": 23}])
    found = keys(walk(service.fetch(None), lambda cursor: next(responses, None) or service.fetch(cursor)))
    assert found == [image_key(each) for each in history(23)]


@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_images_without_a_creation_time_are_walked_too(inclusive: bool) -> None:
    images = [{name: value for name, value in each.items() if name != "createTime"} for each in history(12)]
    service = ListService(images, 5, inclusive)
    assert keys(walk(service.fetch(None), service.fetch)) == [each["imageId"] for each in images]


@pytest.mark.parametrize("name", ["id", "imageId"])
def test_images_with_one_of_their_two_ids_are_walked_too(name: str) -> None:
    images = [{name: each[name], "createTime": each["createTime"]} for each in history(12)]
    form = frozenset({"bare" if name == "id" else "full"})
    service = ListService(images, 5, forms=form)
    assert keys(walk(service.fetch(None), service.fetch)) == [each[name] for each in images]


def test_images_without_an_id_are_kept_on_every_page() -> None:
    images = history(12)
    for image_without_id in (images[1], images[3], images[6], images[8]):
        del image_without_id["id"], image_without_id["imageId"]
        image_without_id["desc"] = "who am I"
    pages = {"8": images[5:10], "3": images[10:]}
    first = {"images": images[:5], "hasNext": True}
    found = [
        each
        for page in walk(first, lambda cursor: {"images": pages[cursor], "hasNext": cursor != "3"})
        for each in page.images
    ]
    assert found == images


def test_images_repeated_at_the_edge_of_a_page_are_yielded_once() -> None:
    images = history(9)
    pages = {"7": images[1:6], "4": images[4:9]}
    first = {"images": images[:3], "hasNext": True}
    assert keys(walk(first, lambda cursor: {"images": pages[cursor], "hasNext": cursor == "7"})) == [
        each["imageId"] for each in images
    ]


class Id(str):
    """An id whose lifetime shows."""

    def __str__(self) -> str:
        return self


def test_a_walk_keeps_no_more_ids_after_many_pages_than_after_a_few() -> None:
    alive: WeakSet[Id] = WeakSet()

    def fetch(cursor: str) -> dict[str, Any]:
        first = int(cursor) + 1
        ids = [Id(number) for number in range(first, first + 5)]
        alive.update(ids)
        return {"images": [{"imageId": each} for each in ids], "hasNext": first < 996}

    pages = walk(fetch("0"), fetch)
    kept = [len(alive) for _ in pages]
    assert len(kept) == 200
    assert 5 < max(kept) < 40, "200 pages of 5 images were met"
