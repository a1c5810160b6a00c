"""A folder as a mirror of the account, at a cost that follows the new images and not the history.

The walk ends where the manifest knows the images. What was not final last time, or lacks its file, is read again by its
id. If its row has changed, the part that holds it is rewritten under another name: until the new manifest is written,
the old one stays valid. Otherwise it waits for the next sync.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxNotFoundError
from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.export.manifest import Contents, Manifest, StoredManifest, Unfinished, fingerprint
from airflow_provider_minimax.export.media_rows import MediaRows
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import Part, PartWriter, first_damaged, next_number, read_rows
from airflow_provider_minimax.export.walk import Entry
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors

log = logging.getLogger(__name__)

_BATCH: Final = 500


def find_base(stored: StoredManifest, shape: dict[str, Any], sizes: Mapping[str, int]) -> Manifest | None:
    """Return the export that a sync can add to; None where it has to start from scratch.

    :param shape: what two exports must have in common.
    """
    if stored.manifest is None or stored.manifest.plan != shape:
        log.info("The existing export has other parameters or another source; the export starts from scratch.")
    elif (name := first_damaged(stored.manifest.parts, sizes)) is not None:
        log.warning("Part %s is missing or damaged; the export starts from scratch.", name)
    else:
        return stored.manifest
    return None


def merge(
    base: Manifest,
    fresh: Manifest,
    plan: ExportPlan,
    storage: Storage,
    media: MediaRows,
    read_image: Callable[[str], Image],
    commit: Callable[[Draft, Part], None],
    check: Callable[[], None],
) -> Manifest:
    """Return the manifest of the existing export together with its new images.

    :param check: called every now and then; if it raises, the merge ends.
    """
    refresh = _Refresh(base, plan, media, check)
    refresh.read(read_image)
    number = next_number([*fresh.parts, *base.parts])
    writer = PartWriter(storage, plan.format, plan.columns, number, commit, plan.kind)
    try:
        late = refresh.write_rowless(writer)
        rewritten = [refresh.rewrite(part, writer, storage) for part in base.parts]
    finally:
        writer.abort()
    parts = [*fresh.parts, *late, *(part for part in rewritten if part is not None)]
    old, new, more = base.contents, fresh.contents, refresh.contents
    contents = Contents(
        images=sum(part.images for part in parts),
        newest_image_id=_newest_id(parts, base, fresh, plan, storage),
        oldest_image_id=_oldest_id(parts, base, fresh, plan, storage),
        media_files=old.media_files + new.media_files + more.media_files,
        media_bytes=old.media_bytes + new.media_bytes + more.media_bytes,
        media_failed=[*new.media_failed, *more.media_failed],
        unfinished=[*new.unfinished, *more.unfinished],
    )
    return Manifest(base.plan, contents, fresh.head, parts)


def _newest_id(parts: list[Part], base: Manifest, fresh: Manifest, plan: ExportPlan, storage: Storage) -> str | None:
    """Return the id in the first row, which is read where its part was rewritten."""
    for manifest in (fresh, base):
        if parts[:1] == manifest.parts[:1]:
            return manifest.contents.newest_image_id
    with storage_errors(storage.folder):
        return image_key(next(read_rows(storage, plan.format, parts[:1], None)))


def _oldest_id(parts: list[Part], base: Manifest, fresh: Manifest, plan: ExportPlan, storage: Storage) -> str | None:
    """Return the id in the last row, likewise."""
    for manifest in (base, fresh):
        if parts[-1:] == manifest.parts[-1:]:
            return manifest.contents.oldest_image_id
    with storage_errors(storage.folder):
        return image_key(deque(read_rows(storage, plan.format, parts[-1:], None), maxlen=1)[0])


class _Refresh:
    """The images that a sync reads again.

    ``contents`` counts what they change, and holds those that the next sync reads again.
    """

    def __init__(self, base: Manifest, plan: ExportPlan, media: MediaRows, check: Callable[[], None]) -> None:
        self._check = check
        self._pending = base.contents.unfinished
        self._failures = {failure.image_id: failure for failure in base.contents.media_failed}
        self._plan = plan
        self._media = media
        #: By the part that holds their row, and by id.
        self._changed: defaultdict[str | None, dict[str, Entry]] = defaultdict(dict)
        self.contents = Contents()

    def read(self, read_image: Callable[[str], Image]) -> None:
        """Read them, and remember those that have changed or have their file now."""
        read = []
        for one in self._pending:
            self._check()
            try:
                image = read_image(one.image_id)
            except (MiniMaxNotFoundError, MiniMaxBadRequestError) as error:
                if one.image_id in self._failures and not self._plan.skip_bad_media:
                    raise
                name = self._plan.kind.name.capitalize()
                log.warning("%s %s cannot be read again; its row stays as it is. %s", name, one.image_id, error)
                self._postpone(one)
                continue
            entry = Entry(image, image if self._plan.selection.accepts(image) else None)
            read.append((one, entry, self._media.start(entry)))
        for one, entry, download in read:
            entry = self._media.finish(entry, download)
            if entry.saved is None and one.seen == fingerprint(entry.image):
                self._postpone(one)
            else:
                self._changed[one.part][one.image_id] = entry

    def _postpone(self, one: Unfinished) -> None:
        """Leave an image to the next sync."""
        self.contents.unfinished.append(one)
        if one.image_id in self._failures:
            self.contents.media_failed.append(self._failures[one.image_id])

    def write_rowless(self, writer: PartWriter) -> list[Part]:
        """Write the images that had no row until now."""
        for entry in self._changed[None].values():
            self._write(entry, writer)
        return [writer.finish()] if writer.rows else []

    def rewrite(self, part: Part, writer: PartWriter, storage: Storage) -> Part | None:
        """Return a part with its rows as they are now; None where none is left."""
        changed = self._changed[part.name]
        if not changed:
            return part
        name = writer.name
        with storage_errors(storage.folder):
            for row in read_rows(storage, self._plan.format, [part], None):
                entry = changed.get(image_key(row) or "")
                if entry is None:
                    writer.add([row])
                else:
                    self._write(entry, writer)
                if writer.rows % _BATCH == 0:
                    self._check()
                    writer.flush()
        self.contents.unfinished = [
            Unfinished(one.image_id, name, one.seen) if one.part == part.name else one
            for one in self.contents.unfinished
        ]
        return writer.finish() if writer.rows else None

    def _write(self, entry: Entry, writer: PartWriter) -> None:
        """Write a row if it is selected, and count what it changes."""
        contents = self.contents
        if entry.failure is not None or not is_final(entry.image):
            contents.unfinished.append(Unfinished.of(entry.image, None if entry.row is None else writer.name))
        if entry.row is None:
            return
        writer.add([entry.row])
        contents.count_file(entry.saved, entry.failure)
