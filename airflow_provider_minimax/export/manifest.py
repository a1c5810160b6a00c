"""The manifest: what a complete export consists of. It is written last, so whoever sees it sees a complete export."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NamedTuple

import msgspec

from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.kinds import IMAGES, MEDIA_KINDS, MediaKind
from airflow_provider_minimax.api.serialization import dumps
from airflow_provider_minimax.export.parts import Part
from airflow_provider_minimax.media.filenames import Saved
from airflow_provider_minimax.storage.base import Storage

MANIFEST: Final = "manifest.json"


def mark(kind: MediaKind, name: str) -> str:
    """Return what marks a manifest or a checkpoint as one of ours; another file of this name is not overwritten."""
    return f"airflow-provider-minimax/{kind.plural}" + ("" if name == MANIFEST else f"-{name.partition('.')[0]}")


class MediaFailure(msgspec.Struct, frozen=True):
    """A file that could not be downloaded."""

    image_id: str
    reason: str


class Unfinished(msgspec.Struct, frozen=True):
    """An image that the next sync reads again: it was not final, or its file could not be downloaded.

    :param part: holds its row; None where the selection left it out.
    :param seen: the fingerprint of the image when it was read.
    """

    image_id: str
    part: str | None
    seen: str

    @classmethod
    def of(cls, image: Image, part: str | None) -> Unfinished:
        """Return what the manifest keeps of an image."""
        return cls(image_key(image) or "", part, fingerprint(image))


def fingerprint(image: Image) -> str:
    """Return a hash that shows whether the service sends something else for an image later."""
    return hashlib.sha256(dumps(image)).hexdigest()[:16]


class Head(msgspec.Struct, frozen=True):
    """The first page of the list when the export began, by which a later sync recognises known images.

    ``newest`` and ``oldest`` are times of creation.
    """

    keys: tuple[str, ...] = ()
    newest: int = 0
    oldest: int = 0

    @classmethod
    def of(cls, images: list[Image]) -> Head:
        """Return what the manifest keeps of a first page."""
        times = [created for image in images if (created := created_at(image)) is not None]
        keys = tuple(key for image in images if (key := image_key(image)) is not None)
        return cls(keys, max(times, default=0), min(times, default=0))


class Contents(msgspec.Struct):
    """What an export contains so far."""

    images: int = 0
    newest_image_id: str | None = None
    oldest_image_id: str | None = None
    media_files: int = 0
    media_bytes: int = 0
    media_failed: list[MediaFailure] = []
    unfinished: list[Unfinished] = []

    def count_file(self, saved: Saved | None, failure: MediaFailure | None) -> None:
        """Count the file of a row, or why it could not be downloaded."""
        if saved is not None:
            self.media_files += 1
            self.media_bytes += saved.bytes
        if failure is not None:
            self.media_failed.append(failure)


class Manifest(msgspec.Struct):
    """A complete export.

    Nothing in it depends on when or how often the export ran: the same images give the same bytes.

    :param head: by which a sync recognises known images.
    :param parts: newest images first.
    """

    plan: dict[str, Any]
    contents: Contents
    head: Head
    parts: list[Part]

    def encode(self, kind: MediaKind = IMAGES) -> bytes:
        """Return the file. Its keys name the kind: what is ``newest_image_id`` here is ``newest_video_id`` there."""
        document = msgspec.to_builtins(self)
        document = {**document.pop("plan"), **document.pop("contents"), **document}
        named = {"kind": mark(kind, MANIFEST), "version": 1, **_rename_keys(document, IMAGES.name, kind.name)}
        return (json.dumps(named, indent=2) + "\n").encode()


def _rename_keys(value: Any, old: str, new: str) -> Any:
    """Return a JSON value in whose keys one word stands for another."""
    if old == new:
        return value
    if isinstance(value, dict):
        return {key.replace(old, new): _rename_keys(member, old, new) for key, member in value.items()}
    return [_rename_keys(member, old, new) for member in value] if isinstance(value, list) else value


class StoredManifest(NamedTuple):
    """The manifest of a folder.

    ``manifest`` is None where it is ours and a sync cannot add to it; ``parts`` are known nevertheless, and whether
    it has files in ``media/``.
    """

    sha256: str
    manifest: Manifest | None
    parts: list[Part]
    has_media: bool = False


def load_manifest(storage: Storage, body: bytes | None, kind: MediaKind = IMAGES) -> StoredManifest | None:
    """Return the manifest of a folder; None where it is missing.

    :raises MiniMaxBadRequestError: the file is foreign.
    """
    document = load_record(storage, MANIFEST, body, kind)
    if body is None or document is None:
        return None
    document = _rename_keys(document, kind.name, IMAGES.name)
    try:
        parts = msgspec.convert(document.get("parts", []), list[Part])
    except msgspec.ValidationError:
        parts = []
    has_media = document.get("media") is True
    return StoredManifest(hashlib.sha256(body).hexdigest(), _manifest(document), parts, has_media)


def load_whole(storage: Storage, body: bytes | None) -> tuple[MediaKind, Manifest] | None:
    """Return what an export of any kind holds, and its manifest.

    :return: None where that is missing, foreign, or of another version.
    """
    found = _parse(body or b"").get("kind")
    kind = next((kind for kind in MEDIA_KINDS.values() if mark(kind, MANIFEST) == found), None)
    stored = None if kind is None else load_manifest(storage, body, kind)
    return None if kind is None or stored is None or stored.manifest is None else (kind, stored.manifest)


def _manifest(document: dict[str, Any]) -> Manifest | None:
    del document["kind"]
    if document.pop("version", None) != 1:
        return None
    try:
        contents = {name: document.pop(name) for name in Contents.__struct_fields__}
        rest = {"head": document.pop("head"), "parts": document.pop("parts"), "plan": document}
        return msgspec.convert({"contents": contents, **rest}, Manifest)
    except (KeyError, msgspec.ValidationError):
        return None


def load_record(storage: Storage, name: str, body: bytes | None, kind: MediaKind) -> dict[str, Any] | None:
    """Return a manifest or a checkpoint as JSON, of any version; None where it is missing.

    :raises MiniMaxBadRequestError: the file is foreign.
    """
    if body is None:
        return None
    document = _parse(body)
    if document.get("kind") != mark(kind, name):
        raise MiniMaxBadRequestError(
            f"{storage.url(name)} is not the {name.partition('.')[0]} of {kind.with_article} export. Nothing was "
            "changed. Choose another output_path, or remove it."
        )
    return document


def _parse(body: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
