"""The walk through the list: which images it selects, where it ends, and how its pages are read ahead.

It may run in another thread, and touches no state of the export. Its end is decided here, where the pages are read, so
that no page is requested for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Final, Generic, TypeVar

import msgspec

from airflow_provider_minimax.api.cursors import Image, Page, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUpstreamError
from airflow_provider_minimax.api.filters import Selection, check_times
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.export.manifest import Head, MediaFailure
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.media.filenames import Saved

T = TypeVar("T")

#: Items that are read ahead. A near store takes a part in about the time that so many pages take.
_AHEAD: Final = 8
#: Seconds between two checks while the task waits for the thread.
_CHECK_INTERVAL: Final = 0.25


class Entry(msgspec.Struct, frozen=True, gc=False):
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
    batches = map(_with_images, pages) if known is None else new_images(pages, known, plan.kind)
    while left and (batch := next(batches, None)) is not None:
        page, images = batch
        rows = images if takes_all else [image if selection.accepts(image) else None for image in images]
        entries = next(split_at(list(map(Entry, images, rows)), left), [])
        left -= len(entries) if takes_all else sum(entry.row is not None for entry in entries)
        is_past = selection.is_past(images)
        yield page, entries
        # Their memory is used again for the next page, which is faster than memory for both.
        del batch, page, images, rows, entries
        if is_past:
            return


def _with_images(page: Page) -> tuple[Page, list[Image]]:
    return page, page.images


def split_at(entries: list[Entry], left: float, then: float = math.inf) -> Iterator[list[Entry]]:
    """Yield entries up to the one with the last row that is left, then the others with ``then`` rows at a time."""
    if len(entries) <= left:
        # Most pages by far.
        if entries:
            yield entries
        return
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        left -= entry.row is not None
        if not left:
            yield batch
            batch, left = [], then
    if batch:
        yield batch


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


class ReadAhead(Generic[T]):
    """Reads items when they are asked for, and ahead of that while the caller is busy with something slow.

    Between two slow things one thread is faster: what a page holds would move from one processor to the other.

    :param check: called before each item, and every now and then while waiting for one; if it raises, the reading ends.
    :param interruptible: a context in which the thread of the task reads; a stop may raise in there.
    """

    def __init__(
        self,
        items: Iterator[T],
        check: Callable[[], None],
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._items, self._check, self._interruptible = items, check, interruptible
        self._is_busy = False
        #: What a thread has read; its end is None. None where no thread reads.
        self._ready: SimpleQueue[T | BaseException | None] | None = None
        #: Notified when an item was taken, and when the caller is no longer busy.
        self._changed = Condition()

    def __iter__(self) -> Iterator[T]:
        """Yield the items."""
        return iter(self._next, None)

    def _next(self) -> T | None:
        while self._ready is not None:
            try:
                item = self._ready.get(timeout=_CHECK_INTERVAL)
            except Empty:
                self._check()
                continue
            if isinstance(item, BaseException):
                raise item
            if item is not None:
                self._notify()
                return item
            self._ready = None
        self._check()
        with self._interruptible():
            return next(self._items, None)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let another thread read on, a few items ahead.

        At the end, one item may still be on its way; nobody waits for it until it is asked for.
        """
        if self._is_busy:
            yield
            return
        self._is_busy = True
        if self._ready is None:
            self._ready = SimpleQueue()
            # A daemon, so that a request that hangs does not stop the process from ending.
            Thread(target=self._read, args=(self._ready,), name="minimax-pages", daemon=True).start()
        try:
            yield
        finally:
            self._is_busy = False
            self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()

    def _may_read(self, ready: SimpleQueue[T | BaseException | None]) -> bool:
        """Wait until there is room for an item. The queue is asked, as busy times may follow each other closely."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_busy or ready.qsize() < _AHEAD)
        return self._is_busy

    def _read(self, ready: SimpleQueue[T | BaseException | None]) -> None:
        end: BaseException | None = None
        try:
            while self._may_read(ready):
                self._check()
                if (item := next(self._items, None)) is None:
                    break
                ready.put(item)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the item is awaited
            end = error
        ready.put(end)
