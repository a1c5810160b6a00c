"""The export of an account's images: walk, choose, fetch, write, commit.

How a kill at any moment is survived: a part appears under its name when it is whole; then the checkpoint says so;
parts that it does not name are removed by the next try. The manifest comes last, and an older one goes first.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.api.paging import Image, Page, Position, PositionLostError, image_key
from airflow_provider_minimax.exporting import contact_sheet, sync
from airflow_provider_minimax.exporting.ahead import ahead
from airflow_provider_minimax.exporting.files import Fate, MediaSource, forget_strays, settle
from airflow_provider_minimax.exporting.parts import PartWriter
from airflow_provider_minimax.exporting.plan import Plan
from airflow_provider_minimax.exporting.progress import Progress
from airflow_provider_minimax.exporting.records import (
    CHECKPOINT,
    MANIFEST,
    Checkpoint,
    Head,
    Manifest,
    StoredManifest,
    Unfinished,
    load_checkpoint,
    load_manifest,
    part_number,
)
from airflow_provider_minimax.exporting.storage import Storage, storage_at, storage_errors

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)


class Client(Protocol):
    """What an export wants of the client."""

    settings: Settings

    def iter_pages(self, *, after: Position | None = None) -> Iterator[Page]:
        """Walk through all images, newest first."""

    def get_image(self, image_id: str) -> Image:
        """Read one image."""


def export_images(client: Client, *, plan: Plan, folder: ObjectStoragePath, run: str | None = None) -> dict[str, Any]:
    """Write the chosen images of an account to a folder, whole or not at all.

    Nothing in the files depends on when or how often the export runs: the same images give the same bytes.

    :param run: names the task instance, whose next try goes on where this one ended.
    :return: the summary that goes into the XCom.
    :raises MiniMaxBadRequestError: the folder cannot be written.
    """
    storage = storage_at(folder)
    with contextlib.ExitStack() as stack:
        media: MediaSource | None = None
        if plan.download_media:
            # Here, so that reading a DAG file does not import the HTTP stack.
            from airflow_provider_minimax.exporting.media import MediaFetcher

            media = stack.enter_context(MediaFetcher(client.settings, storage))
        return _Export(client, plan, storage, run, media).run()


class _Export:
    def __init__(
        self,
        client: Client,
        plan: Plan,
        storage: Storage,
        run: str | None,
        media: MediaSource | None,
    ) -> None:
        self._client = client
        self._plan = plan
        self._storage = storage
        self._run = run
        self._media = media
        self._stored: StoredManifest | None = None
        self._base: Manifest | None = None
        self._is_prepared = False
        self._saved_at = 0

    def run(self) -> dict[str, Any]:
        with storage_errors(self._storage.folder):
            self._stored = load_manifest(self._storage)
            checkpoint = load_checkpoint(self._storage)
            if self._plan.contact_sheet:
                # Now, and not after a long walk.
                contact_sheet.check(self._storage)
        if self._plan.sync and self._stored is not None:
            self._base = sync.base_of(self._stored, self._plan)
        try:
            pages = self._go_on(checkpoint) if checkpoint is not None else None
            self._export(self._begin() if pages is None else pages)
        except PositionLostError as error:
            log.warning("%s The export begins anew.", error)
            self._is_prepared = False
            self._export(self._begin())
        return self._finish()

    # Where to begin

    def _begin(self) -> Iterator[Page]:
        self._state = Checkpoint.begin(self._plan.describe(), self._run, self._base_hash)
        return self._client.iter_pages()

    def _go_on(self, checkpoint: Checkpoint) -> Iterator[Page] | None:
        """Return the pages that a checkpoint leaves to do; None where it is of no use."""
        reason = self._objection(checkpoint)
        pages: Iterator[Page] | None = None
        if reason is None and checkpoint.run != self._run:
            pages = self._client.iter_pages()
            first = next(pages, None)
            pages = itertools.chain([] if first is None else [first], pages)
            reason = checkpoint.outdated_by(first)
        if reason is not None:
            log.info("The checkpoint in %s is discarded: %s.", self._storage.folder, reason)
            if pages is not None:
                self._state = Checkpoint.begin(self._plan.describe(), self._run, self._base_hash)
            return pages
        log.info(
            "Going on from the checkpoint: %d images in %d parts are there.",
            checkpoint.found.images,
            len(checkpoint.parts),
        )
        self._state = checkpoint
        self._saved_at = checkpoint.scanned
        return iter(()) if checkpoint.is_complete else self._guarded(self._client.iter_pages(after=checkpoint.after))

    def _objection(self, checkpoint: Checkpoint) -> str | None:
        """Return why a checkpoint cannot be built upon."""
        if checkpoint.plan != self._plan.describe():
            return "it was made with other parameters"
        if checkpoint.base != self._base_hash:
            return "it was made for another export"
        if checkpoint.found.media_failed and not self._plan.skip_bad_media:
            return "it left out files that could not be fetched"
        with storage_errors(self._storage.folder):
            sizes = dict(self._storage.files())
        if any(sizes.get(part.name) != part.bytes for part in checkpoint.parts):
            return "its parts are not all there"
        return None

    @property
    def _base_hash(self) -> str | None:
        return self._stored.sha256 if self._base is not None and self._stored is not None else None

    def _guarded(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Doubt an end right at the place to go on from while the service has counted more."""
        first = next(pages, None)
        total = self._state.total
        if first is None and total is not None and self._state.scanned < total and self._base is None:
            raise PositionLostError(f"The list seems to end after {self._state.scanned} of {total} images.")
        return itertools.chain([] if first is None else [first], pages)

    # The walk

    def _export(self, pages: Iterator[Page]) -> None:
        number = 0 if self._base is None else 1 + max((part_number(p.name) or 0 for p in self._base.parts), default=-1)
        plan = self._plan
        self._writer = PartWriter(self._storage, plan.format, plan.columns, number + len(self._state.parts))
        progress = Progress(self._state.scanned)
        try:
            # What ends the walk is seen where it is read, so that no page is asked for in vain.
            chosen = ahead(self._chosen(self._noted(pages)))
            for fates in settle(chosen, self._media, skip=plan.skip_bad_media):
                self._take(fates)
                progress.update(self._state.scanned, self._state.found.images, self._state.total)
            self._prepare()
            if self._writer.rows:
                self._state.parts.append(self._writer.finish())
        finally:
            self._writer.abort()

    def _noted(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Prepare the folder when the first page has come: until then, an older export stays."""
        for page in pages:
            self._prepare()
            self._state.total = page.total
            if not self._state.scanned and not self._state.head.keys:
                self._state.head = Head.of(page.images)
            yield page

    def _chosen(self, pages: Iterator[Page]) -> Iterator[list[tuple[Image, bool]]]:
        """Yield images and whether they are meant, until the selection cannot hold more."""
        plan = self._plan
        left = itertools.count() if plan.max_images is None else range(plan.max_images - self._state.found.images)
        tickets = iter(left)
        news = pages if self._base is None else sync.news(pages, self._base.head)
        if plan.max_images == self._state.found.images:
            return
        for page in news:
            fates: list[tuple[Image, bool]] = []
            for image in page.images:
                is_meant = plan.selection.accepts(image)
                if is_meant and next(tickets, None) is None:
                    yield fates
                    return
                fates.append((image, is_meant))
            yield fates
            if plan.selection.lies_behind(page.images):
                return

    def _take(self, fates: list[Fate]) -> None:
        state, writer = self._state, self._writer
        for fate in fates:
            image, row, saved, failure = fate
            state.scanned += 1
            if not is_final(image) and self._plan.selection.covers(image):
                part = None if row is None else writer.name
                state.found.unfinished.append(Unfinished(image_key(image) or "", part))
            if row is None:
                continue
            found = state.found
            found.images += 1
            found.newest_image_id = found.newest_image_id or image_key(image)
            found.oldest_image_id = image_key(image)
            if saved is not None:
                found.media_files += 1
                found.media_bytes += saved.bytes
            if failure is not None:
                found.media_failed.append(failure)
            writer.add(row)
            if writer.rows == self._plan.part_rows:
                state.parts.append(writer.finish())
                self._save(image)
        writer.flush()
        if fates and not writer.rows and state.scanned - self._saved_at >= self._plan.part_rows:
            # A long way to the first image that is meant is not walked twice either.
            self._save(fates[-1].image)

    def _save(self, last: Image) -> None:
        state = self._state
        state.after = state.place_after(last)
        with storage_errors(self._storage.folder):
            state.save(self._storage)
        self._saved_at = state.scanned

    # The folder

    def _prepare(self) -> None:
        """Make the folder; take away what does not belong to this export, an older manifest first."""
        if self._is_prepared:
            return
        storage, state = self._storage, self._state
        keep = {part.name for part in state.parts}
        with storage_errors(storage.folder):
            if not state.scanned:
                storage.remove(CHECKPOINT)
            if self._base is not None:
                keep |= {part.name for part in self._base.parts}
            elif not state.is_complete:
                storage.remove(MANIFEST)
            storage.prepare(*(["media"] if self._plan.download_media else []))
            for name, _ in list(storage.files()):
                if part_number(name) is not None and name not in keep:
                    storage.remove(name)
        self._is_prepared = True

    def _finish(self) -> dict[str, Any]:
        """Make a whole export of the parts."""
        storage, state = self._storage, self._state
        if state.parts and not state.is_complete:
            state.is_complete = True
            with storage_errors(storage.folder):
                state.save(storage)
        manifest = Manifest(state.plan, state.found, state.head, state.parts)
        if self._base is not None:
            manifest = sync.merge(self._base, manifest, self._plan, storage, self._media, self._client.get_image)
        with storage_errors(storage.folder):
            self._write_contact_sheet(manifest)
            manifest.write(storage)
            kept = {part.name for part in manifest.parts}
            for name, _ in list(storage.files()):
                if part_number(name) is not None and name not in kept:
                    storage.remove(name)
            if self._base is None:
                # A sync leaves none, and does not list a large folder to find that out.
                forget_strays(storage, self._plan, manifest)
            storage.remove(CHECKPOINT)
        # Files are not opened by ObjectStoragePath, which would report each draft; the manifest stands for all.
        get_hook_lineage_collector().add_output_asset(context=storage.folder, uri=storage.url(MANIFEST))
        return self._summary(manifest)

    def _write_contact_sheet(self, manifest: Manifest) -> None:
        if self._plan.contact_sheet:
            contact_sheet.write(self._storage, self._plan, manifest)
        else:
            contact_sheet.remove(self._storage)

    def _summary(self, manifest: Manifest) -> dict[str, Any]:
        found, size = manifest.found, sum(part.bytes for part in manifest.parts)
        log.info(
            "%d images are exported to %s (%d parts, %d bytes; %d files, %d bytes; %d images were read).",
            found.images,
            self._storage.folder,
            len(manifest.parts),
            size,
            found.media_files,
            found.media_bytes,
            self._state.scanned,
        )
        return {
            "path": str(self._storage.folder),
            "manifest": self._storage.url(MANIFEST),
            "images": found.images,
            "parts": len(manifest.parts),
            "bytes": size,
            "media_files": found.media_files,
            "media_failed": len(found.media_failed),
            "newest_image_id": found.newest_image_id,
            "oldest_image_id": found.oldest_image_id,
        }
