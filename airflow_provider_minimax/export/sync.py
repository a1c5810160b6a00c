"""A folder as a mirror of the account, at a cost that follows the news and not the history.

The walk ends where the manifest knows the images. What was still being made last time, or lacks its file, is read
again by its id, and the part that holds its row is written anew under another name, if the row has changed: until the
new manifest stands, the old one is true.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxNotFoundError, MiniMaxUpstreamError
from airflow_provider_minimax.api.jobs import created_at, is_final
from airflow_provider_minimax.api.pagination import Image, Page, image_key
from airflow_provider_minimax.export.media_rows import Fate, MediaSource, begin, with_file
from airflow_provider_minimax.export.options import Plan
from airflow_provider_minimax.export.parts import PartWriter
from airflow_provider_minimax.export.records import (
    Found,
    Head,
    Manifest,
    Part,
    StoredManifest,
    Unfinished,
    damaged,
    part_number,
    seen,
)
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors

log = logging.getLogger(__name__)

_BATCH: Final = 500


def base_of(stored: StoredManifest, shape: dict[str, Any], sizes: Mapping[str, int]) -> Manifest | None:
    """Return the export that a sync may add to; None where it has to start anew.

    :param shape: what two exports must agree on.
    :param sizes: of the files in the folder.
    """
    if stored.manifest is None or stored.manifest.plan != shape:
        log.info("The export that is there was made of or by something else: it is made anew.")
    elif (name := damaged(stored.manifest.parts, sizes)) is not None:
        log.warning("Part %s is missing or damaged: the export is made anew.", name)
    else:
        return stored.manifest
    return None


def news(pages: Iterable[Page], head: Head) -> Iterator[Page]:
    """Yield what a walk meets before the images that are known.

    :param head: the first page of last time. An older image than its oldest was there, too.
    :raises MiniMaxUpstreamError: the list ends without any: this is no news, but another list, or half of one.
    """
    known = frozenset(head.keys)
    owners = frozenset(map(_owner, known))
    for page in pages:
        _refuse_others(page.images, owners)
        fresh = [image for image in page.images if image_key(image) not in known and not _is_older(image, head)]
        yield Page(fresh, page.total)
        if len(fresh) < len(page.images):
            return
    if known:
        raise MiniMaxUpstreamError(
            "The list of images ended without one that the mirror holds; the mirror stays as it is. A retry looks "
            "again. If all of them were deleted from the account, or it is another account now, sync into another "
            "output_path, or remove the manifest.json there to have the mirror made anew."
        )


def _refuse_others(images: Iterable[Image], owners: frozenset[str]) -> None:
    """Refuse images of an account that has none in the mirror: where the service chooses it, that may change."""
    others = {_owner(image_key(image) or "") for image in images} - owners - {""}
    if others and owners - {""}:
        raise MiniMaxBadRequestError(
            f"The list holds images of {', '.join(sorted(others))}, and the mirror those of "
            f"{', '.join(sorted(owners - {''}))}. Set the account, or choose another output_path."
        )


def _owner(key: str) -> str:
    """Return what a full id says of its account; nothing of a bare one."""
    return key.rpartition("-")[0] if key.startswith("user:") else ""


def _is_older(image: Image, head: Head) -> bool:
    created = created_at(image)
    return created is not None and created <= head.oldest


def merge(
    base: Manifest,
    fresh: Manifest,
    plan: Plan,
    storage: Storage,
    media: MediaSource | None,
    read_image: Callable[[str], Image],
    commit: Callable[[Draft, Part], None],
    check: Callable[[], None],
) -> Manifest:
    """Return the manifest of the old export and its news together.

    :param fresh: what this walk has found.
    :param read_image: reads an image again.
    :param commit: lets a draft appear as a part.
    :param check: called now and then; what it raises ends the merge.
    """
    reread = _Reread(base, plan, media, check)
    reread.ask(read_image)
    parts = [*fresh.parts, *base.parts]
    names = (part_number(part.name) or 0 for part in parts)
    writer = PartWriter(storage, plan.format, plan.columns, 1 + max(names, default=-1), commit)
    try:
        late = reread.add(writer)
        old = [reread.rewrite(part, writer, storage) for part in base.parts]
    finally:
        writer.abort()
    parts = [*fresh.parts, *late, *(part for part in old if part is not None)]
    one, two, more = base.found, fresh.found, reread.found
    found = Found(
        images=sum(part.images for part in parts),
        newest_image_id=_newest(parts, base, fresh, plan, storage),
        oldest_image_id=_oldest(parts, base, fresh, plan, storage),
        media_files=one.media_files + two.media_files + more.media_files,
        media_bytes=one.media_bytes + two.media_bytes + more.media_bytes,
        media_failed=[*two.media_failed, *more.media_failed],
        unfinished=[*two.unfinished, *more.unfinished],
    )
    return Manifest(base.plan, found, fresh.head, parts)


def _newest(parts: list[Part], base: Manifest, fresh: Manifest, plan: Plan, storage: Storage) -> str | None:
    """Return the id in the first row, which is looked up where its part has been written anew."""
    for manifest in (fresh, base):
        if parts[:1] == manifest.parts[:1]:
            return manifest.found.newest_image_id
    with storage_errors(storage.folder), storage.open(parts[0].name) as file:
        return image_key(next(plan.format.read(file, None)))


def _oldest(parts: list[Part], base: Manifest, fresh: Manifest, plan: Plan, storage: Storage) -> str | None:
    """Return the id in the last row, likewise."""
    for manifest in (base, fresh):
        if parts[-1:] == manifest.parts[-1:]:
            return manifest.found.oldest_image_id
    with storage_errors(storage.folder), storage.open(parts[-1].name) as file:
        return image_key(deque(plan.format.read(file, None), maxlen=1)[0])


class _Reread:
    """The images that have to be read again, and what became of them.

    ``found`` counts what they change, and holds what is still to be read again.
    """

    def __init__(self, base: Manifest, plan: Plan, media: MediaSource | None, check: Callable[[], None]) -> None:
        self._check = check
        self._pending = base.found.unfinished
        self._failed = {failure.image_id: failure for failure in base.found.media_failed}
        self._plan = plan
        self._media = media
        self._fates: dict[str, Fate] = {}
        self.found = Found()

    def ask(self, read_image: Callable[[str], Image]) -> None:
        """Read them; those of which the service says something else now, or whose file is there, have a fate."""
        asked = []
        for one in self._pending:
            self._check()
            try:
                image = read_image(one.image_id)
            except (MiniMaxNotFoundError, MiniMaxBadRequestError) as error:
                if one.image_id in self._failed and not self._plan.skip_bad_media:
                    raise
                log.warning("An image that has to be read again cannot be; its row stays. %s", error)
                self._keep(one)
                continue
            fate = Fate(image, image if self._plan.selection.accepts(image) else None)
            asked.append((one, fate, begin(fate, self._media) if self._media is not None else None))
        for one, fate, file in asked:
            if self._media is not None:
                fate = with_file(fate, file, skip=self._plan.skip_bad_media, check=self._check)
            if fate.saved is None and one.seen == seen(fate.image):
                self._keep(one)
            else:
                self._fates[one.image_id] = fate

    def _keep(self, one: Unfinished) -> None:
        """Leave an image as it is, for the next sync."""
        self.found.unfinished.append(one)
        if one.image_id in self._failed:
            self.found.media_failed.append(self._failed[one.image_id])

    def add(self, writer: PartWriter) -> list[Part]:
        """Write what had no row until now."""
        for one in self._pending:
            fate = self._fates.get(one.image_id)
            if one.part is None and fate is not None:
                self._settle(fate, writer)
        return [writer.finish()] if writer.rows else []

    def rewrite(self, part: Part, writer: PartWriter, storage: Storage) -> Part | None:
        """Return the part with the rows as they are now; None where none is left."""
        changed = {
            one.image_id: self._fates[one.image_id]
            for one in self._pending
            if one.part == part.name and one.image_id in self._fates
        }
        if not changed:
            return part
        name = writer.name
        with storage_errors(storage.folder), storage.open(part.name) as file:
            for row in self._plan.format.read(file, None):
                fate = changed.get(image_key(row) or "")
                if fate is None:
                    writer.add(row)
                else:
                    self._settle(fate, writer)
                if writer.rows % _BATCH == 0:
                    self._check()
                    writer.flush()
        self.found.unfinished = [
            Unfinished(one.image_id, name, one.seen) if one.part == part.name else one for one in self.found.unfinished
        ]
        return writer.finish() if writer.rows else None

    def _settle(self, fate: Fate, writer: PartWriter) -> None:
        """Write a row as it is now, if it is meant, and count what it changes."""
        found = self.found
        if fate.failure is not None or not is_final(fate.image):
            found.unfinished.append(Unfinished.of(fate.image, None if fate.row is None else writer.name))
        if fate.row is None:
            return
        writer.add(fate.row)
        if fate.saved is not None:
            found.media_files += 1
            found.media_bytes += fate.saved.bytes
        if fate.failure is not None:
            found.media_failed.append(fate.failure)
