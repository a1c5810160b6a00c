"""Fetching the files of images: many at a time, each checked before it appears.

An address comes from the service and is trusted with nothing: no token, no cookie, no ``~/.netrc`` entry is sent to
it, it must be https unless the service itself is on http, and it has no say in what the file is called.
"""

from __future__ import annotations

import itertools
import logging
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
from urllib3.exceptions import HTTPError

from airflow_provider_minimax.api import backoff, media_types, responses
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.jobs import media_url
from airflow_provider_minimax.api.pagination import Image, image_key
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MEDIA, MediaError, Saved, file_name, stem_and_digits, stem_of
from airflow_provider_minimax.storage.base import Draft, Storage
from airflow_provider_minimax.storage.errors import storage_errors
from airflow_provider_minimax.storage.listing import NameIndex

log = logging.getLogger(__name__)

#: Files fetched at a time.
WORKERS: Final = 16
_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = 3
#: No image or video of the service comes near this size; something else might never end.
LARGEST: Final = 2 * 2**30
#: Seconds that a task that was killed waits for its threads. Airflow ends the process after 5.
_KILLED_TIMEOUT: Final = 2.0
#: Seconds for one file, however steadily it trickles.
_PATIENCE: Final = 900.0


class _FailedTryError(Exception):
    """A try that failed, whether another one may help, and when the server wants it."""

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class MediaFetcher:
    """Fetches files into a folder; a context.

    What is there already and is what its name says is not fetched again.

    :param settings: the patience of the connection. Its token is not used.
    :param storage: the folder of the export.
    :param below: the folder of the files, below that one; may be empty.
    :param stem: what the file of an id is called before its checksum.
    :param check_stopped: called for each piece; what it raises ends the fetch.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        below: str = MEDIA,
        stem: Callable[[str], str] = stem_of,
        check_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self._check_stopped = check_stopped
        self._storage = storage
        self._below = below
        self._stem_of = stem
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        self._max_attempts = settings.max_attempts
        self._schemes = ("https",) if settings.base_url.startswith("https:") else ("https", "http")
        self._pool = ThreadPoolExecutor(WORKERS, "minimax-media")
        self._own = threading.local()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._there: NameIndex | None = None
        self._under_way: set[Future[Saved]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        try:
            self._check_stopped()
        except MiniMaxError:
            # A task that was killed has a few seconds left. What is under way ends at its next piece, and removes its
            # draft; what hangs is left to the end of the process.
            self._pool.shutdown(wait=False, cancel_futures=True)
            wait(tuple(self._under_way), _KILLED_TIMEOUT)
            return
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._there is not None:
            self._there.close()

    def submit(self, image: Image) -> Future[Saved]:
        """Begin to fetch the file of an image; the future may raise a ``MediaError``."""
        fetch = self._pool.submit(self._fetch, image_key(image), media_url(image))
        self._under_way.add(fetch)
        fetch.add_done_callback(self._under_way.discard)
        return fetch

    def _fetch(self, key: str | None, url: object) -> Saved:
        if key is None:
            raise MediaError("the image has no id to name its file after")
        stem = self._stem_of(key)
        saved = self._known(stem)
        if saved is not None:
            return saved
        failures = 0
        started = time.monotonic()
        while True:
            self._check_stopped()
            try:
                return self._try(stem, url)
            except _FailedTryError as error:
                failures += 1
                failed = error
            pause = backoff.pause(failures, status=failed.status, retry_after=failed.retry_after)
            late = time.monotonic() - started + pause > backoff.READ_BUDGET
            if failures >= self._max_attempts or late or self._ended.wait(pause):
                raise MediaError(str(failed))

    # What is there

    def _known(self, stem: str) -> Saved | None:
        """Return the file of an image, if an earlier try has left it and it is whole."""
        with storage_errors(self._storage.folder):
            with self._lock:
                if self._there is None:
                    self._there = self._storage.names(self._below)
            for name in self._there.with_prefix(f"{stem}-"):
                found = stem_and_digits(name)
                if found is None or found[0] != stem:
                    continue
                path = self._path(name)
                size, sha256 = self._storage.size_and_hash(path)
                # One that is not what its name says is replaced by what it should be, if that comes, and not removed.
                if sha256.startswith(found[1]):
                    return Saved(path, size, sha256)
        return None

    def _path(self, name: str) -> str:
        return f"{self._below}/{name}" if self._below else name

    # Fetching

    def _try(self, stem: str, url: object) -> Saved:
        deadline = time.monotonic() + _PATIENCE
        with self._open(url) as response:
            with storage_errors(self._storage.folder):
                draft = self._storage.draft(self._below)
            try:
                extension = self._receive(response, draft, deadline)
                path = self._path(file_name(stem, draft.sha256, extension))
                self._check_stopped()
                with storage_errors(self._storage.folder):
                    # Not durable: a file that a loss of power has spoilt does not match its name.
                    draft.commit(path, durable=False)
                return Saved(path, draft.bytes, draft.sha256)
            finally:
                draft.discard()

    def _open(self, url: object) -> requests.Response:
        """Ask for an address, and for those that it refers to."""
        for _ in range(_REDIRECTS + 1):
            address = self._checked(url)
            try:
                response = self._session.get(
                    address, stream=True, timeout=self._timeout, allow_redirects=False, headers={"Referer": None}
                )
            except (requests.RequestException, HTTPError) as error:
                raise _FailedTryError(f"no answer ({type(error).__name__})") from None
            if not response.is_redirect:
                return self._accepted(response)
            url = urljoin(address, response.headers["Location"])
            response.close()
        raise MediaError(f"more than {_REDIRECTS} redirects")

    def _checked(self, url: object) -> str:
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
        except ValueError:
            parts = urlsplit("")
        if not parts.hostname or "@" in parts.netloc:
            raise MediaError("the address is none")
        if parts.scheme not in self._schemes:
            raise MediaError(f"the address is {parts.scheme}, not {' or '.join(self._schemes)}")
        return parts.geturl()

    @staticmethod
    def _accepted(response: requests.Response) -> requests.Response:
        status = response.status_code
        has_an_end = "Content-Length" in response.headers or response.raw.chunked
        if status == 200 and has_an_end:
            return response
        response.close()
        if status == 200:
            # It would end with the connection, and so would half of it.
            raise _FailedTryError("the answer does not say how long it is")
        if not backoff.may_repeat(status=status, sent=True, paid=False):
            raise MediaError(f"answered {status}")
        pause = responses.retry_after(response.headers, None, datetime.now(UTC))
        raise _FailedTryError(f"answered {status}", status=status, retry_after=pause)

    def _receive(self, response: requests.Response, draft: Draft, deadline: float) -> str:
        """Write the body into a draft and return what its first bytes say that it is."""
        pieces, head = self._pieces(response, deadline), b""
        for piece in pieces:
            head += piece
            if len(head) >= media_types.MAGIC_BYTES:
                break
        extension = media_types.picture_extension(head)
        if head and extension is None:
            raise MediaError("what came is no picture that is known")
        for piece in itertools.chain([head], pieces):
            with storage_errors(self._storage.folder):
                draft.write(piece)
            if draft.bytes > LARGEST:
                raise MediaError("it is too large")
        length = response.headers.get("Content-Length")
        if extension is None or length not in (None, str(draft.bytes)):
            raise _FailedTryError(f"{draft.bytes} bytes came instead of {length}")
        return extension

    def _pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """Yield a body as it comes: to wait for more than is there would hide how slowly it trickles."""
        try:
            while piece := response.raw.read1(_CHUNK, decode_content=False):
                self._check_stopped()
                if self._ended.is_set() or time.monotonic() > deadline:
                    raise MediaError("it comes too slowly")
                yield piece
        except (HTTPError, OSError) as error:
            raise _FailedTryError(f"the connection broke ({type(error).__name__})") from None

    @property
    def _session(self) -> requests.Session:
        """A session of this thread: the library does not promise that several can share one."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = requests.Session()
            # An `auth` of its own keeps entries of ~/.netrc out; proxies of the environment are honoured.
            session.auth = _no_auth
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept-Encoding"] = "identity"
            self._own.session = session
        return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
