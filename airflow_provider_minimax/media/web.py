"""Reading files from addresses that are not trusted: those that the service gives, and those that a user does.

No token, no cookie and no ``~/.netrc`` entry is sent there. Each address, also that of a redirect, has to have an
allowed scheme. A body counts only when it is whole.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import tenacity
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from airflow_provider_minimax.api import backoff, responses
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MediaError, TransientMediaError

log = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK: Final = 256 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 3
#: Origins whose connections a thread keeps.
_MAX_ORIGINS: Final = 8
#: Addresses that a gateway translates to IPv4 (RFC 6052).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class _AttemptError(Exception):
    """A failed attempt after which another one may succeed.

    :param retry_after: seconds that the server asks us to wait.
    """

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class WebReader:
    """Reads files from the web. May be shared by threads.

    :param settings: timeouts, attempts, proxy and CA bundle. The token is not used.
    :param schemes: those that an address may have.
    :param max_bytes: the most bytes of a file.
    :param max_seconds: for one attempt at one file, however steadily it trickles.
    :param check: called before each attempt and for each piece; if it raises, the reading ends.
    :param sleep: waits between two attempts; seconds. May raise.
    :param public_only: refuse addresses of private networks, and of this machine.
    """

    def __init__(
        self,
        settings: Settings,
        schemes: tuple[str, ...],
        *,
        max_bytes: int,
        max_seconds: float,
        check: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
        public_only: bool = False,
    ) -> None:
        self._timeout = Timeout(connect=settings.connect_timeout, read=settings.read_timeout)
        self._max_attempts = settings.max_attempts
        self._schemes = schemes
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._check = check
        self._sleep = sleep
        self._public_only = public_only
        self._routes = _Routes(settings, public_only)
        self._headers = {**requests.utils.default_headers(), "Accept-Encoding": "identity"}

    def read(self, url: object, name: str, take: Callable[[Iterator[bytes]], T]) -> T:
        """Read a file, in as many attempts as it needs.

        :param name: of the file, for the log.
        :param take: takes the pieces of one attempt. The iterator raises where the file turns out not to be whole, so
            what ``take`` returns counts only if the iterator has ended.
        :raises TransientMediaError: the last attempt failed, and a later one may succeed.
        :raises MediaError: it cannot be read.
        """
        try:
            found: T = self._retrying()(self._attempt, url, name, take)
        except _AttemptError as error:
            raise TransientMediaError(str(error)) from None
        return found

    def _retrying(self) -> tenacity.Retrying:
        """Return what repeats the attempts of this thread: to make it for each file takes noticeable time."""
        if self._routes.retrying is None:
            self._routes.retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(_AttemptError),
                wait=_backoff,
                stop=tenacity.stop_after_attempt(self._max_attempts) | tenacity.stop_before_delay(backoff.READ_BUDGET),
                before_sleep=self._log_retry,
                sleep=self._sleep,
                reraise=True,
            )
        return self._routes.retrying

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s was not fetched: %s. Attempt %d of %d in %.1f s.",
            state.args[1],
            state.outcome.exception() if state.outcome else None,
            state.attempt_number + 1,
            self._max_attempts,
            state.upcoming_sleep,
        )

    def _attempt(self, url: object, _name: str, take: Callable[[Iterator[bytes]], T]) -> T:
        self._check()
        deadline = time.monotonic() + self._max_seconds
        with closing(self._open(url)) as response:
            return take(self._pieces(response, deadline))

    def _open(self, url: object) -> BaseHTTPResponse:
        """Request an address, and those that it redirects to."""
        for _ in range(_MAX_REDIRECTS + 1):
            parts = self._checked(url)
            address = parts.geturl()
            try:
                response = self._request(parse_url(address))
            except ValueError as error:
                # A text of which no host or no header can be made, also in the configuration of this machine.
                raise MediaError(f"no response from {parts.hostname} ({type(error).__name__})") from None
            except (OSError, HTTPError) as error:
                # Also a bare OSError, which the library raises where the file of the CA certificates is missing.
                raise _AttemptError(f"no response from {parts.hostname} ({type(error).__name__})") from None
            location = response.headers.get("Location") if response.status in _REDIRECTS else None
            if location is None:
                return _accepted(response)
            response.close()
            try:
                url = urljoin(address, location)
            except ValueError:
                url = None
        raise MediaError(f"more than {_MAX_REDIRECTS} redirects")

    def _request(self, url: Url) -> BaseHTTPResponse:
        """Request an address, with nothing but the headers that any client sends."""
        pool, is_whole = self._routes.to(url)
        return pool.urlopen(
            "GET",
            url._replace(fragment=None).url if is_whole else url.request_uri,
            headers=self._headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )

    def _checked(self, url: object) -> SplitResult:
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
        except ValueError:
            parts = urlsplit("")
        if not parts.hostname or "@" in parts.netloc:
            raise MediaError("the address is missing or malformed")
        if parts.scheme not in self._schemes:
            raise MediaError(f"the address is {parts.scheme}, not {' or '.join(self._schemes)}")
        if self._public_only:
            for ip in _resolved(parts.hostname):
                refuse_private(parts.hostname, ip)
        return parts

    def _pieces(self, response: BaseHTTPResponse, deadline: float) -> Iterator[bytes]:
        """Yield a body as it arrives: to wait for full pieces would hide how slowly it trickles."""
        length, received = response.headers.get("Content-Length"), 0
        if length is not None and length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_large()
        try:
            while piece := response.read1(_CHUNK, decode_content=False):
                self._check()
                if time.monotonic() > deadline:
                    raise TransientMediaError("it arrives too slowly")
                received += len(piece)
                if received > self._max_bytes:
                    raise self._too_large()
                yield piece
        except (HTTPError, OSError) as error:
            raise _AttemptError(f"the connection broke ({type(error).__name__})") from None
        if not received or length not in (None, str(received)):
            raise _AttemptError(f"{received} bytes came instead of {length}")

    def _too_large(self) -> MediaError:
        return MediaError(f"it is too large: more than {self._max_bytes:,} bytes")


class _Route(NamedTuple):
    """How an origin is reached.

    :param pool: its connections, or those to the proxy before it.
    :param is_whole: a request names the whole address, as a proxy expects it of plain HTTP.
    """

    pool: HTTPConnectionPool
    is_whole: bool


class _Routes(threading.local):
    """The routes of one thread: `requests` does not promise that threads can share a session.

    It finds the route, with the proxies and the certificates of the environment. What it does beyond that for each
    request (cookies, ``~/.netrc``, redirects) would take as much time as all the rest of a small file.
    """

    def __init__(self, settings: Settings, public_only: bool) -> None:
        self.retrying: tenacity.Retrying | None = None
        self._proxies, self._verify = settings.proxies, settings.ca_bundle or True
        self._routes: dict[tuple[str | None, str | None, int | None], _Route] = {}
        self._session = requests.Session()
        if public_only:
            self._session.mount("https://", _PublicOnly())

    def to(self, url: Url) -> _Route:
        """Return the route to the origin of an address.

        :raises ValueError: the host or the proxy is malformed.
        :raises OSError: a file of certificates is missing.
        """
        origin = url.scheme, url.host, url.port
        if origin not in self._routes:
            if len(self._routes) == _MAX_ORIGINS:
                self._routes.clear()
                self._session.close()
            self._routes[origin] = self._find(url.url)
        return self._routes[origin]

    def _find(self, address: str) -> _Route:
        request, session = requests.Request("GET", address).prepare(), self._session
        # Passed with the request, since proxies of the environment win over those of a session.
        found = session.merge_environment_settings(address, dict(self._proxies), True, self._verify, None)
        proxies, verify = found["proxies"], found["verify"]
        adapter: Any = session.get_adapter(address)
        pool: HTTPConnectionPool = adapter.get_connection_with_tls_context(request, verify, proxies)
        adapter.cert_verify(pool, request.url, verify, None)
        return _Route(pool, not adapter.request_url(request, proxies).startswith("/"))


def _accepted(response: BaseHTTPResponse) -> BaseHTTPResponse:
    status = response.status
    has_length = "Content-Length" in response.headers or getattr(response, "chunked", False)
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


def _backoff(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    status, retry_after = (error.status, error.retry_after) if isinstance(error, _AttemptError) else (None, None)
    return backoff.delay(state.attempt_number, status=status, retry_after=retry_after)


# Private networks


def refuse_private(host: str, ip: str) -> None:
    """Refuse an address that the internet does not route to.

    :raises MediaError: it is one.
    """
    found = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address in the form of an IPv6 one is the same machine.
        found = found.ipv4_mapped or found.sixtofour or _behind_nat64(found) or found
    if not found.is_global or found.is_multicast:
        raise MediaError(
            f"{host} is at {ip}, in a private network or on this machine (allow_private_addresses=True permits that)"
        )


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else None


def _resolved(host: str) -> list[str]:
    """Return the addresses of a host; none where its name is unknown here, as it may be behind a proxy."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return []


class _PublicOnly(HTTPAdapter):
    """Connects to public addresses only: a name may resolve to another address than a moment ago."""

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the library's pool, whose connections are checked. One to a proxy is the administrator's."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if not select_proxy(request.url or "", proxies):
            pool.ConnectionCls = _public(pool.ConnectionCls)
        return pool


class _PublicConnection(HTTPConnection):
    """Checks where it has been connected to, before anything is requested."""

    def connect(self) -> None:
        super().connect()
        refuse_private(self.host, self.sock.getpeername()[0])


@cache
def _public(base: type[HTTPConnection]) -> type[HTTPConnection]:
    if issubclass(base, _PublicConnection):
        return base
    return type(f"Public{base.__name__}", (_PublicConnection, base), {})
