"""The checkpoint: what of an unfinished export is certain, who owns the folder, and where the next attempt resumes."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from airflow_provider_minimax.api.cursors import Image, Page, Place, Position, image_key
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.export.manifest import Contents, Head, load_record, mark
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import Part, first_damaged, first_damaged_media
from airflow_provider_minimax.storage.base import Storage

log = logging.getLogger(__name__)

CHECKPOINT: Final = "checkpoint.json"
#: A checkpoint of another version is discarded, never guessed at.
_VERSION: Final = 1


class Checkpoint(msgspec.Struct):
    """The state of an unfinished export.

    :param run: the task instance that wrote it; None outside of Airflow.
    :param base: the hash of the manifest that a sync adds to; None where the export starts from scratch.
    :param head: the first page of the list when the export began.
    :param scanned: images that are dealt with, selected or not.
    :param total: images of the account, as the service counted them.
    :param after: the position behind the last of them.
    :param is_complete: the walk has reached its end.
    :param strays: parts that an attempt was about to commit, or that an older export has left. They are ours, and are
        removed unless the export contains them.
    :param former_owners: attempts whose drafts may still exist.
    :param etags: of the parts when they were committed, where the storage has such.
    :param had_media: an earlier export in this folder may have left files in ``media/``.
    """

    version: int
    plan: dict[str, Any]
    run: str | None
    base: str | None
    head: Head
    contents: Contents
    parts: list[Part] = []
    scanned: int = 0
    total: int | None = None
    after: Position | None = None
    is_complete: bool = False
    owner: str | None = None
    strays: list[Part] = []
    former_owners: list[str] = []
    etags: dict[str, str] = {}
    had_media: bool = False
    kind: str = ""

    @classmethod
    def begin(cls, plan: dict[str, Any], run: str | None, base: str | None, kind: MediaKind = IMAGES) -> Checkpoint:
        """Return the state of an export that has just begun."""
        return cls(_VERSION, plan, run, base, Head(), Contents(), kind=mark(kind, CHECKPOINT))

    def mismatch(
        self,
        shape: dict[str, Any],
        base: str | None,
        sizes: Mapping[str, int],
        *,
        skip_bad_media: bool,
        kind: MediaKind = IMAGES,
    ) -> str | None:
        """Return why an export cannot resume from this checkpoint; None where it can.

        :param shape: what two exports must have in common.
        :param base: the hash of the manifest that the export adds to.
        """
        if self.plan != shape:
            return f"it was made with other parameters, or of other {kind.plural}"
        if self.base != base:
            return "it was made for another export"
        if self.contents.media_failed and not skip_bad_media:
            return "it left out files that could not be downloaded"
        if first_damaged(self.parts, sizes) is not None:
            return "its parts are not all there"
        return None

    def staleness(self, first: Page | None, kind: MediaKind = IMAGES) -> str | None:
        """Return why another run would not find the same items; None where it would."""
        if first is None or Head.of(first.images) != self.head or first.total != self.total:
            return "it is of another run, and the list has changed since"
        if self.contents.unfinished:
            return f"it is of another run, and contains {kind.plural} that were not final, or that lack their file"
        return None

    def position_after(self, before: Image | None, image: Image) -> Position:
        """Return the position behind an image.

        :param before: the image before it, where that is known.
        """
        keys, key = self.head.keys, image_key(image)
        # Later images of the first page itself are not dealt with yet.
        met = keys[: keys.index(key) + 1] if key in keys else keys
        place, earlier = Place.of(image), None if before is None else Place.of(before)
        return Position(place.id, place.image_id, met, self.head.newest, earlier, self.scanned)


class KnownFiles(msgspec.Struct):
    """The files of ours that a checkpoint of any version knows."""

    parts: list[Part] = []
    strays: list[Part] = []
    owner: str | None = None
    former_owners: list[str] = []
    had_media: bool = False
    plan: dict[str, Any] = {}

    @property
    def has_media(self) -> bool:
        """Whether files of ours may be in ``media/``."""
        return self.had_media or self.plan.get("media") is True

    @property
    def all_parts(self) -> list[Part]:
        """All parts that may exist."""
        return [*self.parts, *self.strays]

    @property
    def owners(self) -> list[str]:
        """The attempts whose drafts may exist."""
        return [*self.former_owners, *([] if self.owner is None else [self.owner])]


def load_checkpoint(storage: Storage, body: bytes | None, kind: MediaKind) -> tuple[KnownFiles, Checkpoint | None]:
    """Return what the checkpoint of a folder knows, and the checkpoint itself if an export can resume from it.

    :raises MiniMaxBadRequestError: the file is foreign.
    """
    document = load_record(storage, CHECKPOINT, body, kind)
    if document is None:
        return KnownFiles(), None
    try:
        known = msgspec.convert(document, KnownFiles)
    except msgspec.ValidationError:
        known = KnownFiles()
    reason = "another version"
    if document.get("version") == _VERSION:
        try:
            return known, msgspec.convert(document, Checkpoint)
        except msgspec.ValidationError as error:
            reason = str(error)
    log.warning("The checkpoint in %s is unusable (%s); the export starts from scratch.", storage.folder, reason)
    return known, None


def start(
    checkpoint: Checkpoint | None,
    scratch: Checkpoint,
    read_pages: Callable[[Position | None], Iterator[Page]],
    plan: ExportPlan,
    storage: Storage,
    sizes: Mapping[str, int],
) -> tuple[Checkpoint, Iterator[Page]]:
    """Return the state from which an export starts, and the pages that remain.

    :param scratch: the state of an export from scratch.
    :param read_pages: reads the list behind a position; the whole list for None.
    """
    # Without a position, the attempt failed before its first part.
    if checkpoint is None or (checkpoint.after is None and not checkpoint.is_complete):
        return scratch, read_pages(None)
    skip, kind = plan.skip_bad_media, plan.kind
    reason = checkpoint.mismatch(scratch.plan, scratch.base, sizes, skip_bad_media=skip, kind=kind)
    if reason is None and plan.download_media and first_damaged_media(storage, plan.format, checkpoint.parts):
        reason = "its files are not all there"
    pages: Iterator[Page] | None = None
    if reason is None and (scratch.run is None or checkpoint.run != scratch.run):
        pages = read_pages(None)
        first = next(pages, None)
        pages = itertools.chain([] if first is None else [first], pages)
        reason = checkpoint.staleness(first, kind)
    if reason is not None:
        log.info("The checkpoint in %s is discarded: %s.", storage.folder, reason)
        return scratch, read_pages(None) if pages is None else pages
    log.info(
        "The export resumes from its checkpoint: %d %s in %d parts exist.",
        checkpoint.contents.images,
        kind.plural,
        len(checkpoint.parts),
    )
    checkpoint.run = scratch.run
    return checkpoint, iter(()) if checkpoint.is_complete else read_pages(checkpoint.after)
