"""What an export writes about itself: the manifest of a whole one, the checkpoint of an unfinished one."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.pagination import Image, Page, Place, Position, image_key
from airflow_provider_minimax.api.serialization import dumps
from airflow_provider_minimax.export.formats import FORMATS
from airflow_provider_minimax.storage.base import Storage

log = logging.getLogger(__name__)

MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint.json"
#: Marks a manifest as one of ours; another file of this name is not overwritten.
KIND: Final = "airflow-provider-minimax/images"
#: Marks a checkpoint, likewise.
CHECKPOINT_KIND: Final = "airflow-provider-minimax/images-checkpoint"
#: Of the checkpoint. One of another version is discarded, never guessed at.
_VERSION: Final = 3
_PART_NAME: Final = re.compile(rf"images-(\d{{5,}})\.({'|'.join(map(re.escape, FORMATS))})")


class Part(msgspec.Struct, frozen=True):
    """One file of an export."""

    name: str
    images: int
    bytes: int
    sha256: str


class Unfinished(msgspec.Struct, frozen=True):
    """An image that the next sync reads again: it was still being made, or its file could not be fetched.

    :param part: where its row is; None where the selection left it out.
    :param seen: the beginning of the hash of what the service said of it.
    """

    image_id: str
    part: str | None
    seen: str

    @classmethod
    def of(cls, image: Image, part: str | None) -> Unfinished:
        """Return what is kept of an image."""
        return cls(image_key(image) or "", part, seen(image))


def seen(image: Image) -> str:
    """Return what tells whether the service says something else of an image later."""
    return hashlib.sha256(dumps(image)).hexdigest()[:16]


class MediaFailure(msgspec.Struct, frozen=True):
    """A file that could not be fetched."""

    image_id: str
    reason: str


class Head(msgspec.Struct, frozen=True):
    """The first page of the list when the export began: what a later sync recognises.

    ``newest`` and ``oldest`` are times of creation.
    """

    keys: tuple[str, ...] = ()
    newest: int = 0
    oldest: int = 0

    @classmethod
    def of(cls, images: list[Image]) -> Head:
        """Return what is kept of a first page."""
        times = [created for image in images if (created := created_at(image)) is not None]
        keys = tuple(key for image in images if (key := image_key(image)) is not None)
        return cls(keys, max(times, default=0), min(times, default=0))


class Found(msgspec.Struct):
    """What an export holds so far."""

    images: int = 0
    newest_image_id: str | None = None
    oldest_image_id: str | None = None
    media_files: int = 0
    media_bytes: int = 0
    media_failed: list[MediaFailure] = []
    unfinished: list[Unfinished] = []


class Checkpoint(msgspec.Struct):
    """What of an unfinished export is certain, and where to go on.

    :param plan: the parameters that shape the files.
    :param run: the task instance that wrote it; None outside of Airflow.
    :param owner: the try that the folder belongs to.
    :param base: the hash of the manifest that this export adds to; None where it starts from nothing.
    :param scanned: images whose fate (written, or left out) is certain.
    :param total: images of the account, as the service counted them.
    :param after: the place behind the last of them.
    :param is_complete: the walk is at its end.
    :param strays: parts that this attempt or an earlier one was about to write, or that an older export has left. What
        is there of them is ours, and is removed unless an export holds it.
    :param former: the attempts whose drafts may still be there.
    :param etags: what a store said of the content of the parts when they were written.
    """

    version: int
    plan: dict[str, Any]
    run: str | None
    base: str | None
    head: Head
    found: Found
    parts: list[Part] = []
    scanned: int = 0
    total: int | None = None
    after: Position | None = None
    is_complete: bool = False
    owner: str | None = None
    strays: list[Part] = []
    former: list[str] = []
    etags: dict[str, str] = {}
    kind: str = CHECKPOINT_KIND

    @classmethod
    def begin(cls, plan: dict[str, Any], run: str | None, base: str | None) -> Checkpoint:
        """Return the state of an export that has just begun."""
        return cls(_VERSION, plan, run, base, Head(), Found())

    def objection(
        self, shape: dict[str, Any], base: str | None, sizes: Mapping[str, int], *, skip_bad_media: bool
    ) -> str | None:
        """Return why this cannot be built upon by an export that is asked for now.

        :param shape: what two exports must agree on.
        :param base: the hash of the manifest that the export adds to.
        :param sizes: of the files in the folder.
        :param skip_bad_media: whether it may leave out files.
        """
        if self.plan != shape:
            return "it was made with other parameters, or of other images"
        if self.base != base:
            return "it was made for another export"
        if self.found.media_failed and not skip_bad_media:
            return "it left out files that could not be fetched"
        if damaged(self.parts, sizes) is not None:
            return "its parts are not all there"
        return None

    def outdated_by(self, first: Page | None) -> str | None:
        """Return why another run would not find the same itself.

        :param first: the first page of the list as it is now.
        """
        if first is None or Head.of(first.images) != self.head or first.total != self.total:
            return "it is of another run, and the list has changed since"
        if self.found.unfinished:
            return "it is of another run, and holds images that were still being made, or that lack their file"
        return None

    def place_after(self, before: Image | None, image: Image) -> Position:
        """Return the place behind an image.

        :param before: the image before it, where that is known.
        """
        keys, key = self.head.keys, image_key(image)
        # What follows in the first page itself has not been dealt with.
        met = keys[: keys.index(key) + 1] if key in keys else keys
        place, earlier = Place.of(image), None if before is None else Place.of(before)
        return Position(place.id, place.image_id, met, self.head.newest, earlier, self.scanned)


class Traces(msgspec.Struct):
    """What is ours in a folder, as our files there say: of a checkpoint of any version, or of a manifest."""

    parts: list[Part] = []
    strays: list[Part] = []
    owner: str | None = None
    former: list[str] = []

    @property
    def all_parts(self) -> list[Part]:
        """All parts that may be there."""
        return [*self.parts, *self.strays]

    @property
    def tokens(self) -> list[str]:
        """The attempts whose drafts may be there."""
        return [*self.former, *([] if self.owner is None else [self.owner])]


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it lies in a folder.

    ``checkpoint`` is None where it is ours and cannot be built upon.
    """

    traces: Traces
    checkpoint: Checkpoint | None


def load_checkpoint(storage: Storage, body: bytes | None) -> StoredCheckpoint | None:
    """Return the checkpoint of a folder; None where there is none.

    :raises MiniMaxBadRequestError: the file is somebody else's.
    """
    if body is None:
        return None
    document = _document(storage, CHECKPOINT, body, CHECKPOINT_KIND, "the checkpoint of an image export")
    traces, checkpoint = _traces(document), None
    if document.get("version") != _VERSION:
        log.warning("The checkpoint in %s is of another version; the export begins anew.", storage.folder)
    else:
        try:
            checkpoint = msgspec.convert(document, Checkpoint)
        except msgspec.ValidationError as error:
            log.warning("The checkpoint in %s cannot be read (%s); the export begins anew.", storage.folder, error)
    return StoredCheckpoint(traces, checkpoint)


def _document(storage: Storage, name: str, body: bytes, kind: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise MiniMaxBadRequestError(
            f"{storage.url(name)} is not {what}. Nothing was changed. Choose another output_path, or remove it."
        )
    return document


def _traces(document: dict[str, Any]) -> Traces:
    try:
        return msgspec.convert(document, Traces)
    except msgspec.ValidationError:
        return Traces()


class Manifest(msgspec.Struct):
    """What a whole export consists of.

    Nothing in it depends on when or how often the export ran: the same images give the same bytes.

    :param unfinished: images that the next sync reads again.
    :param head: what a sync needs to tell news from what it knows.
    :param parts: newest images first.
    """

    plan: dict[str, Any]
    found: Found
    head: Head
    parts: list[Part]

    def encode(self) -> bytes:
        """Return the file that makes the export a whole one."""
        document = {
            "kind": KIND,
            "version": 1,
            **self.plan,
            "images": self.found.images,
            "newest_image_id": self.found.newest_image_id,
            "oldest_image_id": self.found.oldest_image_id,
            "media_files": self.found.media_files,
            "media_bytes": self.found.media_bytes,
            "media_failed": msgspec.to_builtins(self.found.media_failed),
            "unfinished": msgspec.to_builtins(self.found.unfinished),
            "head": msgspec.to_builtins(self.head),
            "parts": msgspec.to_builtins(self.parts),
        }
        return (json.dumps(document, indent=2) + "\n").encode()


class StoredManifest(NamedTuple):
    """A manifest as it lies in a folder.

    ``manifest`` is None where it is ours and cannot be built upon. ``parts`` are known nevertheless.
    """

    sha256: str
    manifest: Manifest | None
    parts: list[Part]


def load_manifest(storage: Storage, body: bytes | None) -> StoredManifest | None:
    """Return the manifest of a folder; None where there is none.

    :raises MiniMaxBadRequestError: the file is somebody else's.
    """
    if body is None:
        return None
    document = _document(storage, MANIFEST, body, KIND, "the manifest of an image export")
    parts = _traces(document).parts
    return StoredManifest(hashlib.sha256(body).hexdigest(), _manifest(document), parts)


def _manifest(document: dict[str, Any]) -> Manifest | None:
    del document["kind"]
    if document.pop("version", None) != 1:
        return None
    try:
        found, head, parts = (
            msgspec.convert({name: document.pop(name) for name in Found.__struct_fields__}, Found),
            msgspec.convert(document.pop("head"), Head),
            msgspec.convert(document.pop("parts"), list[Part]),
        )
    except (KeyError, msgspec.ValidationError):
        return None
    return Manifest(document, found, head, parts)


def damaged(parts: Iterable[Part], sizes: Mapping[str, int]) -> str | None:
    """Return the first part that is missing or of another size; None where all are there.

    :param sizes: of the files in the folder.
    """
    return next((part.name for part in parts if sizes.get(part.name) != part.bytes), None)


def foreign(sizes: Mapping[str, int], ours: Iterable[Part]) -> list[str]:
    """Return the files that are called like parts and are none of ours: not known, or of another size than they had.

    :param sizes: of the files in the folder.
    :param ours: all parts that our manifest and our checkpoint know.
    """
    known = {(part.name, part.bytes) for part in ours}
    return sorted(name for name, size in sizes.items() if part_number(name) is not None and (name, size) not in known)


def part_name(number: int, extension: str) -> str:
    """Return what a part is called."""
    return f"images-{number:05d}.{extension}"


def part_number(name: str) -> int | None:
    """Return the number of a part; None for a file of another kind."""
    match = _PART_NAME.fullmatch(name)
    return int(match[1]) if match else None
