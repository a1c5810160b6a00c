"""The walk through the list: which images it selects, where it ends, and a thread that reads its pages ahead.

The walk runs in that thread and touches no state of the export. Its end is decided here, where the pages are read, so
that no page is requested for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Final, NamedTuple, TypeVar

from airflow_provider_minimax.api.cursors import Image, Page, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.filters import Selection, check_times
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.export.manifest import Head, MediaFailure
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.media.filenames import Saved

T = TypeVar("T")

#: With one alone, the next request would wait behind the work on the page that has just arrived. And the walk goes on
#: while the disk syncs a part, which takes as long as a few pages.
_AHEAD: Final = 8
#: Seconds between two checks while the task waits for the thread.
_CHECK_INTERVAL: Final = 0.25


class Entry(NamedTuple):
    """An image of the list, with its row if it is selected, and its file if it has one."""

    image: Image
    row: Image | None
    saved: Saved | None = None
    failure: MediaFailure | None = None


def walk(
    pages: Iterator[Page], plan: ExportPlan, max_images: float, known: Head | None
) -> Iterator[tuple[Page, list[Entry]]]:
    """Yield pages with their entries, a row for each selected image, until no later page can hold a selected one.

    :param max_images: the walk ends at the last of so many selected images; it may be infinite.
    :param known: where a sync has met the images that its folder holds; None for an export from scratch.
    """
    left, selection = max_images, plan.selection
    takes_all = selection == Selection()
    pages = check_times(pages, selection, plan.kind)
    batches = ((page, page.images) for page in pages) if known is None else new_images(pages, known, plan.kind)
    while left and (batch := next(batches, None)) is not None:
        page, images = batch
        entries: list[Entry] = []
        for image in images:
            is_selected = takes_all or selection.accepts(image)
            left -= is_selected
            entries.append(Entry(image, image if is_selected else None))
            if not left:
                break
        yield page, entries
        if selection.is_past(images):
            return


def new_images(pages: Iterable[Page], known: Head, kind: MediaKind = IMAGES) -> Iterator[tuple[Page, list[Image]]]:
    """Yield pages with their images that a walk meets before the known ones.

    :param known: the first page of last time. Images older than its oldest are known, too, and so are those without a
        time that stand behind the last known one of their page.
    :raises MiniMaxUpstreamError: the list ends without a known image: it is another list, or half of one.
    """
    keys = frozenset(known.keys)
    owners = frozenset(map(_owner, keys))
    for page in pages:
        _refuse_other_owners(page.images, owners, kind)
        is_known = [image_key(image) in keys for image in page.images]
        behind = len(is_known) - is_known[::-1].index(True) if any(is_known) else len(is_known)
        fresh = [
            image
            for place, image in enumerate(page.images)
            if not (is_known[place] or _is_older(image, known, is_behind=place >= behind))
        ]
        yield page, fresh
        if len(fresh) < len(page.images):
            return
    if keys:
        raise MiniMaxUpstreamError(
            f"The list of {kind.plural} ended without one that the mirror holds; the mirror stays as it is. A retry "
            "reads the list again. If all of them were deleted from the account, or it is another account now, sync "
            "into another output_path, or remove the manifest.json there to start the mirror from scratch."
        )


def _refuse_other_owners(images: Iterable[Image], owners: frozenset[str], kind: MediaKind) -> None:
    """Refuse images of an account that has none in the mirror: where the service chooses it, that may change."""
    others = {_owner(image_key(image) or "") for image in images} - owners - {""}
    if others and owners - {""}:
        raise MiniMaxBadRequestError(
            f"The list holds {kind.plural} of {', '.join(sorted(others))}, and the mirror those of "
            f"{', '.join(sorted(owners - {''}))}. Set the account, or choose another output_path."
        )


def _owner(key: str) -> str:
    """Return the account in a full id; empty for a bare one."""
    return key.rpartition("-")[0] if key.startswith("user:") else ""


def _is_older(image: Image, known: Head, *, is_behind: bool) -> bool:
    """Return whether an image is older than the known ones: by its time, or without times by its place in the list."""
    created = created_at(image)
    return is_behind if created is None or not known.oldest else created <= known.oldest


def read_ahead(items: Iterator[T], check: Callable[[], None]) -> Generator[T, None, None]:
    """Yield items that a thread of their own reads ahead.

    When this ends early, one item may still be on its way; nobody waits for it.

    :param check: called before each item, and every now and then while waiting; if it raises, the reading ends.
    """
    # A queue in C: each page passes through it, and a future for each would cost as much as parsing a tenth of it.
    ready: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
    room = Semaphore(_AHEAD)
    is_stopped = False

    def read() -> None:
        item: T | None = None
        try:
            while room.acquire() and not is_stopped:
                check()
                item = next(items, None)
                ready.put((item, None))
                if item is None:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the item is awaited
            ready.put((None, error))

    # A daemon, so that a request that hangs does not stop the process from ending.
    Thread(target=read, name="minimax-pages", daemon=True).start()
    try:
        while (item := _next_of(ready, check)) is not None:
            room.release()
            yield item
    finally:
        is_stopped = True
        room.release()


def _next_of(ready: SimpleQueue[tuple[T | None, BaseException | None]], check: Callable[[], None]) -> T | None:
    while True:
        try:
            item, error = ready.get(timeout=_CHECK_INTERVAL)
        except Empty:
            check()
        else:
            if error is not None:
                raise error
            return item
