"""The export of an account's images: walk, choose, fetch, write, commit.

How a kill at any moment is survived: the checkpoint says what part comes; the part appears under its name when it is
whole; then the checkpoint says that it is there. A part that only was to come is removed by the next attempt. The
manifest comes last, and an older one goes first.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxShortListError
from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.api.pagination import Image, Page, Position, PositionLostError, image_key
from airflow_provider_minimax.export import contact_sheet, sync
from airflow_provider_minimax.export.media_rows import Fate, MediaSource, forget_strays, settle
from airflow_provider_minimax.export.options import Plan, source_of
from airflow_provider_minimax.export.ownership import Claim
from airflow_provider_minimax.export.parts import PartWriter, spoilt_file
from airflow_provider_minimax.export.progress import Progress
from airflow_provider_minimax.export.read_ahead import ahead
from airflow_provider_minimax.export.records import (
    CHECKPOINT,
    MANIFEST,
    Checkpoint,
    Head,
    Manifest,
    Unfinished,
    damaged,
    load_manifest,
    part_number,
)
from airflow_provider_minimax.media.filenames import MEDIA, stem_and_digits
from airflow_provider_minimax.storage.base import Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.folders import storage_at

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


def export_images(
    client: Client,
    *,
    plan: Plan,
    folder: ObjectStoragePath,
    run: str | None = None,
    check_stopped: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write the chosen images of an account to a folder, whole or not at all.

    Nothing in the files depends on when or how often the export runs: the same images give the same bytes.

    :param run: names the task instance, whose next try goes on where this one ended.
    :param check_stopped: called for each page and each piece, from several threads; what it raises ends the export,
        which leaves its checkpoint and no manifest.
    :return: the summary that goes into the XCom.
    :raises MiniMaxBadRequestError: the folder cannot be written, or holds files that are not ours under our names.
    """
    storage = storage_at(folder)
    with contextlib.ExitStack() as stack:
        media: MediaSource | None = None
        if plan.download_media:
            # Here, so that reading a DAG file does not import the HTTP stack.
            from airflow_provider_minimax.media.downloader import MediaFetcher

            media = stack.enter_context(MediaFetcher(client.settings, storage, check_stopped=check_stopped))
        return _Export(client, plan, storage, run, media, check_stopped).run()


class _Export:
    def __init__(
        self,
        client: Client,
        plan: Plan,
        storage: Storage,
        run: str | None,
        media: MediaSource | None,
        check_stopped: Callable[[], None],
    ) -> None:
        self._check_stopped = check_stopped
        self._client = client
        self._plan = plan
        self._storage = storage
        self._run = run
        self._media = media
        self._claim = Claim(storage, check_stopped)
        #: What two exports must agree on, to be joined.
        self._shape = plan.describe() | source_of(client.settings)
        self._base: Manifest | None = None
        self._base_hash: str | None = None
        self._is_prepared = False
        self._replaces_images = False
        self._saved_at = 0
        #: Files when they were last made sure of.
        self._secured = 0
        #: The last image of what was dealt with before.
        self._last: Image | None = None

    def run(self) -> dict[str, Any]:
        try:
            return self._run_to_its_end()
        except MiniMaxError as error:
            raise self._claim.explain(error) from None
        finally:
            self._claim.withdraw()

    def _run_to_its_end(self) -> dict[str, Any]:
        with storage_errors(self._storage.folder):
            stored, checkpoint, sizes = self._claim.look()
            if self._plan.contact_sheet:
                # Now, and not after a long walk.
                contact_sheet.check(self._storage)
        self._replaces_images = stored is not None and (stored.manifest is None or stored.manifest.found.images > 0)
        if self._plan.sync and stored is not None:
            self._base = sync.base_of(stored, self._shape, sizes)
            self._base_hash = None if self._base is None else stored.sha256
        try:
            pages = self._go_on(checkpoint, sizes) if checkpoint is not None else None
            self._export(self._begin() if pages is None else pages)
        except PositionLostError as error:
            log.warning("%s The export begins anew.", error)
            self._look_again()
            self._export(self._begin())
        return self._finish()

    def _look_again(self) -> None:
        """Let what this attempt has written be taken away by its new beginning."""
        if self._is_prepared:
            self._claim.check()
            with storage_errors(self._storage.folder):
                self._claim.look()
            self._is_prepared = False

    # Where to begin

    def _begin(self) -> Iterator[Page]:
        self._saved_at, self._last = 0, None
        self._state = Checkpoint.begin(self._shape, self._run, self._base_hash)
        return self._client.iter_pages()

    def _go_on(self, checkpoint: Checkpoint, sizes: Mapping[str, int]) -> Iterator[Page] | None:
        """Return the pages that a checkpoint leaves to do; None where it is of no use."""
        if checkpoint.after is None and not checkpoint.is_complete:
            # Of a try that did not come to its first part.
            return None
        reason = self._objection(checkpoint, sizes)
        pages: Iterator[Page] | None = None
        if reason is None and (self._run is None or checkpoint.run != self._run):
            pages = self._client.iter_pages()
            first = next(pages, None)
            pages = itertools.chain([] if first is None else [first], pages)
            reason = checkpoint.outdated_by(first)
        if reason is not None:
            log.info("The checkpoint in %s is discarded: %s.", self._storage.folder, reason)
            if pages is not None:
                self._state = Checkpoint.begin(self._shape, self._run, self._base_hash)
            return pages
        log.info(
            "Going on from the checkpoint: %d images in %d parts are there.",
            checkpoint.found.images,
            len(checkpoint.parts),
        )
        checkpoint.run = self._run
        self._state = checkpoint
        self._saved_at = checkpoint.scanned
        if checkpoint.after is not None:
            self._last = checkpoint.after.as_image()
        return iter(()) if checkpoint.is_complete else self._client.iter_pages(after=checkpoint.after)

    def _objection(self, checkpoint: Checkpoint, sizes: Mapping[str, int]) -> str | None:
        """Return why a checkpoint cannot be built upon."""
        reason = checkpoint.objection(self._shape, self._base_hash, sizes, skip_bad_media=self._plan.skip_bad_media)
        if reason is not None or not self._plan.download_media:
            return reason
        name = spoilt_file(self._storage, self._plan.format, checkpoint.parts)
        return None if name is None else "its files are not all there"

    # The walk

    def _export(self, pages: Iterator[Page]) -> None:
        number = 0 if self._base is None else 1 + max((part_number(p.name) or 0 for p in self._base.parts), default=-1)
        plan = self._plan
        number += len(self._state.parts)
        self._writer = PartWriter(self._storage, plan.format, plan.columns, number, self._claim.commit)
        progress = Progress(self._state.scanned)
        try:
            # What ends the walk is seen where it is read, so that no page is asked for in vain.
            chosen = self._prepared(ahead(self._chosen(self._noted(pages)), self._check_stopped))
            for fates in settle(chosen, self._media, skip=plan.skip_bad_media, check=self._check_stopped):
                self._check_stopped()
                self._take(fates)
                progress.update(self._state.scanned, self._state.found.images, self._state.total)
            self._prepare()
            if self._writer.rows:
                self._state.parts.append(self._writer.finish())
        finally:
            self._writer.abort()

    def _noted(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Take note of what the list says of itself. In a thread that only reads."""
        for page in pages:
            self._check_stopped()
            if not page.images and not self._state.scanned:
                self._refuse_emptiness(page.total)
            self._state.total = page.total
            if not self._state.scanned and not self._state.head.keys:
                self._state.head = Head.of(page.images)
            yield page

    def _refuse_emptiness(self, total: int | None) -> None:
        """Let no list that is empty take the place of images, unless the service says that there are none."""
        if self._replaces_images and total != 0 and not self._plan.allow_empty:
            raise MiniMaxShortListError(
                f"The list of images is empty, the service does not say that it counts none (total: {total}), and "
                f"{self._storage.folder} holds an export of images. Nothing was changed there; a retry asks again. If "
                "the account is empty by now, set allow_empty=True."
            )

    def _prepared(self, pages: Iterator[list[Fate]]) -> Iterator[list[Fate]]:
        """Prepare the folder when the first page has come: until then, an older export stays."""
        for page in pages:
            self._prepare()
            yield page

    def _chosen(self, pages: Iterator[Page]) -> Iterator[list[Fate]]:
        """Yield images, those that are meant with a row, until the selection cannot hold more."""
        plan = self._plan
        left = math.inf if plan.max_images is None else plan.max_images - self._state.found.images
        news = pages
        if self._base is not None and not self._state.is_complete:
            news = sync.news(pages, self._base.head)
        # Counted here, ahead of what is written, so that no page is asked for beyond the last image that is meant.
        while left and (page := next(news, None)) is not None:
            fates: list[Fate] = []
            for image in page.images:
                is_meant = plan.selection.accepts(image)
                left -= is_meant
                fates.append(Fate(image, image if is_meant else None))
                if not left:
                    break
            yield fates
            if plan.selection.lies_behind(page.images):
                return

    def _take(self, fates: list[Fate]) -> None:
        state, writer = self._state, self._writer
        before = state.scanned
        for fate in fates:
            image, row, saved, failure = fate
            state.scanned += 1
            if failure is not None or (not is_final(image) and self._plan.selection.covers(image)):
                state.found.unfinished.append(Unfinished.of(image, None if row is None else writer.name))
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
                self._save(fates, state.scanned - before)
        writer.flush()
        if fates and not writer.rows and state.scanned - self._saved_at >= self._plan.part_rows:
            # A long way to the first image that is meant is not walked twice either.
            self._save(fates, len(fates))
        if fates:
            self._last = fates[-1].image

    def _save(self, fates: list[Fate], count: int) -> None:
        """Make certain what was done of these so far."""
        state = self._state
        state.after = state.place_after(fates[count - 2].image if count > 1 else self._last, fates[count - 1].image)
        self._commit_state()
        self._saved_at = state.scanned

    def _commit_state(self) -> None:
        self._secure(self._state.found.media_files)
        self._claim.save()

    def _secure(self, files: int) -> None:
        """Let no row be committed whose file could still be lost. Each file by itself would cost the disk too much."""
        if files != self._secured:
            self._storage.sync()
            self._secured = files

    # The folder

    def _prepare(self) -> None:
        """Take the folder over; take away what does not belong to this export, an older manifest first."""
        if self._is_prepared:
            return
        storage, state, claim = self._storage, self._state, self._claim
        with storage_errors(storage.folder):
            storage.prepare(*([MEDIA] if self._plan.download_media else []))
        claim.take(state, [*state.parts, *([] if self._base is None else self._base.parts)])
        claim.fence(MEDIA)
        if self._base is None and not state.is_complete:
            with claim.held():
                storage.remove(MANIFEST)
                contact_sheet.remove(storage)
        uploads = {CHECKPOINT, *(part.name for part in state.strays)}
        with storage_errors(storage.folder):
            there = storage.sizes()
            if state.former:
                storage.abort_uploads(lambda name: name in uploads or _is_media(name))
        for part in state.strays:
            if part.name in there:
                claim.remove(part.name)
        state.strays, state.former = [], []
        self._is_prepared = True

    def _finish(self) -> dict[str, Any]:
        """Make a whole export of the parts."""
        storage, state, claim = self._storage, self._state, self._claim
        if state.parts and not state.is_complete:
            state.is_complete = True
            self._commit_state()
        manifest = Manifest(state.plan, state.found, state.head, state.parts)
        if self._base is not None:
            read, base = self._client.get_image, self._base
            manifest = sync.merge(
                base, manifest, self._plan, storage, self._media, read, claim.commit, self._check_stopped
            )
            state.strays += [part for part in base.parts if part not in manifest.parts]
            if state.strays:
                claim.save()
        with claim.held():
            self._write_contact_sheet(manifest)
        self._secure(manifest.found.media_files)
        claim.publish(MANIFEST, manifest.encode(), lambda: self._check_parts(manifest))
        names = {part.name for part in manifest.parts}
        with storage_errors(storage.folder):
            there = storage.sizes()
        for name in {part.name for part in state.strays if part.name in there} - names:
            claim.remove(name)
        if self._base is None:
            # A sync leaves none, and does not list a large folder to find that out.
            with storage_errors(storage.folder):
                forget_strays(storage, self._plan, manifest, claim.remove)
        claim.give_back()
        # Files are not opened by ObjectStoragePath, which would report each draft; the manifest stands for all.
        get_hook_lineage_collector().add_output_asset(context=storage.folder, uri=storage.url(MANIFEST))
        return self._summary(manifest)

    def _check_parts(self, manifest: Manifest) -> None:
        """Make sure that what the manifest names is there, as it was written, and that it replaces none but ours."""
        load_manifest(self._storage, self._storage.read(MANIFEST))
        there = {file.name: file for file in self._storage.files()}
        name = damaged(manifest.parts, {file.name: file.size for file in there.values()})
        etags = self._state.etags
        if name is None:
            names = (part.name for part in manifest.parts)
            name = next((name for name in names if etags.get(name, there[name].etag) != there[name].etag), None)
        if name is not None:
            raise MiniMaxError(
                f"{self._storage.url(name)} is not what was written there: something else works in the folder. No "
                "manifest was written. A retry says what to do, or begins anew."
            )

    def _write_contact_sheet(self, manifest: Manifest) -> None:
        if self._plan.contact_sheet:
            contact_sheet.check(self._storage)
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


def _is_media(name: str) -> bool:
    """Tell by its name within the folder whether a file is one of an image."""
    folder, _, file = name.rpartition("/")
    return folder == MEDIA and stem_and_digits(file) is not None
