"""A list of images, as the service may keep it: each reading of what the documentation leaves open."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_minimax.api.cursors import Page, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError

Image = dict[str, Any]
NEWEST = 1_742_000_000_000


def image(number: int) -> Image:
    """Return one image; a higher number is a newer one."""
    return {"id": str(number), "imageId": f"user:1-minimax:2-image:{number}", "createTime": NEWEST + number}


def history(size: int) -> list[Image]:
    return [image(number) for number in range(size, 0, -1)]


@dataclass
class ListService:
    """A list as the service may keep it.

    :param size: images a page.
    :param inclusive: whether a page begins with the image of its cursor.
    :param forms: which forms of a cursor it knows.
    :param wrong_form: the response to another form: "error", "first page" or "empty".
    :param arrivals: images that appear at the head before each page but the first.
    :param flag: whether a page has ``hasNext``.
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
            return self._respond_to_wrong_form()
        start = next(n for n, candidate in enumerate(self.images) if candidate[name] == cursor)
        return self._page(start if self.inclusive else start + 1)

    def bare_page(self, cursor: str | None) -> dict[str, Any]:
        """Return a page of a list that is a bare array."""
        return {"images": self.fetch(cursor)["images"]}

    def _respond_to_wrong_form(self) -> dict[str, Any]:
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


def no_next_page(cursor: str) -> dict[str, Any]:
    raise AssertionError(f"no page after {cursor} was expected")


def collect(pages: Iterator[Page], into: list[str | None]) -> None:
    for page in pages:
        into += [image_key(found) for found in page.images]
