"""The checkpoint: what of an unfinished export is certain, where the next attempt resumes, and who owns the folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.pagination import Image, Page, Place, Position, image_key
from airflow_provider_minimax.export.manifest import Contents, Head, load_document, mark
from airflow_provider_minimax.export.parts import Part, first_damaged
from airflow_provider_minimax.storage.base import Storage

log = logging.getLogger(__name__)

CHECKPOINT: Final = "checkpoint.json"
#: A checkpoint of another version is discarded, never guessed at.
_VERSION: Final = 1


class Checkpoint(msgspec.Struct):
    """The state of an unfinished export.

    :param plan: the parameters that shape the files.
    :param run: the task instance that wrote it; None outside of Airflow.
    :param base: the hash of the manifest that a sync adds to; None where the export starts from scratch.
    :param head: the first page of the list when the export began.
    :param parts: those that are committed.
    :param scanned: images that are dealt with, selected or not.
    :param total: images of the account, as the service counted them.
    :param after: the position behind the last of them.
    :param is_complete: the walk has reached its end.
    :param owner: the attempt that owns the folder.
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
        return cls(_VERSION, plan, run, base, Head(), Contents(), kind=_mark(kind))

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
        :param sizes: of the files in the folder.
        :param skip_bad_media: whether the export may leave out files.
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
        """Return why another run would not find the same items; None where it would.

        :param first: the first page of the list as it is now.
        """
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


class StoredCheckpoint(NamedTuple):
    """The checkpoint of a folder; ``checkpoint`` is None where it is ours and no export can resume from it."""

    known: KnownFiles
    checkpoint: Checkpoint | None


def _mark(kind: MediaKind) -> str:
    """Return what marks a checkpoint as one of ours; another file of this name is not overwritten."""
    return f"{mark(kind)}-checkpoint"


def load_checkpoint(storage: Storage, body: bytes | None, kind: MediaKind = IMAGES) -> StoredCheckpoint | None:
    """Return the checkpoint of a folder; None where it is missing.

    :param kind: what the export holds.
    :raises MiniMaxBadRequestError: the file is foreign.
    """
    if body is None:
        return None
    document = load_document(storage, CHECKPOINT, body, _mark(kind), f"the checkpoint of {kind.with_article} export")
    try:
        known = msgspec.convert(document, KnownFiles)
    except msgspec.ValidationError:
        known = KnownFiles()
    reason = "another version"
    if document.get("version") == _VERSION:
        try:
            return StoredCheckpoint(known, msgspec.convert(document, Checkpoint))
        except msgspec.ValidationError as error:
            reason = str(error)
    log.warning("The checkpoint in %s is unusable (%s); the export starts from scratch.", storage.folder, reason)
    return StoredCheckpoint(known, None)
