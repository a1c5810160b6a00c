"""Downloading the files of jobs: several at a time, each checked before it appears.

An address comes from the service and is not trusted: no token, no cookie and no ``~/.netrc`` entry is sent to it, it
must be https unless the service itself is on http, and it does not influence the name of the file.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError

from airflow_provider_minimax.api import backoff, media_types, responses
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.jobs import media_url
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.pagination import Image, image_key
from airflow_provider_minimax.api.session import Session
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MEDIA, MediaError, Saved, file_name, stem_and_digits, stem_of
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.listing import NameIndex

#: Files downloaded at a time.
_WORKERS: Final = 16
_CHUNK: Final = 64 * 1024
_MAX_REDIRECTS: Final = 3
#: No image or video of the service comes near this size; a longer body might be endless.
_MAX_BYTES: Final = 2 * 2**30
#: Seconds that a killed task waits for its threads. Airflow ends the process after 5.
_KILLED_TIMEOUT: Final = 2.0
#: Seconds for one file, however steadily it trickles.
_MAX_SECONDS: Final = 900.0


class _AttemptError(Exception):
    """A failed attempt after which another one may succeed.

    :param retry_after: seconds that the server asks us to wait.
    """

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class MediaDownloader:
    """Downloads files into a folder; a context manager.

    A file that exists already and matches the checksum in its name is not downloaded again.

    :param settings: timeouts and attempts of the connection. Its token is not used.
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
        self._max_seconds = max_seconds
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        self._max_attempts = settings.max_attempts
        self._schemes = ("https",) if settings.base_url.startswith("https:") else ("https", "http")
        self._pool = ThreadPoolExecutor(_WORKERS, "minimax-media")
        self._thread_local = threading.local()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._names: NameIndex | None = None
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

    def submit(self, image: Image) -> Future[Saved]:
        """Start to download the file of an image; the future may raise a ``MediaError``."""
        download = self._pool.submit(self._download, image_key(image), media_url(image))
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
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AttemptError),
            wait=_backoff,
            stop=tenacity.stop_after_attempt(self._max_attempts) | tenacity.stop_before_delay(backoff.READ_BUDGET),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, stem, url)
        except _AttemptError as error:
            raise MediaError(str(error)) from None

    def _sleep(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise MediaError("the download was cancelled")

    # Files that exist

    def _find(self, stem: str) -> Saved | None:
        """Return the file of an image that an earlier attempt has left, if it is complete."""
        with storage_errors(self._storage.folder):
            with self._lock:
                if self._names is None:
                    self._names = self._storage.names(self._below)
            for name in self._names.with_prefix(f"{stem}-"):
                parts = stem_and_digits(name)
                if parts is None or parts[0] != stem:
                    continue
                path = self._path(name)
                size, sha256 = self._storage.size_and_hash(path)
                # A file that does not match its name stays until a download replaces it.
                if sha256.startswith(parts[1]):
                    return Saved(path, size, sha256)
        return None

    def _path(self, name: str) -> str:
        return f"{self._below}/{name}" if self._below else name

    # Downloading

    def _attempt(self, stem: str, url: object) -> Saved:
        self._check_stopped()
        deadline = time.monotonic() + self._max_seconds
        with self._open(url) as response:
            with storage_errors(self._storage.folder):
                draft = self._storage.draft(self._below)
            try:
                extension = self._receive(response, draft, deadline)
                path = self._path(file_name(stem, draft.sha256, extension))
                self._check_stopped()
                with storage_errors(self._storage.folder):
                    # Not durable: a file that a power loss has damaged does not match its name.
                    draft.commit(path, durable=False)
                return Saved(path, draft.bytes, draft.sha256)
            finally:
                draft.discard()

    def _open(self, url: object) -> requests.Response:
        """Request an address, and those that it redirects to."""
        for _ in range(_MAX_REDIRECTS + 1):
            address = self._checked(url)
            try:
                response = self._session.get(
                    address, stream=True, timeout=self._timeout, allow_redirects=False, headers={"Referer": None}
                )
            except ValueError as error:
                # A text of which no host or no header can be made, also in the configuration of this machine.
                raise MediaError(f"no response ({type(error).__name__})") from None
            except (OSError, HTTPError) as error:
                # Also a bare OSError, which the library raises where the file of the CA certificates is missing.
                raise _AttemptError(f"no response ({type(error).__name__})") from None
            if not response.is_redirect:
                return self._accepted(response)
            response.close()
            try:
                url = urljoin(address, response.headers["Location"])
            except ValueError:
                url = None
        raise MediaError(f"more than {_MAX_REDIRECTS} redirects")

    def _checked(self, url: object) -> str:
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
        except ValueError:
            parts = urlsplit("")
        if not parts.hostname or "@" in parts.netloc:
            raise MediaError("the address is missing or malformed")
        if parts.scheme not in self._schemes:
            raise MediaError(f"the address is {parts.scheme}, not {' or '.join(self._schemes)}")
        return parts.geturl()

    @staticmethod
    def _accepted(response: requests.Response) -> requests.Response:
        status = response.status_code
        has_length = "Content-Length" in response.headers or response.raw.chunked
        if status == 200 and has_length:
            return response
        response.close()
        if status == 200:
            # It would end with the connection, and so would half of it.
            raise _AttemptError("the response does not say how long it is")
        if not backoff.may_retry(status=status, sent=True, billable=False):
            raise MediaError(f"status code {status}")
        retry_after = responses.retry_after(response.headers, None, datetime.now(UTC))
        raise _AttemptError(f"status code {status}", status=status, retry_after=retry_after)

    def _receive(self, response: requests.Response, draft: Draft, deadline: float) -> str:
        """Write the body into a draft, and return the extension that its first bytes stand for."""
        pieces, head = self._pieces(response, deadline), b""
        for piece in pieces:
            head += piece
            if len(head) >= media_types.MAGIC_BYTES:
                break
        extension = self._file_extension(head)
        if head and extension is None:
            raise MediaError(f"the body is no known {self._formats} format")
        for piece in itertools.chain([head], pieces):
            with storage_errors(self._storage.folder):
                draft.write(piece)
            if draft.bytes > _MAX_BYTES:
                raise MediaError("it is too large")
        length = response.headers.get("Content-Length")
        if extension is None or length not in (None, str(draft.bytes)):
            raise _AttemptError(f"{draft.bytes} bytes came instead of {length}")
        return extension

    def _pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """Yield a body as it arrives: to wait for full pieces would hide how slowly it trickles."""
        try:
            while piece := response.raw.read1(_CHUNK, decode_content=False):
                self._check_stopped()
                if self._closed.is_set() or time.monotonic() > deadline:
                    raise MediaError("it arrives too slowly")
                yield piece
        except (HTTPError, OSError) as error:
            raise _AttemptError(f"the connection broke ({type(error).__name__})") from None

    @property
    def _session(self) -> requests.Session:
        """The session of this thread: the library does not promise that threads can share one."""
        session: requests.Session | None = getattr(self._thread_local, "session", None)
        if session is None:
            session = Session()
            # Any `auth` keeps the entries of ~/.netrc out; proxies of the environment are honoured.
            session.auth = _no_auth
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept-Encoding"] = "identity"
            self._thread_local.session = session
        return session


def _backoff(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    status, retry_after = (error.status, error.retry_after) if isinstance(error, _AttemptError) else (None, None)
    return backoff.delay(state.attempt_number, status=status, retry_after=retry_after)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
