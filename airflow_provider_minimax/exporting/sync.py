"""A folder as a mirror of the account, at a cost that follows the news and not the history.

The walk ends where the manifest knows the images. What was still being made last time is read again by its id, and
the part that holds its row is written anew under another name: until the new manifest stands, the old one is true.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxNotFoundError
from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.api.paging import Image, Page, image_key
from airflow_provider_minimax.exporting.files import Fate, MediaSource, begin, row_with_file
from airflow_provider_minimax.exporting.parts import PartWriter
from airflow_provider_minimax.exporting.plan import Plan
from airflow_provider_minimax.exporting.records import (
    Found,
    Head,
    Manifest,
    Part,
    StoredManifest,
    Unfinished,
    part_number,
)
from airflow_provider_minimax.exporting.storage import Storage, storage_errors

log = logging.getLogger(__name__)

_BATCH: Final = 500


def base_of(stored: StoredManifest, plan: Plan) -> Manifest | None:
    """Return the export that a sync may add to; None where it has to start anew."""
    if stored.manifest is not None and stored.manifest.plan == plan.describe():
        return stored.manifest
    log.info("The export that is there was made with other parameters or by another release: it is made anew.")
    return None


def news(pages: Iterable[Page], head: Head) -> Iterator[Page]:
    """Yield what a walk meets before the images that are known.

    :param head: the first page of last time. An older image than its oldest was there, too.
    """
    known = frozenset(head.keys)
    for page in pages:
        fresh = [image for image in page.images if image_key(image) not in known and not _is_older(image, head)]
        yield Page(fresh, page.total)
        if len(fresh) < len(page.images):
            return


def _is_older(image: Image, head: Head) -> bool:
    created = image.get("createTime")
    return isinstance(created, int) and created <= head.oldest


def merge(
    base: Manifest,
    fresh: Manifest,
    plan: Plan,
    storage: Storage,
    media: MediaSource | None,
    read_image: Callable[[str], Image],
) -> Manifest:
    """Return the manifest of the old export and its news together.

    :param fresh: what this walk has found.
    :param read_image: reads again what was not final last time.
    """
    reread = _Reread(base, plan, media)
    reread.ask(read_image)
    parts = [*fresh.parts, *base.parts]
    names = (part_number(part.name) or 0 for part in parts)
    writer = PartWriter(storage, plan.format, plan.columns, 1 + max(names, default=-1))
    try:
        late = reread.add(writer)
        old = [reread.rewrite(part, writer, storage) for part in base.parts]
    finally:
        writer.abort()
    one, two = base.found, fresh.found
    found = Found(
        images=one.images + two.images + reread.found.images,
        newest_image_id=two.newest_image_id or one.newest_image_id or reread.found.newest_image_id,
        oldest_image_id=one.oldest_image_id or reread.found.newest_image_id or two.oldest_image_id,
        media_files=one.media_files + two.media_files + reread.found.media_files,
        media_bytes=one.media_bytes + two.media_bytes + reread.found.media_bytes,
        media_failed=[*two.media_failed, *reread.found.media_failed, *one.media_failed],
        unfinished=[*two.unfinished, *reread.found.unfinished],
    )
    return Manifest(base.plan, found, fresh.head, [*fresh.parts, *late, *(part for part in old if part is not None)])


class _Reread:
    """The images that were not final last time, and what became of them.

    ``found`` counts what they change.
    """

    def __init__(self, base: Manifest, plan: Plan, media: MediaSource | None) -> None:
        self._pending = base.found.unfinished
        self._plan = plan
        self._media = media
        self._fates: dict[str, Fate] = {}
        self.found = Found()

    def ask(self, read_image: Callable[[str], Image]) -> None:
        """Read them; those that are final now have a new row, or none where they are not meant any more."""
        for one in self._pending:
            try:
                image = read_image(one.image_id)
            except (MiniMaxNotFoundError, MiniMaxBadRequestError) as error:
                log.warning("An image that was not final cannot be read again; its row stays. %s", error)
                continue
            if not is_final(image):
                self.found.unfinished.append(one)
            else:
                self._fates[one.image_id] = self._fate(image)

    def _fate(self, image: Image) -> Fate:
        if not self._plan.selection.accepts(image):
            return Fate(image, None)
        if self._media is None:
            return Fate(image, image)
        return row_with_file(image, begin(image, self._media), skip=self._plan.skip_bad_media)

    def add(self, writer: PartWriter) -> list[Part]:
        """Write what had no row until now."""
        for one in self._pending:
            fate = self._fates.get(one.image_id)
            if one.part is None and fate is not None and fate.row is not None:
                writer.add(fate.row)
                self._count(fate)
                self.found.images += 1
                self.found.newest_image_id = self.found.newest_image_id or one.image_id
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
                elif fate.row is not None:
                    writer.add(fate.row)
                    self._count(fate)
                if writer.rows % _BATCH == 0:
                    writer.flush()
        self.found.images += writer.rows - part.images
        self.found.unfinished = [
            Unfinished(one.image_id, name) if one.part == part.name else one for one in self.found.unfinished
        ]
        return writer.finish() if writer.rows else None

    def _count(self, fate: Fate) -> None:
        if fate.saved is not None:
            self.found.media_files += 1
            self.found.media_bytes += fate.saved.bytes
        if fate.failure is not None:
            self.found.media_failed.append(fate.failure)
