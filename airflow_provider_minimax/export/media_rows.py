"""Rows with their media: files are downloaded several at a time, and join their rows in order."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_minimax.api.cursors import image_key
from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.jobs import is_final, media_url
from airflow_provider_minimax.export.formats import is_installed
from airflow_provider_minimax.export.manifest import Manifest, MediaFailure
from airflow_provider_minimax.export.options import ExportPlan
from airflow_provider_minimax.export.parts import Part, read_rows, stored_format
from airflow_provider_minimax.export.rows import MEDIA_FIELDS
from airflow_provider_minimax.export.walk import Entry
from airflow_provider_minimax.media.filenames import MEDIA, MediaError, Saved, digits_match, is_export_name
from airflow_provider_minimax.storage.base import Storage

if TYPE_CHECKING:
    from airflow_provider_minimax.media.downloader import MediaDownloader

T = TypeVar("T")

#: Images that may wait for their file while the walk goes on.
_MAX_WAITING: Final = 64
#: Seconds between two checks while the task waits for a file.
_CHECK_INTERVAL: Final = 0.25


def wait_for_result(future: Future[T], check: Callable[[], None]) -> T:
    """Wait for a result.

    :param check: called every now and then while waiting; if it raises, the wait ends.
    """
    while not future.done():
        wait((future,), _CHECK_INTERVAL)
        check()
    return future.result()


class MediaRows:
    """Gives rows their files.

    :param downloader: None where no files are downloaded; rows stay as they are then.
    :param plan: says whether a file that cannot be downloaded is left out, or an error.
    :param check: called every now and then while waiting for a file; if it raises, the wait ends.
    """

    def __init__(self, downloader: MediaDownloader | None, plan: ExportPlan, check: Callable[[], None]) -> None:
        self._downloader = downloader
        self._plan = plan
        self._check = check

    def attach(self, batches: Iterable[list[Entry]]) -> Iterator[list[Entry]]:
        """Yield the entries in order, each when its file is downloaded."""
        if self._downloader is None:
            yield from batches
            return
        waiting: deque[tuple[Entry, Future[Saved] | None]] = deque()
        for batch in batches:
            waiting.extend((entry, self.start(entry)) for entry in batch)
            ready = []
            while waiting and (len(waiting) > _MAX_WAITING or _is_done(waiting[0][1])):
                ready.append(self.finish(*waiting.popleft()))
            yield ready
        yield [self.finish(*one) for one in waiting]

    def start(self, entry: Entry) -> Future[Saved] | None:
        """Start to download the file of a selected image; None where it has none (yet)."""
        image = entry.image
        if self._downloader is None or entry.row is None or not is_final(image) or not media_url(image):
            return None
        return self._downloader.submit(image)

    def finish(self, entry: Entry, download: Future[Saved] | None) -> Entry:
        """Wait for the file of a selected image, and return the entry with it.

        :raises MiniMaxUpstreamError: it could not be downloaded, and is not to be skipped.
        """
        if self._downloader is None or entry.row is None:
            return entry
        image = entry.image
        saved: Saved | None = None
        failure: MediaFailure | None = None
        try:
            saved = wait_for_result(download, self._check) if download is not None else None
        except MediaError as error:
            failure = MediaFailure(image_key(image) or "", str(error))
        if failure is not None and not self._plan.skip_bad_media:
            name = self._plan.kind.name
            raise MiniMaxUpstreamError(
                f"The file of {name} {failure.image_id} cannot be fetched: {failure.reason}. A retry will try again "
                f"and keeps what was fetched; on_media_error='skip' exports the {name} without its file."
            )
        values: tuple[Any, ...] = saved if saved is not None else (None, None, None)
        return Entry(image, image | dict(zip(MEDIA_FIELDS, values, strict=True)), saved, failure)


def _is_done(download: Future[Saved] | None) -> bool:
    return download is None or download.done()


def recorded_files(
    storage: Storage, plan: Mapping[str, object], parts: list[Part], check: Callable[[], None]
) -> Iterator[tuple[str, int, str]]:
    """Yield name, size and SHA-256 of the files that the rows of an earlier export record.

    Such a file was complete and synced before its row counted. A part that is missing or damaged records nothing.

    :param plan: as the manifest or the checkpoint of that export holds it.
    :param check: called for each part; if it raises, the reading ends.
    """
    file_format = stored_format(plan, parts)
    if plan.get("media") is not True or file_format is None or not is_installed(file_format.extension):
        return
    for part in parts:
        check()
        if storage.holds(part.name, part.bytes, part.sha256):
            for row in read_rows(storage, file_format, [part], MEDIA_FIELDS):
                path, size, sha256 = (row.get(name) for name in MEDIA_FIELDS)
                if isinstance(path, str) and isinstance(size, int) and isinstance(sha256, str):
                    yield path.rpartition("/")[2], size, sha256


def remove_stray_media(storage: Storage, plan: ExportPlan, manifest: Manifest, remove: Callable[[str], None]) -> None:
    """Remove the files that an older export has left.

    To be called only where an earlier export had files in this folder. A file is ours when its content matches the
    checksum in its name; any other one stays, and so does what a link leads to.
    """
    if storage.is_link(MEDIA):
        return
    # Counted first: there may be more names than fit into memory, and mostly none is stray.
    if sum(is_export_name(file.name) for file in storage.files(MEDIA)) == manifest.contents.media_files:
        return
    strays = {file.name for file in storage.files(MEDIA) if is_export_name(file.name)}
    if plan.download_media:
        for row in read_rows(storage, plan.format, manifest.parts, (MEDIA_FIELDS[0],)):
            strays.discard((row.get(MEDIA_FIELDS[0]) or "").rpartition("/")[2])
    for name in strays:
        path = f"{MEDIA}/{name}"
        with contextlib.suppress(FileNotFoundError):
            _, sha256 = storage.size_and_hash(path)
            if digits_match(name, sha256) and not storage.is_link(path):
                remove(path)
    if not plan.download_media:
        storage.remove_folder(MEDIA)
