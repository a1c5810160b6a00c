"""A page of a list, its images or videos as cursors, and the places at which a walk can resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

#: An image or a video, as the API sends it.
Image = dict[str, Any]


class Page(NamedTuple):
    """The new images of one page, newest first.

    ``total`` is the service's own count of the account's images; None without one.
    """

    images: list[Image]
    total: int | None


@dataclass(frozen=True)
class Place:
    """An image or a video as a cursor: its bare id and its full one, which stands under ``imageId`` for both."""

    id: str | None
    image_id: str | None

    @classmethod
    def of(cls, image: Image) -> Self:
        """Return the place behind an image."""
        return cls(_text(image.get("id")), _full_id(image))

    def as_image(self) -> Image:
        """Return as much of the image as a cursor needs."""
        return {"id": self.id, "imageId": self.image_id}


@dataclass(frozen=True)
class Position:
    """A place in a walk, at which another process can resume.

    :param id: the bare id of the last processed image.
    :param image_id: its full id.
    :param head: ids of the first page, which the service may send again for an unknown cursor.
    :param newest: the latest creation time in that page, in epoch milliseconds.
    :param before: the image before the last one; the end of the list is proven from it.
    :param count: processed images.
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


def image_key(image: Image) -> str | None:
    """Return the id that identifies an image or a video; None without one."""
    key = image.get("imageId") or image.get("videoId") or image.get("id")
    return str(key) if key else None


def known_keys(keys: Iterable[str | None]) -> frozenset[str]:
    """Return the ids that there are: an image without one never equals another."""
    return frozenset(filter(None, keys))


def image_before_last(images: list[Image], default: Image) -> Image:
    """Return the nearest image before the last one that has an id."""
    return next((image for image in reversed(images[:-1]) if image_key(image) is not None), default)


def _bare_id(image: Image) -> str | None:
    key = image.get("id") or _full_id(image)
    return str(key).rpartition(":")[2] if key else None


def _full_id(image: Image) -> str | None:
    key = image.get("imageId") or image.get("videoId")
    return str(key) if key else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


#: The forms that a cursor may have, the likely one first.
CURSOR_FORMS: Final[tuple[Callable[[Image], str | None], ...]] = (_bare_id, _full_id)
