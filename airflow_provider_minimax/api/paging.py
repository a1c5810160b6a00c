"""Walking through a list by its cursor. No network of its own: the page is fetched by the caller.

What the service means by ``lastImageId`` is not documented: the id may be wanted bare or full, and the page
that it opens may or may not begin with that very image. The walk is right under each reading, stands images
that arrive at the head meanwhile, and remembers two pages and two cursors, however long it gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxNotFoundError,
    MiniMaxUpstreamError,
)

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
class Position:
    """A place in a walk, from which another process can go on.

    :param id: the bare id of the last image that was dealt with.
    :param image_id: its full id.
    :param head: ids of the first page, which a service that does not know the cursor may send again.
    :param newest: the latest time of creation in that page.
    """

    id: str | None
    image_id: str | None
    head: tuple[str, ...]
    newest: int


class PositionLostError(MiniMaxUpstreamError):
    """The service does not go on from a place where an earlier walk has been."""


def walk(first: dict[str, Any], fetch: Fetch) -> Iterator[Page]:
    """Yield page after page, each image once, until the list ends.

    The list ends with ``hasNext`` false or with an empty page.

    :param first: the first page, as the API sends it.
    :param fetch: returns the page after a cursor, as the API sends it.
    :raises MiniMaxUpstreamError: the cursor does not move, or goes round in circles.
    """
    walker = _Walker(first, fetch)
    page: list[Image] | None = first["images"]
    while page:
        yield Page(page, walker.total)
        page = walker.next_page()


def walk_on(position: Position, fetch: Fetch) -> Iterator[Page]:
    """Yield what comes after a place that an earlier walk has reached.

    :raises PositionLostError: the service does not know the place any more.
    """
    last = {"id": position.id, "imageId": position.image_id}
    walker = _Walker({"images": [last]}, fetch, frozenset(position.head), position.newest)
    try:
        page = walker.next_page()
    except (MiniMaxBadRequestError, MiniMaxNotFoundError, _StuckError) as error:
        raise PositionLostError(f"The list of images cannot be read on from image {image_key(last)}: {error}") from None
    while page:
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


class _Walker:
    def __init__(
        self, first: dict[str, Any], fetch: Fetch, head: frozenset[str] | None = None, newest: int | None = None
    ) -> None:
        self._fetch = fetch
        self._forms: tuple[Callable[[Image], str | None], ...] = _FORMS
        self._page = first
        self._head = _keys(first) if head is None else head
        self._known = self._head | _keys(first)
        self._newest = max(map(_created, first["images"]), default=0) if newest is None else newest
        self._last: Image = first["images"][-1] if first["images"] else {}
        # Brent's way to see a circle: compare with one old position, renewed at each power of two.
        self._landmark: str | None = None
        self._steps, self._renewal = 0, 1

    @property
    def total(self) -> int | None:
        total = self._page.get("total")
        return total if isinstance(total, int) else None

    def next_page(self) -> list[Image] | None:
        """Return the images that come after the last ones; None at the end of the list."""
        if self._page.get("hasNext") is False:
            return None
        refusal: MiniMaxError | None = None
        ended = False
        for form in self._forms:
            cursor = form(self._last)
            if cursor is None:
                continue
            try:
                page = self._fetch(cursor)
            except (MiniMaxBadRequestError, MiniMaxNotFoundError) as error:
                refusal = error
                continue
            images = [image for image in page["images"] if image_key(image) not in self._known]
            if images and self._goes_on(page["images"][-1]):
                self._forms = (form,)
                self._move_to(page, images)
                return images
            ended = ended or self._is_end(page)
        if ended:
            return None
        if refusal is not None:
            # Most likely its image was deleted meanwhile; the next walk does not meet it.
            raise self._stuck(f"the service refuses it as a cursor ({refusal})")
        raise self._stuck("the service sends no images beyond it")

    def _goes_on(self, last: Image) -> bool:
        """Tell whether a page that ends here lies beyond what is known, and is not the head once more."""
        return image_key(last) not in self._known and _created(last) <= self._newest

    def _is_end(self, page: dict[str, Any]) -> bool:
        """Tell whether a page without news ends the list: it is empty, or holds the cursor's image alone."""
        keys = _keys(page)
        return not keys or (keys == {image_key(self._last)} and page.get("hasNext") is not True)

    def _move_to(self, page: dict[str, Any], images: list[Image]) -> None:
        self._page = page
        self._known = self._head | _keys(page)
        self._last = images[-1]
        key = image_key(self._last)
        if key == self._landmark:
            raise self._stuck("the pages go round in circles")
        self._steps += 1
        if self._steps == self._renewal:
            self._landmark, self._renewal = key, self._renewal * 2

    def _stuck(self, why: str) -> _StuckError:
        return _StuckError(
            f"The list of images cannot be read beyond image {image_key(self._last)}: {why}. "
            "A retry starts the walk anew."
        )


def _keys(page: dict[str, Any]) -> frozenset[str]:
    # An image without an id can be told from no other, and is never taken for a known one.
    return frozenset(key for image in page["images"] if (key := image_key(image)) is not None)


def _created(image: Image) -> int:
    created = image.get("createTime")
    return created if isinstance(created, int) else 0
