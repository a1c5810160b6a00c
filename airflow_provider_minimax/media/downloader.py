"""Downloading the files of jobs: several at a time, each checked before it appears.

An address comes from the service and is not trusted: see ``web``. It must be https unless the service itself is on
http, and it does not influence the name of the file.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, Self

from airflow_provider_minimax.api import media_types
from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.jobs import media_url
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MEDIA, MediaError, Saved, file_name, stem_and_digits, stem_of
from airflow_provider_minimax.media.web import WebReader
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.listing import ListedFiles, NameIndex

#: Files fetched at a time.
_MAX_FETCHES: Final = 16
#: As many again are sent to an object store meanwhile, which takes as long for a file as the service does.
_MAX_STORED: Final = 16
#: No image or video of the service comes near this size; a longer body might be endless.
_MAX_BYTES: Final = 2 * 2**30
#: Seconds that a killed task waits for its threads. Airflow ends the process after 5.
_KILLED_TIMEOUT: Final = 2.0
#: Seconds for one file, however steadily it trickles.
_MAX_SECONDS: Final = 900.0


class MediaDownloader:
    """Downloads files into a folder; a context manager.

    A file that exists already is not downloaded again: one that matches the checksum in its name, or, without being
    read, one that ``trust`` names.

    :param settings: timeouts, attempts, proxy and certificates of the connection. Its token is not used.
    :param storage: the folder of the export.
    :param below: the folder of the files within that one; may be empty.
    :param stem: makes of an id the name of its file before the checksum.
    :param check_stopped: called for each piece; if it raises, the download ends.
    :param max_seconds: for one attempt at one file.
    :param kind: what the files are; a file of a video may not be a picture.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        below: str = MEDIA,
        stem: Callable[[str], str] = stem_of,
        check_stopped: Callable[[], None] = lambda: None,
        max_seconds: float = _MAX_SECONDS,
        kind: MediaKind = IMAGES,
    ) -> None:
        self._file_extension = kind.file_extension
        self._formats = "picture or video" if kind is IMAGES else "video"
        self._check_stopped = check_stopped
        self._storage = storage
        self._below = below
        self._stem_of = stem
        self._web = WebReader(
            settings,
            ("https",) if settings.base_url.startswith("https:") else ("https", "http"),
            max_bytes=_MAX_BYTES,
            max_seconds=max_seconds,
            check=self._check,
            sleep=self._sleep,
        )
        self._pool = ThreadPoolExecutor(_MAX_FETCHES + (0 if storage.is_local else _MAX_STORED), "minimax-media")
        self._fetching = threading.BoundedSemaphore(_MAX_FETCHES)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._names: NameIndex | None = None
        self._listed: ListedFiles | None = None
        self._running: set[Future[Saved]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        try:
            self._check_stopped()
        except MiniMaxError:
            # A killed task has a few seconds left. A running download ends at its next piece and discards its draft;
            # one that hangs ends with the process.
            self._pool.shutdown(wait=False, cancel_futures=True)
            wait(tuple(self._running), _KILLED_TIMEOUT)
            return
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._names is not None:
            self._names.close()

    def trust(self, recorded: Iterable[tuple[str, int, str]]) -> None:
        """List the folder once, and trust each file there that has a recorded name and size. To be called first.

        :param recorded: names, sizes and SHA-256 of files that were complete, and survive a power loss.
        """
        with storage_errors(self._storage.folder):
            self._names = self._listed = ListedFiles(file[:2] for file in self._storage.files(self._below))
            self._listed.record(recorded)

    def submit(self, image: Image) -> Future[Saved]:
        """Start to download the file of an image; the future may raise a ``MediaError``."""
        key = image_key(image)
        if (trusted := self._trusted(key)) is not None:
            # Without a thread: on a busy machine, to start one takes longer than all the rest.
            found: Future[Saved] = Future()
            found.set_result(trusted)
            return found
        download = self._pool.submit(self._download, key, media_url(image))
        self._running.add(download)
        download.add_done_callback(self._running.discard)
        return download

    def _download(self, key: str | None, url: object) -> Saved:
        if key is None:
            raise MediaError("the image has no id to name its file after")
        stem = self._stem_of(key)
        saved = self._find(stem)
        if saved is not None:
            return saved
        with self._fetching:
            draft, extension = self._web.read(url, f"The file of {key}", self._fetch)
        return self._store(draft, file_name(stem, draft.sha256, extension))

    def _check(self) -> None:
        self._check_stopped()
        if self._closed.is_set():
            raise MediaError("the download was cancelled")

    def _sleep(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise MediaError("the download was cancelled")

    # Files that exist

    def _trusted(self, key: str | None) -> Saved | None:
        """Return the file of an image that exists as a row records it."""
        if self._listed is None or key is None:
            return None
        for name, digits in _names_of(self._stem_of(key), self._listed):
            size, sha256 = self._listed.recorded(name) or (0, "")
            if sha256.startswith(digits):
                return Saved(self._path(name), size, sha256)
        return None

    def _find(self, stem: str) -> Saved | None:
        """Return the file of an image that an earlier attempt has left, if it is complete.

        What no row records was left by an attempt that was killed, and a power loss may have damaged it.
        """
        with storage_errors(self._storage.folder):
            with self._lock:
                if self._names is None:
                    self._names = self._storage.names(self._below)
            for name, digits in _names_of(stem, self._names):
                path = self._path(name)
                size, sha256 = self._storage.size_and_hash(path)
                # A file that does not match its name stays until a download replaces it.
                if sha256.startswith(digits):
                    return Saved(path, size, sha256)
        return None

    def _path(self, name: str) -> str:
        return f"{self._below}/{name}" if self._below else name

    # Downloading

    def _fetch(self, pieces: Iterator[bytes]) -> tuple[Draft, str]:
        """Write the pieces of a file into a draft; return it with the extension of its format."""
        # Before there is a draft: the first bytes say what it is.
        head = b""
        for piece in pieces:
            head += piece
            if len(head) >= media_types.MAGIC_BYTES:
                break
        extension = self._file_extension(head)
        if extension is None:
            raise MediaError(f"the body is no known {self._formats} format")
        # No error of the network is one of the storage: ``pieces`` raises errors of its own.
        with storage_errors(self._storage.folder):
            draft = self._storage.draft(self._below)
            try:
                for piece in itertools.chain([head], pieces):
                    draft.write(piece)
            except BaseException:
                draft.discard()
                raise
        return draft, extension

    def _store(self, draft: Draft, name: str) -> Saved:
        """Commit a draft."""
        path, sha256 = self._path(name), draft.sha256
        try:
            self._check_stopped()
            # Not durable: a file that a power loss has damaged does not match its name, and is in no row yet.
            with storage_errors(self._storage.folder):
                draft.commit(path, durable=False)
            return Saved(path, draft.bytes, sha256)
        finally:
            draft.discard()


def _names_of(stem: str, index: NameIndex) -> Iterator[tuple[str, str]]:
    """Yield the names of the files of an image, with their digits."""
    for name in index.with_prefix(f"{stem}-"):
        parts = stem_and_digits(name)
        if parts is not None and parts[0] == stem:
            yield name, parts[1]
