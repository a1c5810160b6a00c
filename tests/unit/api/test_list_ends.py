"""The end of a list that is needed whole: believed, asked for again, or an error by name."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_minimax.api.cursors import Page, Place, Position, image_key
from airflow_provider_minimax.api.errors import MiniMaxShortListError, MiniMaxUpstreamError
from airflow_provider_minimax.api.pagination import EndCheck, resume_walk, walk
from airflow_provider_minimax.compat import AirflowFailException
from tests.unit.api.lists import NEWEST, ListService, history, image, keys, no_next_page

Answer = dict[str, Any]


@dataclass
class Looks:
    """Counts how often a walk waits, and reads the head of a service again."""

    service: ListService
    waits: int = 0
    heads: int = 0

    def check(self, **options: bool) -> EndCheck:
        return EndCheck(self._first_page, self._wait, **options)

    def _first_page(self) -> Answer:
        self.heads += 1
        return self.service.fetch(None)

    def _wait(self) -> None:
        self.waits += 1


@dataclass
class Counting(ListService):
    """A service that counts other than its list.

    :param hidden: images that are counted and not listed.
    """

    hidden: int = 0
    number: Any = int

    def _page(self, start: int) -> Answer:
        page = super()._page(start)
        return page | {"total": self.number(len(self.images) + self.hidden)}


@pytest.mark.parametrize("number", [int, float, str, lambda count: f"{count}.0"])
@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("count", [1, 5, 23])
def test_an_end_that_the_total_contradicts_is_asked_for_again_and_then_an_error(
    count: int, inclusive: bool, flag: bool, number: Any
) -> None:
    """Also where the page before the end proves it: a service that has lost half of its list proves the same."""
    service = Counting(history(count), 5, inclusive, flag=flag, hidden=4_000, number=number)
    looks = Looks(service)
    pages = walk(service.fetch(None), service.fetch, looks.check())
    found: list[str | None] = []
    with pytest.raises(MiniMaxShortListError) as caught:
        found.extend(image_key(each) for page in pages for each in page.images)
    assert str(caught.value).startswith(f"The list of images ends after {count}, ")
    assert f"{count + 4_000:,}" in str(caught.value)
    assert "A retry asks again" in str(caught.value)
    assert "check_total=False" in str(caught.value)
    assert isinstance(caught.value, MiniMaxUpstreamError)
    assert not isinstance(caught.value, AirflowFailException), "a retry may help"
    assert looks.heads == 1 + flag
    assert looks.waits == flag, "a page that proves the end is a second look"


@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_the_list_is_believed_where_the_total_is_not_to_be_checked(inclusive: bool, flag: bool) -> None:
    service = Counting(history(23), 5, inclusive, flag=flag, hidden=4_000)
    looks = Looks(service)
    assert len(keys(walk(service.fetch(None), service.fetch, looks.check(check_total=False)))) == 23
    assert looks.heads == 0


@pytest.mark.parametrize("total", [23, 5, 0, None, "many", -1, True])
def test_a_total_that_is_met_or_is_none_costs_no_request(total: Any) -> None:
    service = ListService(history(23), 5)
    looks = Looks(service)
    fetch = lambda cursor: service.fetch(cursor) | {"total": total}  # noqa: E731
    assert len(keys(walk(fetch(None), fetch, looks.check()))) == 23
    assert (len(service.cursors), looks.heads, looks.waits) == (5, 0, 0)


def test_a_list_that_was_cut_short_for_a_moment_is_read_to_its_end() -> None:
    service = ListService(history(23), 5)
    cut = iter([{"images": history(23)[5:7], "hasNext": False, "total": 23}])
    looks = Looks(service)
    found = keys(walk(service.fetch(None), lambda cursor: next(cut, None) or service.fetch(cursor), looks.check()))
    assert found == [each["imageId"] for each in history(23)]
    assert (looks.waits, looks.heads) == (1, 1)


@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_a_service_that_always_says_that_nothing_follows_is_read_to_its_end(inclusive: bool) -> None:
    service = ListService(history(60), 5, inclusive)
    looks = Looks(service)
    fetch = lambda cursor: service.fetch(cursor) | {"hasNext": False}  # noqa: E731
    assert len(keys(walk(fetch(None), fetch, looks.check()))) == 60
    assert (looks.waits, looks.heads) == (1, 1), "it is believed once"


@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("deleted", [0, 1, 7])
@pytest.mark.parametrize("arrivals", [0, 1, 4, 13])
def test_images_that_come_and_go_meanwhile_are_no_contradiction(
    arrivals: int, deleted: int, inclusive: bool, flag: bool
) -> None:
    service = ListService(history(30), 5, inclusive, arrivals=arrivals, flag=flag)
    steps = itertools.count(1)

    def fetch(cursor: str) -> Answer:
        if next(steps) == 2:
            # Some that were met, and some that were still to come.
            gone = {"28", *map(str, range(1, deleted))} if deleted else set()
            service.images = [each for each in service.images if each["id"] not in gone]
        return service.fetch(cursor)

    found = keys(walk(service.fetch(None), fetch, Looks(service).check()))
    assert found == [each["imageId"] for each in history(30)[: 30 - max(0, deleted - 1)]]


@pytest.mark.parametrize("arrivals", [0, 3, 40])
@pytest.mark.parametrize("met", [2, 9, 30])
def test_a_walk_that_is_resumed_does_not_take_what_came_meanwhile_for_missing(met: int, arrivals: int) -> None:
    service = ListService([image(1_000 + number) for number in range(arrivals, 0, -1)] + history(30), 5)
    looks = Looks(service)
    found = keys(resume_walk(position(met), service.fetch, looks.check()))
    assert found == [each["imageId"] for each in history(30)[met:]]


@pytest.mark.parametrize("arrivals", [0, 3, 40])
def test_a_walk_that_is_resumed_checks_the_end_too(arrivals: int) -> None:
    listed = [image(1_000 + number) for number in range(arrivals, 0, -1)] + history(30)[:25]
    service = Counting(listed, 5, hidden=5)
    with pytest.raises(MiniMaxShortListError):
        keys(resume_walk(position(9), service.fetch, Looks(service).check()))


def position(met: int) -> Position:
    images = history(30)
    head = tuple(each["imageId"] for each in images[: min(met, 5)])
    last = images[met - 1]
    return Position(last["id"], last["imageId"], head, NEWEST + 30, Place.of(images[met - 2]), met)


# Empty lists


@dataclass
class Answers:
    """A service that gives these first pages, one after another."""

    pages: list[Answer]
    waits: int = field(default=0)

    def walk(self, **options: bool) -> list[Page]:
        coming = iter(self.pages)
        return list(walk(next(coming), no_next_page, EndCheck(lambda: next(coming), self._wait, **options)))

    def _wait(self) -> None:
        self.waits += 1


def empty(total: Any = None, **more: Any) -> Answer:
    return {"images": [], "hasNext": False, "total": total} | more


@pytest.mark.parametrize("total", [0, None, "0", 0.0])
def test_an_empty_list_that_nothing_contradicts_is_looked_at_twice(total: Any) -> None:
    service = Answers([empty(total), empty(total)])
    (page,) = service.walk()
    assert page.images == []
    assert page.total in (0, None)
    assert service.waits == 1


@pytest.mark.parametrize("total", [4135, "5", 5.0, 1])
@pytest.mark.parametrize("both", [True, False])
def test_an_empty_list_that_its_total_contradicts_is_an_error(total: Any, both: bool) -> None:
    service = Answers([empty(total), empty(total if both else 0)])
    with pytest.raises(MiniMaxShortListError, match="ends after 0"):
        service.walk()


@pytest.mark.parametrize("options", [{"allow_empty": True}, {"check_total": False}])
def test_an_empty_list_is_believed_where_the_user_says_so(options: dict[str, bool]) -> None:
    (page,) = Answers([empty(4135), empty(4135)]).walk(**options)
    assert page == Page([], 4135)


def test_a_list_that_was_empty_for_a_moment_is_read() -> None:
    full = {"images": history(3), "hasNext": False, "total": 3}
    for first in (empty(), empty(3), empty(0), {"images": [], "hasNext": True}):
        (page,) = Answers([first, full]).walk()
        assert page.images == history(3)


def test_an_empty_page_that_has_a_next_one_is_an_error_at_the_second_look() -> None:
    with pytest.raises(MiniMaxUpstreamError, match="has a next one"):
        Answers([{"images": [], "hasNext": True}] * 2).walk()
