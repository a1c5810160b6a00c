"""Walking through a list of images or videos by its cursor. No I/O: the caller fetches the pages.

The meaning of ``lastImageId`` is not documented: the service may expect the bare or the full id, and the next page may
or may not begin with that image. The walk is correct in each case, tolerates new images at the head, and keeps only two
pages and three cursors in memory.

Half a list looks like a complete one, so the end has to be proven. An empty page is no proof: the service also returns
one for an unknown cursor, or while it fails. The proof is a page that holds only the last image, fetched from an
earlier cursor. ``hasNext`` false is accepted unless ``total`` contradicts it; then the service is asked once more.

Videos are the same with less to go by: their documented list is a bare array, which shows neither ``hasNext`` nor
``total``, and its items show no time. A page of either form is ``{"images": [...]}`` here, with what else was sent.

A service that has lost half of its list would prove the end of the other half. A caller that needs the complete list
passes an ``EndCheck``: an end before ``total`` images is an error, and an empty list is fetched twice. The meaning of
``total`` is not documented either, so that check can be turned off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_provider_minimax.api.cursors import (
    CURSOR_FORMS,
    Image,
    Page,
    Position,
    image_before_last,
    image_key,
    known_keys,
)
from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxNotFoundError,
    MiniMaxShortListError,
    MiniMaxUpstreamError,
)
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.validation import SAFE_PAGE_SIZE

#: Fetches the page after a cursor, as the API sends it.
Fetch = Callable[[str], dict[str, Any]]


class PageFetcher:
    """Requests pages of one size, or of the documented size where the first one is refused.

    :param list_page: requests so many items after a cursor.
    """

    def __init__(self, list_page: Callable[[int, str | None], dict[str, Any]], size: int) -> None:
        self._list_page, self._size = list_page, size
        self._is_accepted = size <= SAFE_PAGE_SIZE

    def fetch(self, cursor: str | None) -> dict[str, Any]:
        """Return the page after a cursor, or the first one."""
        try:
            page = self._list_page(self._size, cursor)
        except MiniMaxBadRequestError:
            if self._is_accepted:
                raise
            # Where the size was not the reason, this is refused as well.
            page = self._list_page(SAFE_PAGE_SIZE, cursor)
            self._size = SAFE_PAGE_SIZE
        self._is_accepted = True
        return page


@dataclass(frozen=True)
class EndCheck:
    """How to check the end of a list that must be complete.

    :param first_page: fetches the first page once more.
    :param wait: called before the second fetch; lets a moment pass.
    :param check_total: an end before as many images as the service counts is an error.
    :param allow_empty: accept a list that is still empty at the second fetch, whatever else it says.
    """

    first_page: Callable[[], dict[str, Any]]
    wait: Callable[[], None]
    check_total: bool = True
    allow_empty: bool = False


class PositionLostError(MiniMaxUpstreamError):
    """The service cannot resume at the position of an earlier walk."""


class _StuckError(MiniMaxUpstreamError):
    """The cursor does not move."""


def walk(first: dict[str, Any], fetch: Fetch, end: EndCheck | None = None, kind: MediaKind = IMAGES) -> Iterator[Page]:
    """Yield page after page, each image once, until the list ends.

    The first page is yielded even without images, for its ``total``.

    :param first: the first page.
    :param end: how to check the end; None if the list may be incomplete.
    :param kind: what the list holds, for the errors.
    :raises MiniMaxUpstreamError: the list breaks off, the cursor does not move, or the pages repeat in a circle.
    :raises MiniMaxShortListError: the list ends before as many images as the service counts.
    """
    if not first["images"] and end is not None:
        first = _refetch_empty_list(first, end, kind)
    if not first["images"] and first.get("hasNext") is True and (end is None or not end.allow_empty):
        raise MiniMaxUpstreamError(
            f"The list of {kind.plural} begins with an empty page that has a next one. A retry asks again."
        )
    walker = _Walker(first, fetch, end=end, kind=kind)
    yield Page(first["images"], walker.total)
    yield from iter(walker.next_page, None)


def resume_walk(
    position: Position, fetch: Fetch, end: EndCheck | None = None, kind: MediaKind = IMAGES
) -> Iterator[Page]:
    """Resume an earlier walk: yield the pages after its position. See ``walk`` for the other parameters.

    :raises PositionLostError: the service no longer knows the position.
    :raises MiniMaxShortListError: the list ends before as many images as the service counts.
    """
    last = position.as_image()
    walker = _Walker({"images": [last]}, fetch, position, end, kind)
    try:
        page = walker.next_page()
    except (MiniMaxBadRequestError, MiniMaxNotFoundError, _StuckError) as error:
        raise PositionLostError(
            f"The list of {kind.plural} cannot resume after {kind.name} {image_key(last)}: {error}"
        ) from None
    if page is not None:
        yield page
        yield from iter(walker.next_page, None)


def count_of(total: object) -> int | None:
    """Return how many images the service counts; None if ``total`` is not a count.

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


def _refetch_empty_list(first: dict[str, Any], end: EndCheck, kind: MediaKind) -> dict[str, Any]:
    """Return the first page of an empty list, as it is a moment later.

    :raises MiniMaxShortListError: it is still empty, and the service counts images.
    """
    end.wait()
    again = end.first_page()
    counted = max(count_of(first.get("total")) or 0, count_of(again.get("total")) or 0)
    if not again["images"] and counted and end.check_total and not end.allow_empty:
        raise _short_list(0, counted, kind)
    return again


def _short_list(received: int, counted: int, kind: MediaKind) -> MiniMaxShortListError:
    return MiniMaxShortListError(
        f"The list of {kind.plural} ends after {received:,}, also when it is asked again, and the service counts "
        f"{counted:,} of them (total). A retry asks again. If the total of this account counts more than its "
        "list can show, set check_total=False."
    )


class _CursorResult(NamedTuple):
    """What a cursor led to.

    :param images: new ones; None without any.
    :param is_end: the end of the list is proven.
    :param is_empty: a page without images.
    :param refusal: the service refused the cursor.
    """

    images: list[Image] | None
    is_end: bool = False
    is_empty: bool = False
    refusal: MiniMaxError | None = None

    @property
    def is_inconclusive(self) -> bool:
        """Whether the cursor itself may be the reason that no images came."""
        return self.images is None and not self.is_end and (self.is_empty or self.refusal is not None)


class _Walker:
    """The state of one walk: what its last page said, and the ids that tell new images from repeated ones.

    :ivar total: the service's count of images, by the last page.
    """

    def __init__(
        self,
        first: dict[str, Any],
        fetch: Fetch,
        position: Position | None = None,
        end: EndCheck | None = None,
        kind: MediaKind = IMAGES,
    ) -> None:
        self._kind = kind
        self._fetch = fetch
        self._end = end
        self._forms = CURSOR_FORMS
        self._note(first)
        images: list[Image] = first["images"]
        self._last: Image = images[-1] if images else {}
        if position is None:
            self._head = known_keys(map(image_key, images))
            self._newest = max(map(_created, images), default=0)
            self._before, self._count = image_before_last(images, {}), len(images)
        else:
            self._head = frozenset(position.head)
            # Without an image before it, the last one itself is the cursor twice; that proves no end.
            before = self._last if position.before is None else position.before.as_image()
            self._newest, self._before, self._count = position.newest, before, position.count
        self._known = self._head | known_keys(map(image_key, [self._before, *images]))
        self._is_resuming = position is not None
        self._is_flag_wrong = False
        #: The service's count when the walk began, and now.
        self._counted_first = self._counted = self.total
        # Brent's detection of circles: compare with one earlier cursor, renewed at each power of two.
        self._landmark: str | None = None
        self._steps, self._renewal = 0, 1

    def next_page(self) -> Page | None:
        """Return the images after the last ones; None at the end of the list."""
        says_end = self._says_end()
        if not self._last or (says_end and not self._is_contradicted()):
            return None
        if says_end and self._end is not None and self._end.check_total:
            self._end.wait()
        result = self._fetch_after(self._last)
        if result.is_inconclusive and self._before and not says_end:
            # The list ends here, or the last image was deleted in the meantime, or the service fails.
            result = self._fetch_after(self._before)
        if result.images is not None:
            return Page(result.images, self.total)
        if result.is_end or says_end:
            if self._end is not None and self._end.check_total and self._is_contradicted():
                raise _short_list(self._count, self._counted or 0, self._kind)
            return None
        raise self._stuck(
            "the service sends no images beyond it"
            if result.refusal is None
            else f"the service refuses it as a cursor ({result.refusal})"
        )

    def _says_end(self) -> bool:
        return self._has_next is False and not self._is_flag_wrong

    def _note(self, page: dict[str, Any]) -> None:
        """Keep what the last page says of the list. Not its images: their memory is used again for the next ones."""
        self.total, self._has_next = count_of(page.get("total")), page.get("hasNext")

    def _is_contradicted(self) -> bool:
        """Return whether the service counts more images than were received, when the walk began and now."""
        counts = [count for count in (self._counted_first, self._counted) if count is not None]
        if not counts or min(counts) <= self._count:
            return False
        if self._end is None or not self._end.check_total:
            return True
        first = self._end.first_page()
        self._update_count(first)
        # Images that arrived since the walk began are counted, but stand before its first one.
        missing = (self._counted or 0) - self._count
        return missing > 0 and self._count_arrivals(first, missing) < missing

    def _count_arrivals(self, first: dict[str, Any], limit: int) -> int:
        """Count the images before the one that was the first when the walk began.

        :param first: the first page as it is now.
        :param limit: stop counting here.
        """
        count = 0
        if not (self._head or self._newest):
            return count
        for page in walk(first, self._fetch, kind=self._kind):
            for image in page.images:
                created = created_at(image)
                is_older = created is not None and created < self._newest
                if count >= limit or image_key(image) in self._head or is_older:
                    return count
                count += 1
        return count

    def _fetch_after(self, place: Image) -> _CursorResult:
        """Fetch the page after an image, with each form of its cursor until one leads on."""
        is_end = is_empty = False
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
            received: list[Image] = page["images"]
            self._update_count(page)
            keys = list(map(image_key, received))
            images = [image for image, key in zip(received, keys, strict=True) if key not in self._known]
            if images and self._leads_on(received):
                if not self._is_resuming:
                    self._forms = (form,)
                self._move_to(page, images, keys)
                return _CursorResult(images)
            is_empty = is_empty or not received
            # A list of one image offers no earlier cursor: there, an empty page is the only possible proof.
            is_proof = known_keys(keys) == {image_key(self._last)} or not (received or self._before)
            is_end = is_end or (is_proof and page.get("hasNext") is not True)
        return _CursorResult(None, is_end, is_empty, refusal)

    def _update_count(self, page: dict[str, Any]) -> None:
        counted = count_of(page.get("total"))
        if counted is not None:
            self._counted = counted

    def _leads_on(self, images: list[Image]) -> bool:
        """Return whether a page lies beyond the known images, and is not the head of the list again."""
        # A first page without times tells nothing of the times of later ones.
        newest = self._newest or float("inf")
        if image_key(images[-1]) in self._known or _created(images[-1]) > newest:
            return False
        # A walk may resume within the first page, whose end it does not know. If the service had sent that page
        # again, it would begin with newer images, or it would be the right one.
        return not self._is_resuming or max(map(_created, images)) <= newest

    def _move_to(self, page: dict[str, Any], images: list[Image], keys: list[str | None]) -> None:
        # A flag that was false before the end of the list means nothing.
        self._is_flag_wrong = self._is_flag_wrong or self._says_end()
        self._note(page)
        self._before, self._last = image_before_last(images, self._last), images[-1]
        self._known = self._head | known_keys([image_key(self._before), *keys])
        self._count += len(images)
        self._is_resuming = False
        key = image_key(self._last)
        if key == self._landmark:
            raise self._stuck("the pages go round in circles")
        self._steps += 1
        if self._steps == self._renewal:
            self._landmark, self._renewal = key, self._renewal * 2

    def _stuck(self, why: str) -> _StuckError:
        return _StuckError(
            f"The list of {self._kind.plural} cannot be read beyond {self._kind.name} {image_key(self._last)}: {why}. "
            "A retry restarts the walk from the first page.",
            status=200,
        )


def _created(image: Image) -> int:
    return created_at(image) or 0
