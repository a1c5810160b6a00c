"""The walk through the list: which images it selects, and where it ends.

It runs in the thread that reads ahead and touches no state of the export. Its end is decided here, where the pages are
read, so that no page is requested for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from airflow_provider_minimax.api.filters import Selection, check_times
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.pagination import Page
from airflow_provider_minimax.export import sync
from airflow_provider_minimax.export.manifest import Head
from airflow_provider_minimax.export.media_rows import Entry


class Batch(NamedTuple):
    """A page as it was read, and the entries that the export has to process."""

    page: Page
    entries: list[Entry]


def walk(
    pages: Iterator[Page], selection: Selection, max_images: int | None, known: Head | None, kind: MediaKind = IMAGES
) -> Iterator[Batch]:
    """Yield images, those that are selected with a row, until no later page can hold a selected one.

    :param max_images: the walk ends at the last of so many selected images.
    :param known: where a sync has met the images that its folder holds; None for an export from scratch.
    :param kind: what the pages hold.
    """
    left = math.inf if max_images is None else max_images
    takes_all = selection == Selection()
    pages = check_times(pages, selection, kind)
    batches = sync.new_images(pages, known, kind) if known is not None else ((page, page.images) for page in pages)
    while left and (batch := next(batches, None)) is not None:
        page, images = batch
        entries: list[Entry] = []
        for image in images:
            is_selected = takes_all or selection.accepts(image)
            left -= is_selected
            entries.append(Entry(image, image if is_selected else None))
            if not left:
                break
        yield Batch(page, entries)
        if selection.is_past(images):
            return
