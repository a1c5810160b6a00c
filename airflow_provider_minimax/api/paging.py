"""Walking through a list by its cursor. No network of its own: the page is fetched by the caller.

What the service means by ``lastImageId`` is not documented: the id may be wanted bare or full, and the page
that it opens may or may not begin with that very image. Nor is what ``total`` counts. The walk is right under each
reading, stands images that arrive at the head meanwhile, and remembers two pages and three cursors, however long it
gets.

An end of the list is proven, since half a list looks like a whole one. A page without images does not prove it: the
service also answers so where it does not know the cursor, or is out of order. What proves it is a page that holds
the last image and nothing else, as an earlier cursor opens it. A ``hasNext`` of false does where ``total`` does not
speak against it; there, the service is asked once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxNotFoundError,
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


def walk(first: dict[str, Any], fetch: Fetch) -> Iterator[Page]:
    """Yield page after page, each image once, until the list ends.

    The first page is yielded even if it holds no images, since it says how many the service has counted.

    :param first: the first page, as the API sends it.
    :param fetch: returns the page after a cursor, as the API sends it.
    :raises MiniMaxUpstreamError: the list breaks off, the cursor does not move, or it goes round in circles.
    """
    if not first["images"] and first.get("hasNext") is True:
        raise MiniMaxUpstreamError(
            "The list of images begins with a page that is empty and has a next one. A retry asks again."
        )
    walker = _Walker(first, fetch)
    page: list[Image] | None = first["images"]
    while page is not None:
        yield Page(page, walker.total)
        page = walker.next_page()


def walk_on(position: Position, fetch: Fetch) -> Iterator[Page]:
    """Yield what comes after a place that an earlier walk has reached.

    :raises PositionLostError: the service does not know the place any more.
    """
    last = position.as_image()
    walker = _Walker({"images": [last]}, fetch, position)
    try:
        page = walker.next_page()
    except (MiniMaxBadRequestError, MiniMaxNotFoundError, _StuckError) as error:
        raise PositionLostError(f"The list of images cannot be read on from image {image_key(last)}: {error}") from None
    while page is not None:
        yield Page(page, walker.total)
        page = walker.next_page()


def image_key(image: Image) -> str | None:
    """Return what tells an image (or a video) from all others."""
    key = _full(image) or image.get("id")
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
    def __init__(self, first: dict[str, Any], fetch: Fetch, position: Position | None = None) -> None:
        self._fetch = fetch
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
        # Brent's way to see a circle: compare with one old position, renewed at each power of two.
        self._landmark: str | None = None
        self._steps, self._renewal = 0, 1

    @property
    def total(self) -> int | None:
        total = self._page.get("total")
        return total if isinstance(total, int) else None

    def next_page(self) -> list[Image] | None:
        """Return the images that come after the last ones; None at the end of the list."""
        says_end = self._page.get("hasNext") is False
        if not self._last or (says_end and (self.total or 0) <= self._count):
            return None
        answer = self._ask(self._last)
        if answer.leaves_open and self._before and not says_end:
            # The list ends here, or the last image was deleted meanwhile, or the service is out of order.
            answer = self._ask(self._before)
        if answer.images is not None or answer.is_end or says_end:
            return answer.images
        raise self._stuck(
            "the service sends no images beyond it"
            if answer.refusal is None
            else f"the service refuses it as a cursor ({answer.refusal})"
        )

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

    def _goes_on(self, images: list[Image]) -> bool:
        """Tell whether a page lies beyond what is known, and is not the head once more."""
        if image_key(images[-1]) in self._known or _created(images[-1]) > self._newest:
            return False
        # A place to go on from may lie within the first page, whose end is then not known. Had that page been sent
        # again, it would begin with what has arrived since, or there was nothing wrong with it.
        return not self._is_at_start or max(map(_created, images)) <= self._newest

    def _move_to(self, page: dict[str, Any], images: list[Image], keys: list[str | None]) -> None:
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
