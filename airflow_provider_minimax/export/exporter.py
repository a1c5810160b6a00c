"""The export of an account's images or videos: read the list, select, download, write, publish.

How it survives a kill at any moment: the checkpoint announces a part; the part appears under its name when it is
complete; then the checkpoint says that it exists. The next attempt removes a part that was only announced. The manifest
is written last. An older export stays until the first part of the new one is complete; its manifest is removed first.

All decisions, state, and changes of the folder are in the thread of the task. Others download files, and one reads on
while the task waits for files, encodes what takes long, or stores a part.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.cursors import Image, Page, Position, image_key
from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxShortListError
from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.api.pagination import PositionLostError
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.export import contact_sheet, sync
from airflow_provider_minimax.export.checkpoint import Checkpoint, start
from airflow_provider_minimax.export.manifest import MANIFEST, Head, Manifest, Unfinished
from airflow_provider_minimax.export.media_rows import MediaRows, recorded_files, remove_stray_media
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.ownership import Ownership
from airflow_provider_minimax.export.parts import Part, PartWriter, next_number
from airflow_provider_minimax.export.progress import WalkProgress
from airflow_provider_minimax.export.walk import Entry, ReadAhead, split_at, walk
from airflow_provider_minimax.media.filenames import MEDIA
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.folders import storage_at

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.media.downloader import MediaDownloader

log = logging.getLogger(__name__)


def export_images(
    client: MiniMaxClient,
    *,
    plan: ExportPlan,
    folder: ObjectStoragePath,
    run: str | None = None,
    check_stopped: Callable[[], None] = lambda: None,
    on_newest: Callable[[Image], None] = lambda _: None,
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Any]:
    """Write the selected images or videos of an account to a folder, all of them or none.

    Nothing in the files depends on when or how often the export runs: the same images give the same bytes.

    :param run: identifies the task instance, whose next attempt resumes where this one ended.
    :param check_stopped: called for each page and each piece of a file, from several threads; if it raises, the export
        ends and leaves its checkpoint and no manifest.
    :param on_newest: called with the newest selected image, unless an earlier attempt has read it.
    :param interruptible: a context in which this thread reads pages; a stop may raise anywhere in there.
    :raises MiniMaxBadRequestError: the folder cannot be written, or holds foreign files with names of ours.
    """
    storage = storage_at(folder)
    if not plan.download_media:
        return _Export(client, plan, storage, run, None, check_stopped, on_newest, interruptible).run()
    # Here, so that an export without files does not import the HTTP stack.
    from airflow_provider_minimax.media.downloader import MediaDownloader

    with MediaDownloader(client.settings, storage, check_stopped=check_stopped, kind=plan.kind) as downloader:
        return _Export(client, plan, storage, run, downloader, check_stopped, on_newest, interruptible).run()


class _Export:
    def __init__(
        self,
        client: MiniMaxClient,
        plan: ExportPlan,
        storage: Storage,
        run: str | None,
        downloader: MediaDownloader | None,
        check_stopped: Callable[[], None],
        on_newest: Callable[[Image], None],
        interruptible: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._client = client
        self._plan = plan
        self._storage = storage
        self._run = run
        self._downloader = downloader
        self._check_stopped = check_stopped
        self._on_newest = on_newest
        self._interruptible = interruptible
        self._media = MediaRows(downloader, plan, check_stopped)
        self._ownership = Ownership(storage, check_stopped, plan.kind)
        #: What two exports must have in common, so that one can add to the other.
        self._shape = plan.describe(client.settings)
        #: The export that a sync adds to, and the hash of its manifest.
        self._base: Manifest | None = None
        self._base_hash: str | None = None
        self._replaces_images = False
        self._state = self._scratch()
        self._owns_folder = False
        #: Whether what does not belong to this export was removed.
        self._is_cleared = False
        #: Images that were dealt with when the checkpoint was saved.
        self._saved_at = 0
        #: Media files that survive a power loss.
        self._synced_files = 0
        #: The last image of the batches that were dealt with.
        self._last: Image | None = None

    def run(self) -> dict[str, Any]:
        try:
            return self._run_to_end()
        except MiniMaxError as error:
            raise self._ownership.explain(error) from None
        finally:
            self._ownership.release_if_unused()

    def _run_to_end(self) -> dict[str, Any]:
        stored, checkpoint, sizes = self._ownership.inspect()
        if self._plan.contact_sheet:
            # Now, and not after a long walk.
            with storage_errors(self._storage.folder):
                contact_sheet.check(self._storage)
        self._replaces_images = stored is not None and (stored.manifest is None or stored.manifest.contents.images > 0)
        if self._plan.sync and stored is not None:
            self._base = sync.find_base(stored, self._shape, sizes)
            self._base_hash = None if self._base is None else stored.sha256
        if self._base is None and self._downloader is not None:
            # A sync has few new images, and does not list a large folder for them.
            # To be read now: their parts go when the first new one appears.
            exports = (one for one in (stored and stored.manifest, checkpoint) if one is not None)
            files = (recorded_files(self._storage, one.plan, one.parts, self._check_stopped) for one in exports)
            self._downloader.trust(itertools.chain.from_iterable(files))
        try:
            begin = start(checkpoint, self._scratch(), self._read_pages, self._plan, self._storage, sizes)
            self._export(*begin)
        except PositionLostError as error:
            log.warning("%s The export starts from scratch.", error)
            if self._owns_folder:
                # So that the new start removes what the first one has written.
                self._ownership.check()
                self._ownership.inspect()
                self._owns_folder = self._is_cleared = False
            self._export(self._scratch(), self._read_pages(None))
        return self._finish()

    def _read_pages(self, after: Position | None) -> Iterator[Page]:
        return self._client.iter_pages(after=after, kind=self._plan.kind)

    def _scratch(self) -> Checkpoint:
        return Checkpoint.begin(self._shape, self._run, self._base_hash, self._plan.kind)

    # The walk

    def _export(self, state: Checkpoint, remaining: Iterator[Page]) -> None:
        plan, kind = self._plan, self._plan.kind
        self._state, self._saved_at = state, state.scanned
        self._last = None if state.after is None else state.after.as_image()
        max_images = math.inf if plan.max_images is None else plan.max_images - state.contents.images
        known = None if self._base is None or state.is_complete else self._base.head
        number = next_number([] if self._base is None else self._base.parts) + len(state.parts)
        writer = PartWriter(self._storage, plan.format, plan.columns, number, self._commit_part, kind)
        progress = WalkProgress(state.scanned, items=kind.plural)
        pages = ReadAhead(walk(remaining, plan, max_images, known), self._check_stopped, self._interruptible)
        # A disk has a part sooner than another thread has a page.
        storing = nullcontext if self._storage.is_local else pages.busy
        try:
            with nullcontext() if plan.format.is_quick and not plan.download_media else pages.busy():
                for entries in self._media.attach(map(self._receive, pages)):
                    self._check_stopped()
                    self._write(entries, writer, storing)
                    progress.update(state.scanned, state.contents.images, state.total)
                    # See `walk`.
                    del entries
            self._prepare_folder()
            if writer.rows:
                state.parts.append(writer.finish())
        finally:
            writer.abort()

    def _receive(self, batch: tuple[Page, list[Entry]]) -> list[Entry]:
        """Record what the list says of itself. The first page makes the folder ours; an older export stays for now.

        :raises MiniMaxShortListError: an empty list would replace images.
        """
        state, (page, entries) = self._state, batch
        if not state.scanned and not state.head.keys:
            if not page.images:
                self._refuse_empty_list(page.total)
            state.head = Head.of(page.images)
        state.total = page.total
        self._prepare_folder()
        return entries

    def _refuse_empty_list(self, total: int | None) -> None:
        """Refuse to replace images by an empty list, unless the service says that there are none."""
        if self._replaces_images and total != 0 and not self._plan.allow_empty:
            plural = self._plan.kind.plural
            raise MiniMaxShortListError(
                f"The list of {plural} is empty, the service does not say that it counts none (total: {total}), and "
                f"{self._storage.folder} holds an export of {plural}. Nothing was changed there; a retry reads the "
                "list again. If the account is empty by now, set allow_empty=True."
            )

    def _write(
        self, entries: list[Entry], writer: PartWriter, storing: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Write the rows of a page, and store the part that it fills.

        :param storing: the context in which a part is stored.
        """
        state, part_rows = self._state, self._plan.part_rows
        for batch in split_at(entries, part_rows - writer.rows, part_rows):
            self._add(batch, writer)
            is_full = writer.rows == part_rows
            # A long way to the first selected image is not walked twice either.
            if is_full or (not writer.rows and state.scanned - self._saved_at >= part_rows):
                with storing():
                    if is_full:
                        state.parts.append(writer.finish())
                    before = batch[-2].image if len(batch) > 1 else self._last
                    state.after = state.position_after(before, batch[-1].image)
                    self._save_checkpoint()
                    self._saved_at = state.scanned
            self._last = batch[-1].image
        writer.flush()

    def _add(self, entries: list[Entry], writer: PartWriter) -> None:
        """Count entries, and add their rows to the current part."""
        state, contents, covers = self._state, self._state.contents, self._plan.selection.covers
        for entry in entries:
            image, saved, failure = entry.image, entry.saved, entry.failure
            if failure is not None or (not is_final(image) and covers(image)):
                contents.unfinished.append(Unfinished.of(image, None if entry.row is None else writer.name))
            if saved is not None or failure is not None:
                contents.count_file(saved, failure)
        rows = [row for entry in entries if (row := entry.row) is not None]
        if rows:
            if contents.newest_image_id is None:
                contents.newest_image_id = image_key(rows[0])
                self._on_newest(rows[0])
            contents.oldest_image_id = image_key(rows[-1])
            contents.images += len(rows)
            writer.add(rows)
        state.scanned += len(entries)

    def _save_checkpoint(self) -> None:
        self._sync_media(self._state.contents.media_files)
        self._ownership.save_checkpoint()

    def _sync_media(self, files: int) -> None:
        """Commit no row whose file a power loss could take. To sync each file by itself would cost too much."""
        if files != self._synced_files:
            self._storage.sync()
            self._synced_files = files

    # The folder

    def _prepare_folder(self) -> None:
        """Take the folder over. What an older export has left stays until ``_clear_folder``."""
        if self._owns_folder:
            return
        state, base = self._state, [] if self._base is None else self._base.parts
        with storage_errors(self._storage.folder):
            self._storage.prepare(*([MEDIA] if self._plan.download_media else []))
        self._ownership.take_over(state, [*state.parts, *base])
        self._owns_folder = True

    def _clear_folder(self) -> None:
        """Remove what does not belong to this export, an older manifest first.

        As late as possible: until the first part is complete, the list may turn out to be too short.
        """
        if self._is_cleared:
            return
        storage, state, ownership = self._storage, self._state, self._ownership
        existing = ownership.check_files()
        if self._base is None and not state.is_complete:
            ownership.remove_manifest()
            if contact_sheet.NAME in existing:
                with ownership.changing():
                    contact_sheet.remove(storage)
        for part in state.strays:
            if part.name in existing:
                ownership.remove(part.name)
        state.strays = []
        self._is_cleared = True

    def _commit_part(self, draft: Draft, part: Part) -> None:
        self._clear_folder()
        self._ownership.commit_part(draft, part)

    def _finish(self) -> dict[str, Any]:
        """Publish the parts as a complete export."""
        storage, state, ownership = self._storage, self._state, self._ownership
        self._clear_folder()
        if state.parts and not state.is_complete:
            state.is_complete = True
            self._save_checkpoint()
        manifest = self._merge(Manifest(state.plan, state.contents, state.head, state.parts))
        with ownership.changing():
            contact_sheet.update(storage, self._plan, manifest)
        self._sync_media(manifest.contents.media_files)
        ownership.publish_manifest(manifest.encode(self._plan.kind), manifest.parts)
        names = {part.name for part in manifest.parts}
        with storage_errors(storage.folder):
            existing = storage.sizes()
        for name in {part.name for part in state.strays if part.name in existing} - names:
            ownership.remove(name)
        if self._base is None and state.had_media:
            # A sync leaves none, and does not list a large folder to find that out.
            with storage_errors(storage.folder):
                remove_stray_media(storage, self._plan, manifest, ownership.remove)
        ownership.release()
        # ObjectStoragePath does not open the files, because it would report each draft; the manifest stands for all.
        get_hook_lineage_collector().add_output_asset(context=storage.folder, uri=storage.url(MANIFEST))
        # What a sync has found on the disk is not counted again.
        size = sum(part.bytes for part in state.parts) + state.contents.media_bytes
        metrics.count(metrics.EXPORTED, state.contents.images, kind=self._plan.kind.name)
        metrics.count(metrics.EXPORT_BYTES, size, kind=self._plan.kind.name)
        return self._summarize(manifest)

    def _merge(self, fresh: Manifest) -> Manifest:
        base, state = self._base, self._state
        if base is None:
            return fresh

        def read_image(image_id: str) -> Image:
            return self._client.get_job(self._plan.kind.name, image_id)

        manifest = sync.merge(
            base, fresh, self._plan, self._storage, self._media, read_image, self._commit_part, self._check_stopped
        )
        state.strays += [part for part in base.parts if part not in manifest.parts]
        if state.strays:
            self._ownership.save_checkpoint()
        return manifest

    def _summarize(self, manifest: Manifest) -> dict[str, Any]:
        """Log and return the summary for the XCom."""
        storage, kind, contents = self._storage, self._plan.kind, manifest.contents
        size = sum(part.bytes for part in manifest.parts)
        log.info(
            "Exported %s to %s (%s, %s bytes; %s, %s bytes; %s read).",
            count(contents.images, kind.name),
            storage.folder,
            count(len(manifest.parts), "part"),
            f"{size:,}",
            count(contents.media_files, "file"),
            f"{contents.media_bytes:,}",
            count(self._state.scanned, kind.name),
        )
        return {
            "path": str(storage.folder),
            "manifest": storage.url(MANIFEST),
            kind.plural: contents.images,
            "parts": len(manifest.parts),
            "bytes": size,
            "media_files": contents.media_files,
            "media_failed": len(contents.media_failed),
            f"newest_{kind.name}_id": contents.newest_image_id,
            f"oldest_{kind.name}_id": contents.oldest_image_id,
        }
