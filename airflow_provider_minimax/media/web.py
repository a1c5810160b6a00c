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
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import tenacity
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from airflow_provider_minimax.api import backoff, responses
from airflow_provider_minimax.api.session import Session
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MediaError, TransientMediaError

log = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK: Final = 64 * 1024
_MAX_REDIRECTS: Final = 3
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
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        self._max_attempts = settings.max_attempts
        self._proxies, self._verify = settings.proxies, settings.ca_bundle or True
        self._schemes = schemes
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._check = check
        self._sleep = sleep
        self._public_only = public_only
        self._thread_local = threading.local()

    def read(self, url: object, name: str, take: Callable[[Iterator[bytes]], T]) -> T:
        """Read a file, in as many attempts as it needs.

        :param name: of the file, for the log.
        :param take: takes the pieces of one attempt. The iterator raises where the file turns out not to be whole, so
            what ``take`` returns counts only if the iterator has ended.
        :raises TransientMediaError: the last attempt failed, and a later one may succeed.
        :raises MediaError: it cannot be read.
        """

        def log_retry(state: tenacity.RetryCallState) -> None:
            log.warning(
                "%s was not fetched: %s. Attempt %d of %d in %.1f s.",
                name,
                state.outcome.exception() if state.outcome else None,
                state.attempt_number + 1,
                self._max_attempts,
                state.upcoming_sleep,
            )

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AttemptError),
            wait=_backoff,
            stop=tenacity.stop_after_attempt(self._max_attempts) | tenacity.stop_before_delay(backoff.READ_BUDGET),
            before_sleep=log_retry,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            found: T = retrying(self._attempt, url, take)
        except _AttemptError as error:
            raise TransientMediaError(str(error)) from None
        return found

    def _attempt(self, url: object, take: Callable[[Iterator[bytes]], T]) -> T:
        self._check()
        deadline = time.monotonic() + self._max_seconds
        with self._open(url) as response:
            return take(self._pieces(response, deadline))

    def _open(self, url: object) -> requests.Response:
        """Request an address, and those that it redirects to."""
        for _ in range(_MAX_REDIRECTS + 1):
            parts = self._checked(url)
            address = parts.geturl()
            try:
                response = self._session.get(
                    address,
                    stream=True,
                    timeout=self._timeout,
                    allow_redirects=False,
                    headers={"Referer": None},
                    # Passed with the request, since those of the environment win over those of a session.
                    proxies=dict(self._proxies),
                    verify=self._verify,
                )
            except ValueError as error:
                # A text of which no host or no header can be made, also in the configuration of this machine.
                raise MediaError(f"no response from {parts.hostname} ({type(error).__name__})") from None
            except (OSError, HTTPError) as error:
                # Also a bare OSError, which the library raises where the file of the CA certificates is missing.
                raise _AttemptError(f"no response from {parts.hostname} ({_kind_of(error)})") from None
            if not response.is_redirect:
                return _accepted(response)
            response.close()
            try:
                url = urljoin(address, response.headers["Location"])
            except ValueError:
                url = None
        raise MediaError(f"more than {_MAX_REDIRECTS} redirects")

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

    def _pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """Yield a body as it arrives: to wait for full pieces would hide how slowly it trickles."""
        length, received = response.headers.get("Content-Length"), 0
        if length is not None and length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_large()
        try:
            while piece := response.raw.read1(_CHUNK, decode_content=False):
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
            if self._public_only:
                session.mount("https://", _PublicOnly())
            self._thread_local.session = session
        return session


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


def _kind_of(error: Exception) -> str:
    """Return the name of the error beneath those that the HTTP library wraps around it."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason or error).__name__


def _backoff(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    status, retry_after = (error.status, error.retry_after) if isinstance(error, _AttemptError) else (None, None)
    return backoff.delay(state.attempt_number, status=status, retry_after=retry_after)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


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
