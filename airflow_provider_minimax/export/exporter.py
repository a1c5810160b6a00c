"""The export of an account's images or videos: read the list, select, download, write, publish.

How it survives a kill at any moment: the checkpoint announces a part; the part appears under its name when it is
complete; then the checkpoint says that it exists. The next attempt removes a part that was only announced. The manifest
is written last. An older export stays until the first part of the new one is complete; its manifest is removed first.

Another thread reads the pages ahead, and others download files. All decisions, state, and changes of the folder are in
the thread of the task.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxShortListError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import is_final
from airflow_provider_minimax.api.pagination import Image, Page, PositionLostError, image_key
from airflow_provider_minimax.export import contact_sheet, sync
from airflow_provider_minimax.export.checkpoint import CHECKPOINT, Checkpoint
from airflow_provider_minimax.export.manifest import MANIFEST, Head, Manifest, StoredManifest, Unfinished
from airflow_provider_minimax.export.media_rows import (
    Entry,
    MediaSource,
    attach_media,
    recorded_files,
    remove_stray_media,
)
from airflow_provider_minimax.export.merge import merge
from airflow_provider_minimax.export.options import ExportPlan, source_of
from airflow_provider_minimax.export.ownership import Ownership
from airflow_provider_minimax.export.parts import Part, PartWriter, next_number
from airflow_provider_minimax.export.progress import WalkProgress
from airflow_provider_minimax.export.publish import check_parts, summarize, write_contact_sheet
from airflow_provider_minimax.export.read_ahead import read_ahead
from airflow_provider_minimax.export.resume import PageSource, Start, start
from airflow_provider_minimax.export.walk import Batch, walk
from airflow_provider_minimax.media.filenames import MEDIA, stem_and_digits
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.folders import storage_at

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)


class Client(PageSource, Protocol):
    """The part of the client that an export uses."""

    settings: Settings

    def get_job(self, kind: Kind, job_id: str) -> Image:
        """Read one image or video."""


def _ignore(_image: Image) -> None:
    """Do nothing."""


def export_images(
    client: Client,
    *,
    plan: ExportPlan,
    folder: ObjectStoragePath,
    run: str | None = None,
    check_stopped: Callable[[], None] = lambda: None,
    on_newest: Callable[[Image], None] = _ignore,
) -> dict[str, Any]:
    """Write the selected images or videos of an account to a folder, all of them or none.

    Nothing in the files depends on when or how often the export runs: the same images give the same bytes.

    :param run: identifies the task instance, whose next attempt resumes where this one ended.
    :param check_stopped: called for each page and each piece of a file, from several threads; if it raises, the export
        ends and leaves its checkpoint and no manifest.
    :param on_newest: called with the newest selected image, unless an earlier attempt has read it.
    :return: the summary for the XCom.
    :raises MiniMaxBadRequestError: the folder cannot be written, or holds foreign files with names of ours.
    """
    storage = storage_at(folder)
    with contextlib.ExitStack() as stack:
        media: MediaSource | None = None
        if plan.download_media:
            # Here, so that parsing a DAG file does not import the HTTP stack.
            from airflow_provider_minimax.media.downloader import MediaDownloader

            media = stack.enter_context(
                MediaDownloader(client.settings, storage, check_stopped=check_stopped, kind=plan.kind)
            )
        return _Export(client, plan, storage, run, media, check_stopped, on_newest).run()


class _Export:
    def __init__(
        self,
        client: Client,
        plan: ExportPlan,
        storage: Storage,
        run: str | None,
        media: MediaSource | None,
        check_stopped: Callable[[], None],
        on_newest: Callable[[Image], None],
    ) -> None:
        self._check_stopped = check_stopped
        self._on_newest = on_newest
        self._client = client
        self._plan = plan
        self._storage = storage
        self._run = run
        self._media = media
        self._ownership = Ownership(storage, check_stopped, plan.kind)
        #: What two exports must have in common, so that one can add to the other.
        self._shape = plan.describe() | source_of(client.settings)
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
        with storage_errors(self._storage.folder):
            stored, checkpoint, sizes = self._ownership.inspect()
            if self._plan.contact_sheet:
                # Now, and not after a long walk.
                contact_sheet.check(self._storage)
        self._replaces_images = stored is not None and (stored.manifest is None or stored.manifest.contents.images > 0)
        if self._plan.sync and stored is not None:
            self._base = sync.find_base(stored, self._shape, sizes)
            self._base_hash = None if self._base is None else stored.sha256
        if self._base is None and self._media is not None:
            # A sync has few new images, and does not list a large folder for them.
            self._media.trust(self._recorded_files(stored, checkpoint))
        try:
            self._export(start(checkpoint, self._scratch(), self._client, self._plan, self._storage, sizes))
        except PositionLostError as error:
            log.warning("%s The export starts from scratch.", error)
            self._inspect_again()
            self._export(Start(self._scratch(), self._client.iter_pages(kind=self._plan.kind)))
        return self._finish()

    def _recorded_files(
        self, stored: StoredManifest | None, checkpoint: Checkpoint | None
    ) -> Iterator[tuple[str, int, str]]:
        """Yield the media files of earlier exports. To be read now: their parts go when the first new one appears."""
        for earlier in (None if stored is None else stored.manifest, checkpoint):
            if earlier is not None:
                yield from recorded_files(self._storage, earlier.plan, earlier.parts, self._check_stopped)

    def _scratch(self) -> Checkpoint:
        return Checkpoint.begin(self._shape, self._run, self._base_hash, self._plan.kind)

    def _inspect_again(self) -> None:
        """Let the new start of this attempt remove what its first start has written."""
        if self._owns_folder:
            self._ownership.check()
            with storage_errors(self._storage.folder):
                self._ownership.inspect()
            self._owns_folder = self._is_cleared = False

    # The walk

    def _export(self, begin: Start) -> None:
        plan, state, kind = self._plan, begin.state, self._plan.kind
        self._state, self._saved_at = state, state.scanned
        self._last = None if state.after is None else state.after.as_image()
        max_images = None if plan.max_images is None else plan.max_images - state.contents.images
        known = None if self._base is None or state.is_complete else self._base.head
        number = next_number([] if self._base is None else self._base.parts) + len(state.parts)
        writer = PartWriter(self._storage, plan.format, plan.columns, number, self._commit_part, kind)
        progress = WalkProgress(state.scanned, items=kind.plural)
        pages = read_ahead(walk(begin.pages, plan.selection, max_images, known, kind), self._check_stopped)
        try:
            with contextlib.closing(pages):
                received, skip = self._receive(pages), plan.skip_bad_media
                for entries in attach_media(received, self._media, skip=skip, check=self._check_stopped, kind=kind):
                    self._check_stopped()
                    self._write(entries, writer)
                    progress.update(state.scanned, state.contents.images, state.total)
            self._prepare_folder()
            if writer.rows:
                state.parts.append(writer.finish())
        finally:
            writer.abort()

    def _receive(self, batches: Iterable[Batch]) -> Iterator[list[Entry]]:
        """Record what the list says of itself. The first page makes the folder ours; an older export stays for now.

        :raises MiniMaxShortListError: an empty list would replace images.
        """
        for page, entries in batches:
            self._record(page)
            self._prepare_folder()
            yield entries

    def _record(self, page: Page) -> None:
        state = self._state
        if not state.scanned and not state.head.keys:
            if not page.images:
                self._refuse_empty_list(page.total)
            state.head = Head.of(page.images)
        state.total = page.total

    def _refuse_empty_list(self, total: int | None) -> None:
        """Refuse to replace images by an empty list, unless the service says that there are none."""
        if self._replaces_images and total != 0 and not self._plan.allow_empty:
            plural = self._plan.kind.plural
            raise MiniMaxShortListError(
                f"The list of {plural} is empty, the service does not say that it counts none (total: {total}), and "
                f"{self._storage.folder} holds an export of {plural}. Nothing was changed there; a retry reads the "
                "list again. If the account is empty by now, set allow_empty=True."
            )

    def _write(self, entries: list[Entry], writer: PartWriter) -> None:
        state, contents = self._state, self._state.contents
        before, covers, oldest = state.scanned, self._plan.selection.covers, None
        for count, (image, row, saved, failure) in enumerate(entries, 1):
            if failure is not None or (not is_final(image) and covers(image)):
                contents.unfinished.append(Unfinished.of(image, None if row is None else writer.name))
            if row is None:
                continue
            contents.images += 1
            oldest = image
            if contents.newest_image_id is None:
                contents.newest_image_id = image_key(image)
                self._on_newest(image)
            contents.count_file(None if saved is None else saved.bytes, failure)
            writer.add(row)
            if writer.rows == self._plan.part_rows:
                state.parts.append(writer.finish())
                state.scanned, contents.oldest_image_id = before + count, image_key(image)
                self._save(entries, count)
        state.scanned = before + len(entries)
        if oldest is not None:
            contents.oldest_image_id = image_key(oldest)
        writer.flush()
        if entries and not writer.rows and state.scanned - self._saved_at >= self._plan.part_rows:
            # A long way to the first selected image is not walked twice either.
            self._save(entries, len(entries))
        if entries:
            self._last = entries[-1].image

    def _save(self, entries: list[Entry], count: int) -> None:
        """Save the checkpoint behind so many of these entries."""
        before = entries[count - 2].image if count > 1 else self._last
        self._state.after = self._state.position_after(before, entries[count - 1].image)
        self._save_checkpoint()
        self._saved_at = self._state.scanned

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
        storage, state, ownership = self._storage, self._state, self._ownership
        with storage_errors(storage.folder):
            storage.prepare(*([MEDIA] if self._plan.download_media else []))
        ownership.take_over(state, [*state.parts, *([] if self._base is None else self._base.parts)])
        ownership.discard_rival_drafts(MEDIA)
        uploads = {CHECKPOINT, *(part.name for part in state.strays)}
        if state.former_owners:
            with storage_errors(storage.folder):
                storage.abort_uploads(lambda name: name in uploads or _is_media(name))
        state.former_owners = []
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
            write_contact_sheet(storage, self._plan, manifest)
        self._sync_media(manifest.contents.media_files)
        body = manifest.encode(self._plan.kind)
        ownership.publish(MANIFEST, body, lambda: check_parts(storage, self._plan, manifest, state.etags))
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
        return summarize(storage, self._plan.kind, manifest, state.scanned)

    def _merge(self, fresh: Manifest) -> Manifest:
        base, state = self._base, self._state
        if base is None:
            return fresh
        read, commit = functools.partial(self._client.get_job, self._plan.kind.name), self._commit_part
        manifest = merge(base, fresh, self._plan, self._storage, self._media, read, commit, self._check_stopped)
        state.strays += [part for part in base.parts if part not in manifest.parts]
        if state.strays:
            self._ownership.save_checkpoint()
        return manifest


def _is_media(name: str) -> bool:
    """Return whether a name within the folder is the name of an image's file."""
    folder, _, file = name.rpartition("/")
    return folder == MEDIA and stem_and_digits(file) is not None
