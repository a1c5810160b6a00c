"""Walking through a list by its cursor. No network of its own: the page is fetched by the caller.

What the service means by ``lastImageId`` is not documented: the id may be wanted bare or full, and the page
that it opens may or may not begin with that very image. The walk is right under each reading, stands images that
arrive at the head meanwhile, and remembers two pages and three cursors, however long it gets.

An end of the list is proven, since half a list looks like a whole one. A page without images does not prove it: the
service also answers so where it does not know the cursor, or is out of order. What proves it is a page that holds
the last image and nothing else, as an earlier cursor opens it. A ``hasNext`` of false does where ``total`` does not
speak against it; there, the service is asked once more.

A service that has lost sight of half of its list proves the end of the other half. So whoever needs the whole list
has its end checked (see ``EndCheck``): an end before ``total`` images is an error, and an empty list is asked for
twice. What ``total`` counts is not documented either, so the check can be turned off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxNotFoundError,
    MiniMaxShortListError,
    MiniMaxUpstreamError,
)
from airflow_provider_minimax.api.jobs import created_at

Image = dict[str, Any]
#: Fetches the page after a cursor.
Fetch = Callable[[str], dict[str, Any]]


class Page(NamedTuple):
    """The images of one page that the walk has not met before, newest first.

    ``total`` is the service's own count of the account's images; None when it gives none.
    """

    images: list[Image]
    total: int | None


@dataclass(frozen=True)
class EndCheck:
    """How the end of a list is checked where the whole list is needed.

    :param first_page: fetches the first page once more.
    :param wait: called before a second look; lets a moment pass.
    :param check_total: an end before as many images as the service counts is an error.
    :param allow_empty: a list that is empty at a second look, too, is taken for empty, whatever else it says.
    """

    first_page: Callable[[], dict[str, Any]]
    wait: Callable[[], None]
    check_total: bool = True
    allow_empty: bool = False


@dataclass(frozen=True)
class Place:
    """An image as a cursor: its bare id and its full one."""

    id: str | None
    image_id: str | None

    @classmethod
    def of(cls, image: Image) -> Self:
        """Return the place behind an image."""
        return cls(_text(image.get("id")), _text(image.get("imageId")))

    def as_image(self) -> Image:
        """Return as much of the image as a cursor needs."""
        return {"id": self.id, "imageId": self.image_id}


@dataclass(frozen=True)
class Position:
    """A place in a walk, from which another process can go on.

    :param id: the bare id of the last image that was dealt with.
    :param image_id: its full id.
    :param head: ids of the first page, which a service that does not know the cursor may send again.
    :param newest: the latest time of creation in that page.
    :param before: the image before the last one, from which the end of the list is proven.
    :param count: images that were dealt with.
    """

    id: str | None
    image_id: str | None
    head: tuple[str, ...]
    newest: int
    before: Place | None = None
    count: int = 0

    def as_image(self) -> Image:
        """Return as much of the last image as a cursor needs."""
        return Place(self.id, self.image_id).as_image()


class PositionLostError(MiniMaxUpstreamError):
    """The service does not go on from a place where an earlier walk has been."""


def walk(first: dict[str, Any], fetch: Fetch, end: EndCheck | None = None) -> Iterator[Page]:
    """Yield page after page, each image once, until the list ends.

    The first page is yielded even if it holds no images, since it says how many the service has counted.

    :param first: the first page, as the API sends it.
    :param fetch: returns the page after a cursor, as the API sends it.
    :param end: how the end is checked; None where the list need not be whole.
    :raises MiniMaxUpstreamError: the list breaks off, the cursor does not move, or it goes round in circles.
    :raises MiniMaxShortListError: the list ends before as many images as the service counts.
    """
    if not first["images"] and end is not None:
        first = _second_look(first, end)
    if not first["images"] and first.get("hasNext") is True and (end is None or not end.allow_empty):
        raise MiniMaxUpstreamError(
            "The list of images begins with a page that is empty and has a next one. A retry asks again."
        )
    walker = _Walker(first, fetch, end=end)
    page: list[Image] | None = first["images"]
    while page is not None:
        yield Page(page, walker.total)
        page = walker.next_page()


def _second_look(first: dict[str, Any], end: EndCheck) -> dict[str, Any]:
    """Return the first page of a list that was empty, as it is a moment later.

    :raises MiniMaxShortListError: it is still empty, and the service counts images.
    """
    end.wait()
    again = end.first_page()
    counted = max(count_of(first.get("total")) or 0, count_of(again.get("total")) or 0)
    if not again["images"] and counted and end.check_total and not end.allow_empty:
        raise _short(0, counted)
    return again


def walk_on(position: Position, fetch: Fetch, end: EndCheck | None = None) -> Iterator[Page]:
    """Yield what comes after a place that an earlier walk has reached.

    :param end: how the end is checked; None where the list need not be whole.
    :raises PositionLostError: the service does not know the place any more.
    :raises MiniMaxShortListError: the list ends before as many images as the service counts.
    """
    last = position.as_image()
    walker = _Walker({"images": [last]}, fetch, position, end)
    try:
        page = walker.next_page()
    except (MiniMaxBadRequestError, MiniMaxNotFoundError, _StuckError) as error:
        raise PositionLostError(f"The list of images cannot be read on from image {image_key(last)}: {error}") from None
    while page is not None:
        yield Page(page, walker.total)
        page = walker.next_page()


def count_of(total: object) -> int | None:
    """Return how many images the service counts; None where ``total`` is no number of things.

    :param total: as the API sends it: a number, also as text or with a fraction of zero.
    """
    if isinstance(total, str):
        try:
            total = float(total)
        except ValueError:
            return None
    if isinstance(total, bool) or not isinstance(total, int | float):
        return None
    return int(total) if 0 <= total < float("inf") and total == int(total) else None


def _short(met: int, counted: int) -> MiniMaxShortListError:
    return MiniMaxShortListError(
        f"The list of images ends after {met:,}, also when it is asked again, and the service counts {counted:,} of "
        "them (total). A retry asks again. If the total of this account counts more than its list can show, "
        "set check_total=False."
    )


def image_key(image: Image) -> str | None:
    """Return what tells an image (or a video) from all others."""
    key = image.get("imageId") or image.get("videoId") or image.get("id")
    return str(key) if key else None


def _bare(image: Image) -> str | None:
    key = image.get("id") or _full(image)
    return str(key).rpartition(":")[2] if key else None


def _full(image: Image) -> str | None:
    key = image.get("imageId") or image.get("videoId")
    return str(key) if key else None


#: The likely form first.
_FORMS: Final = (_bare, _full)


class _StuckError(MiniMaxUpstreamError):
    """The cursor does not move."""


class _Answer(NamedTuple):
    """What a cursor was answered with.

    :param images: that are new; None where there are none.
    :param is_end: the end of the list is proven.
    :param is_silent: a page without images.
    :param refusal: the cursor was not taken.
    """

    images: list[Image] | None
    is_end: bool = False
    is_silent: bool = False
    refusal: MiniMaxError | None = None

    @property
    def leaves_open(self) -> bool:
        """Whether it may be the cursor's fault that nothing came."""
        return self.images is None and not self.is_end and (self.is_silent or self.refusal is not None)


class _Walker:
    def __init__(
        self, first: dict[str, Any], fetch: Fetch, position: Position | None = None, end: EndCheck | None = None
    ) -> None:
        self._fetch = fetch
        self._end = end
        self._forms: tuple[Callable[[Image], str | None], ...] = _FORMS
        self._page = first
        images: list[Image] = first["images"]
        self._head = _keys(images) if position is None else frozenset(position.head)
        self._last: Image = images[-1] if images else {}
        if position is None:
            self._newest = max(map(_created, images), default=0)
            self._before, self._count = _before_last(images, {}), len(images)
        else:
            # Without an image before it, the last one itself is asked from twice; that proves no end.
            before = self._last if position.before is None else position.before.as_image()
            self._newest, self._before, self._count = position.newest, before, position.count
        self._known = self._head | _keys([self._before, *images])
        self._is_at_start = position is not None
        self._is_flag_wrong = False
        #: The service's count when the walk began, and now.
        self._counted_first = self._counted = self.total
        # Brent's way to see a circle: compare with one old position, renewed at each power of two.
        self._landmark: str | None = None
        self._steps, self._renewal = 0, 1

    @property
    def total(self) -> int | None:
        return count_of(self._page.get("total"))

    def next_page(self) -> list[Image] | None:
        """Return the images that come after the last ones; None at the end of the list."""
        says_end = self._says_end()
        if not self._last or (says_end and not self._is_contradicted()):
            return None
        if says_end and self._is_checked:
            self._wait()
        answer = self._ask(self._last)
        if answer.leaves_open and self._before and not says_end:
            # The list ends here, or the last image was deleted meanwhile, or the service is out of order.
            answer = self._ask(self._before)
        if answer.images is not None:
            return answer.images
        if answer.is_end or says_end:
            if self._is_checked and self._is_contradicted():
                raise _short(self._count, self._counted or 0)
            return None
        raise self._stuck(
            "the service sends no images beyond it"
            if answer.refusal is None
            else f"the service refuses it as a cursor ({answer.refusal})"
        )

    def _says_end(self) -> bool:
        return self._page.get("hasNext") is False and not self._is_flag_wrong

    @property
    def _is_checked(self) -> bool:
        return self._end is not None and self._end.check_total

    def _wait(self) -> None:
        if self._end is not None:
            self._end.wait()

    def _is_contradicted(self) -> bool:
        """Tell whether the service counts more images than were met, when the walk began and now."""
        counts = [count for count in (self._counted_first, self._counted) if count is not None]
        if not counts or min(counts) <= self._count:
            return False
        if self._end is None or not self._end.check_total:
            return True
        first = self._end.first_page()
        self._note_count(first)
        # What has arrived since the walk began is counted, and stands before where it began.
        missing = (self._counted or 0) - self._count
        return missing > 0 and self._arrivals(first, missing) < missing

    def _arrivals(self, first: dict[str, Any], limit: int) -> int:
        """Count the images before the one that was the first when the walk began.

        :param first: the first page as it is now.
        :param limit: count no further.
        """
        count = 0
        if not (self._head or self._newest):
            return count
        for page in walk(first, self._fetch):
            for image in page.images:
                created = created_at(image)
                is_older = created is not None and created < self._newest
                if count >= limit or image_key(image) in self._head or is_older:
                    return count
                count += 1
        return count

    def _ask(self, place: Image) -> _Answer:
        """Ask for what comes after an image, in each form that a cursor may have."""
        is_end = is_silent = False
        refusal: MiniMaxError | None = None
        for form in self._forms:
            cursor = form(place)
            if cursor is None:
                continue
            try:
                page = self._fetch(cursor)
            except (MiniMaxBadRequestError, MiniMaxNotFoundError) as error:
                refusal = error
                continue
            found: list[Image] = page["images"]
            self._note_count(page)
            keys = list(map(image_key, found))
            images = [image for image, key in zip(found, keys, strict=True) if key not in self._known]
            if images and self._goes_on(found):
                if not self._is_at_start:
                    self._forms = (form,)
                self._move_to(page, images, keys)
                return _Answer(images)
            is_silent = is_silent or not found
            # From the only image of a list, silence is all that there is to hear.
            is_proof = _known(keys) == {image_key(self._last)} or not (found or self._before)
            is_end = is_end or (is_proof and page.get("hasNext") is not True)
        return _Answer(None, is_end, is_silent, refusal)

    def _note_count(self, page: dict[str, Any]) -> None:
        counted = count_of(page.get("total"))
        if counted is not None:
            self._counted = counted

    def _goes_on(self, images: list[Image]) -> bool:
        """Tell whether a page lies beyond what is known, and is not the head once more."""
        if image_key(images[-1]) in self._known or _created(images[-1]) > self._newest:
            return False
        # A place to go on from may lie within the first page, whose end is then not known. Had that page been sent
        # again, it would begin with what has arrived since, or there was nothing wrong with it.
        return not self._is_at_start or max(map(_created, images)) <= self._newest

    def _move_to(self, page: dict[str, Any], images: list[Image], keys: list[str | None]) -> None:
        # What has said so before its end says nothing.
        self._is_flag_wrong = self._is_flag_wrong or self._says_end()
        self._page = page
        self._before, self._last = _before_last(images, self._last), images[-1]
        self._known = self._head | _known([image_key(self._before), *keys])
        self._count += len(images)
        self._is_at_start = False
        key = image_key(self._last)
        if key == self._landmark:
            raise self._stuck("the pages go round in circles")
        self._steps += 1
        if self._steps == self._renewal:
            self._landmark, self._renewal = key, self._renewal * 2

    def _stuck(self, why: str) -> _StuckError:
        return _StuckError(
            f"The list of images cannot be read beyond image {image_key(self._last)}: {why}. "
            "A retry starts the walk anew.",
            status=200,
        )


def _before_last(images: list[Image], earlier: Image) -> Image:
    """Return the image before the last one: the nearest that can be a cursor."""
    return next((image for image in reversed(images[:-1]) if image_key(image) is not None), earlier)


def _keys(images: list[Image]) -> frozenset[str]:
    return _known(map(image_key, images))


def _known(keys: Iterable[str | None]) -> frozenset[str]:
    # An image without an id can be told from no other, and is never taken for a known one.
    return frozenset(key for key in keys if key is not None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _created(image: Image) -> int:
    return created_at(image) or 0
