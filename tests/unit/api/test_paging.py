"""The walk through a list, against every reading of what the documentation leaves open."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxCapacityError,
    MiniMaxError,
    MiniMaxNotFoundError,
    MiniMaxUpstreamError,
)
from airflow_provider_minimax.api.pagination import (
    Page,
    Place,
    Position,
    PositionLostError,
    count_of,
    image_key,
    resume_walk,
    walk,
)

Image = dict[str, Any]
NEWEST = 1_742_000_000_000


def image(number: int) -> Image:
    """Return one image; a higher number is a newer one."""
    return {"id": str(number), "imageId": f"user:1-minimax:2-image:{number}", "createTime": NEWEST + number}


def history(size: int) -> list[Image]:
    return [image(number) for number in range(size, 0, -1)]


@dataclass
class Service:
    """A list as the service may keep it.

    :param forms: how a cursor may be written.
    :param wrong_form: what a cursor of another form is answered with.
    :param arrivals: images that appear at the head before each page but the first.
    :param flag: whether the answer says ``hasNext``.
    :param make: makes an arrival of an image.
    """

    images: list[Image]
    size: int
    inclusive: bool = False
    forms: frozenset[str] = frozenset({"bare", "full"})
    wrong_form: str = "error"
    arrivals: int = 0
    flag: bool = True
    make: Callable[[Image], Image] = dict
    cursors: list[str | None] = field(default_factory=list)
    _next: Iterator[int] = field(default_factory=lambda: itertools.count(1_000_000))

    def fetch(self, cursor: str | None) -> dict[str, Any]:
        self.cursors.append(cursor)
        if cursor is None:
            return self._page(0)
        self.images = [self.make(image(next(self._next))) for _ in range(self.arrivals)][::-1] + self.images
        name = {"bare": "id", "full": "imageId"}["full" if ":" in cursor else "bare"]
        if ("full" if ":" in cursor else "bare") not in self.forms:
            return self._answer_wrong_form()
        start = next(n for n, candidate in enumerate(self.images) if candidate[name] == cursor)
        return self._page(start if self.inclusive else start + 1)

    def bare_page(self, cursor: str | None) -> dict[str, Any]:
        """Return a page of a list that is a bare array."""
        return {"images": self.fetch(cursor)["images"]}

    def _answer_wrong_form(self) -> dict[str, Any]:
        if self.wrong_form == "error":
            raise MiniMaxBadRequestError("lastImageId?", status=400)
        return self._page(0) if self.wrong_form == "first page" else {"images": [], "hasNext": False}

    def _page(self, start: int) -> dict[str, Any]:
        page: dict[str, Any] = {"images": self.images[start : start + self.size], "total": len(self.images)}
        return page | {"hasNext": start + self.size < len(self.images)} if self.flag else page


def keys(pages: Iterator[Page]) -> list[str | None]:
    return [image_key(found) for page in pages for found in page.images]


FORMS = {
    "bare, else error": (frozenset({"bare"}), "error"),
    "bare, else first page": (frozenset({"bare"}), "first page"),
    "bare, else empty": (frozenset({"bare"}), "empty"),
    "full, else error": (frozenset({"full"}), "error"),
    "full, else first page": (frozenset({"full"}), "first page"),
    "full, else empty": (frozenset({"full"}), "empty"),
    "both": (frozenset({"bare", "full"}), "error"),
}


@pytest.mark.parametrize("size", [2, 3, 7, 100])
@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
def test_a_walk_gives_what_existed_at_its_start_each_once_in_order(
    forms: str, inclusive: bool, flag: bool, size: int
) -> None:
    accepted, wrong_form = FORMS[forms]
    for count in (0, 1, 2, size - 1, size, size + 1, 2 * size, 5 * size + 1):
        for arrivals in (0, 1, size, 2 * size + 1):
            service = Service(history(count), size, inclusive, accepted, wrong_form, arrivals, flag)
            expected = [image_key(existing) for existing in service.images]
            found = keys(walk(service.fetch(None), service.fetch))
            assert found == expected, f"{count} images, {arrivals} arrivals a page"
            assert len(service.cursors) <= count + 4, "a bounded number of requests"


@pytest.mark.parametrize("size", [6, 9])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("timed", [set(), {1, 2, 3}, {5, 8, 30}], ids=["no times", "old ones timed", "some timed"])
def test_a_walk_through_a_list_without_flags_and_times_gives_each_once(
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
            service = Service(videos, size, inclusive, accepted, wrong_form, arrivals, False, untimed)
            found = keys(walk(service.bare_page(None), service.bare_page))
            assert found == list(map(image_key, videos)), f"{count} videos, {arrivals} arrivals a page"


def untimed(video: Image, *, keep: bool = False) -> Image:
    return video if keep else {name: value for name, value in video.items() if name != "createTime"}


def test_a_walk_asks_for_no_page_more_than_needed_where_the_service_says_whether_one_follows() -> None:
    service = Service(history(30), 10)
    assert len(keys(walk(service.fetch(None), service.fetch))) == 30
    assert service.cursors == [None, "21", "11"]


def test_the_form_of_cursor_that_worked_is_kept() -> None:
    service = Service(history(40), 10, forms=frozenset({"full"}))
    keys(walk(service.fetch(None), service.fetch))
    assert [cursor is not None and ":" in cursor for cursor in service.cursors] == [False, False, True, True, True]


def test_each_page_carries_the_services_own_total() -> None:
    service = Service(history(3), 2, arrivals=1)
    assert [page.total for page in walk(service.fetch(None), service.fetch)] == [3, 4]


@pytest.mark.parametrize(
    ("total", "count"),
    [
        (12, 12), (0, 0), ("12", 12), (" 12 ", 12), (12.0, 12), ("12.0", 12), (1e3, 1000), (2**70, 2**70),
        (None, None), ({}, None), ([], None), (True, None), (False, None), ("", None), ("many", None), (-1, None),
        (12.5, None), ("12.5", None), (float("inf"), None), ("nan", None), ("-0", 0),
    ],
)  # fmt: skip
def test_a_total_is_a_number_of_images_however_it_is_written(total: Any, count: int | None) -> None:
    first = {"images": [image(number) for number in range(20, 0, -1)], "hasNext": False, "total": total}
    assert count_of(total) == count
    found = walk(first, lambda _: {"images": [], "hasNext": False})
    assert [page.total for page in found] == [count]


def _never(cursor: str) -> dict[str, Any]:
    raise AssertionError(f"no page after {cursor} was expected")


@pytest.mark.parametrize("total", [None, 0, 7])
def test_an_empty_list_is_one_page_that_says_what_the_service_has_counted(total: int | None) -> None:
    assert list(walk({"images": [], "hasNext": False, "total": total}, _never)) == [Page([], total)]
    assert list(walk({"images": [], "total": total}, _never)) == [Page([], total)]


def test_an_empty_first_page_that_has_a_next_one_is_an_error_and_not_the_end() -> None:
    with pytest.raises(MiniMaxUpstreamError, match="retry"):
        list(walk({"images": [], "hasNext": True}, _never))


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
    """Whichever page it is: the walk is whole, or it is an error."""
    accepted, wrong_form = FORMS[forms]
    healed = 0
    for spoilt in range(1, 8):
        service = Service(history(23), 4, inclusive, accepted, wrong_form, flag=flag)
        number = itertools.count()

        def fetch(cursor: str, service: Service = service, number: Any = number, spoilt: int = spoilt) -> Any:
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


@pytest.mark.parametrize("answer", ["empty", "error", "first page"])
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_cursor_whose_image_was_deleted_meanwhile(answer: str, goes_on: bool) -> None:
    """The image before it leads on, as far as the service tells that it does not know the cursor."""

    def fetch(cursor: str) -> dict[str, Any]:
        if cursor.rpartition(":")[2] == "4":
            if answer == "error":
                raise MiniMaxBadRequestError("lastImageId?", status=400)
            return {"images": history(12)[:4] if answer == "first page" else [], "hasNext": answer == "first page"}
        service = Service([each for each in history(12) if each["id"] != "4"], 4)
        return service.fetch(cursor)

    found: list[str | None] = []
    with pytest.raises(MiniMaxUpstreamError) if answer == "first page" else contextlib.nullcontext():
        if goes_on:
            collect(resume_walk(place(4, before=5), fetch), found)
        else:
            collect(walk({"images": history(12)[:9], "hasNext": True}, fetch), found)
    numbers = range(3 if goes_on else 12, 3 if answer == "first page" else 0, -1)
    assert found == [image_key(image(number)) for number in numbers]


@pytest.mark.parametrize("counted", [23, 30, 1_000, None, 5])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_a_walk_is_whole_whatever_the_total_counts(counted: int | None, inclusive: bool) -> None:
    service = Service(history(23), 4, inclusive)
    fetch = lambda cursor: service.fetch(cursor) | {"total": counted}  # noqa: E731
    assert len(keys(walk(fetch(None), fetch))) == 23
    needed = 1 + 22 // 3 if inclusive else 6
    assert len(service.cursors) <= needed + (counted is not None and counted > 23)


def test_an_end_that_the_total_speaks_against_is_asked_for_once_more() -> None:
    service = Service(history(23), 4)
    answers = iter([{"images": history(23)[4:6], "hasNext": False, "total": 23}])
    found = keys(walk(service.fetch(None), lambda cursor: next(answers, None) or service.fetch(cursor)))
    assert found == [image_key(each) for each in history(23)]


# Going on


def place(number: int, *, before: int | None, head: int = 12, count: int = 9) -> Position:
    met = tuple(str(image_key(each)) for each in history(head)[:count])
    last, earlier = image(number), None if before is None else Place.of(image(before))
    return Position(last["id"], last["imageId"], met, NEWEST + head, earlier, count)


@pytest.mark.parametrize("flag", [True, False], ids=["hasNext", "no hasNext"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("forms", FORMS)
def test_a_walk_goes_on_from_each_place(forms: str, inclusive: bool, flag: bool) -> None:
    accepted, wrong_form = FORMS[forms]
    for arrivals in (0, 3, 20):
        for last in range(1, 13):
            service = Service(history(12), 5, inclusive, accepted, wrong_form, arrivals, flag)
            before = last + 1 if last < 12 else None
            found = keys(resume_walk(place(last, before=before, count=13 - last), service.fetch))
            assert found == [image_key(image(number)) for number in range(last - 1, 0, -1)], f"{last}, {arrivals}"


@pytest.mark.parametrize("before", [5, None])
@pytest.mark.parametrize("arrivals", [0, 1, 5, 40])
@pytest.mark.parametrize("answer", ["error", "first page", "empty"])
def test_a_place_that_the_service_has_forgotten_is_lost_and_not_the_end(
    answer: str, arrivals: int, before: int | None
) -> None:
    service = Service(history(12), 6, forms=frozenset(), wrong_form=answer, arrivals=arrivals)
    position = place(4, before=before)
    if answer == "first page" and not arrivals:
        # All of the first page is known.
        position = replace(position, head=tuple(str(image_key(each)) for each in history(12)[:6]))
    with pytest.raises(PositionLostError):
        list(resume_walk(position, service.fetch))


def test_new_images_are_not_taken_for_what_comes_after_a_place_within_the_first_page() -> None:
    """The service has forgotten the cursor and sends its head, of which a part was not dealt with before."""
    service = Service(history(12), 17, forms=frozenset(), wrong_form="first page", arrivals=5)
    with pytest.raises(PositionLostError):
        list(resume_walk(place(4, before=5), service.fetch))


def collect(pages: Iterator[Page], into: list[str | None]) -> None:
    for page in pages:
        into += [image_key(found) for found in page.images]


def test_a_cursor_that_does_not_move_is_an_error_and_not_the_end() -> None:
    first = {"images": history(30)[:10], "hasNext": True}
    found: list[str | None] = []
    fetched: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        fetched.append(cursor)
        return first

    with pytest.raises(MiniMaxUpstreamError) as caught:
        collect(walk(first, fetch), found)
    assert str(image_key(image(21))) in str(caught.value)
    assert "retry" in str(caught.value)
    assert len(found) == 10
    assert len(fetched) <= 2


def test_a_page_of_the_cursors_image_alone_that_promises_more_is_an_error() -> None:
    first = {"images": history(2), "hasNext": True}
    with pytest.raises(MiniMaxUpstreamError):
        list(walk(first, lambda cursor: {"images": [image(1)], "hasNext": True}))


@pytest.mark.parametrize("start", [1, 2, 5])
@pytest.mark.parametrize("length", [2, 3, 5, 17, 64])
def test_pages_that_go_round_in_circles_end_in_an_error_after_a_bounded_number_of_requests(
    start: int, length: int
) -> None:
    """The list leads into a circle that its head is not part of; without creation times nothing else tells."""
    pages = [[{"imageId": f"i{page}-{n}"} for n in range(3)] for page in range(start + length)]
    after = {str(pages[n][-1]["imageId"]): pages[n + 1] for n in range(len(pages) - 1)}
    after[str(pages[-1][-1]["imageId"])] = pages[start]
    fetched: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        fetched.append(cursor)
        assert len(fetched) < 8 * (start + length), "the circle is not seen"
        return {"images": after[cursor], "hasNext": True}

    with pytest.raises(MiniMaxUpstreamError, match="circles"):
        list(walk({"images": pages[0], "hasNext": True}, fetch))


def test_pages_that_lead_back_to_the_head_end_in_an_error() -> None:
    images = history(6)
    after = {"5": images[2:4], "3": images[4:], "1": images[:2]}
    bare = lambda cursor: cursor.rpartition(":")[2]  # noqa: E731
    with pytest.raises(MiniMaxUpstreamError):
        list(
            walk(
                {"images": images[:2], "hasNext": True}, lambda cursor: {"images": after[bare(cursor)], "hasNext": True}
            )
        )


@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
def test_images_without_a_time_of_creation_are_walked_too(inclusive: bool) -> None:
    images = [{name: value for name, value in each.items() if name != "createTime"} for each in history(12)]
    service = Service(images, 5, inclusive)
    assert keys(walk(service.fetch(None), service.fetch)) == [each["imageId"] for each in images]


@pytest.mark.parametrize("name", ["id", "imageId"])
def test_images_that_have_one_of_their_two_names_are_walked_too(name: str) -> None:
    images = [{name: each[name], "createTime": each["createTime"]} for each in history(12)]
    form = frozenset({"bare" if name == "id" else "full"})
    service = Service(images, 5, forms=form)
    assert keys(walk(service.fetch(None), service.fetch)) == [each[name] for each in images]


def test_images_without_any_name_are_kept_on_every_page() -> None:
    images = history(12)
    for nameless in (images[1], images[3], images[6], images[8]):
        del nameless["id"], nameless["imageId"]
        nameless["desc"] = "who am I"
    pages = {"8": images[5:10], "3": images[10:]}
    first = {"images": images[:5], "hasNext": True}
    found = [
        each
        for page in walk(first, lambda cursor: {"images": pages[cursor], "hasNext": cursor != "3"})
        for each in page.images
    ]
    assert found == images


def test_a_page_that_ends_with_an_image_without_a_name_is_an_error_and_not_the_end() -> None:
    with pytest.raises(MiniMaxUpstreamError):
        list(walk({"images": [image(2), {"desc": "who am I"}], "hasNext": True}, _never))


@pytest.mark.parametrize("refusal", [MiniMaxBadRequestError, MiniMaxNotFoundError])
def test_a_service_that_refuses_every_form_of_cursor_is_an_error_that_tells_the_refusal(
    refusal: Callable[[str], MiniMaxError],
) -> None:
    def fetch(cursor: str) -> dict[str, Any]:
        raise refusal("lastImageId is unknown")

    with pytest.raises(MiniMaxError, match="lastImageId is unknown"):
        list(walk({"images": history(2), "hasNext": True}, fetch))


def test_a_passing_failure_leaves_the_walk_as_it_is() -> None:
    asked: list[str] = []

    def fetch(cursor: str) -> dict[str, Any]:
        asked.append(cursor)
        raise MiniMaxCapacityError("busy", status=429)

    with pytest.raises(MiniMaxCapacityError):
        list(walk({"images": history(2), "hasNext": True}, fetch))
    assert asked == ["1"], "another form is tried after a refusal only"


def test_images_that_the_service_repeats_at_the_edge_of_a_page_are_given_once() -> None:
    images = history(9)
    pages = {"7": images[1:6], "4": images[4:9]}
    first = {"images": images[:3], "hasNext": True}
    assert keys(walk(first, lambda cursor: {"images": pages[cursor], "hasNext": cursor == "7"})) == [
        each["imageId"] for each in images
    ]


def test_the_walk_remembers_no_more_after_many_pages_than_after_a_few() -> None:
    from airflow_provider_minimax.api.pagination import _Walker

    service = Service(history(1_000), 5)
    walker = _Walker(service.fetch(None), service.fetch)
    for _ in range(199):
        assert walker.next_page()
    held = [value for value in vars(walker).values() if hasattr(value, "__len__") and not isinstance(value, str)]
    assert sum(len(value) for value in held) < 40, "200 pages of 5 images were met"
    assert walker.next_page() is None
