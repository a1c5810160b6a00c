"""What an error of the HTTP library means: whether the request may have left, and what to say. No I/O.

A create that may have left is never sent again, so "not sent" needs a proof. The wire provides it: it knows whether a
connection was ever ready to carry the request. Without a wire, the proof is an error that can only stand for a
connection that was never made.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from requests import exceptions
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ProxySchemeUnknown,
    ReadTimeoutError,
    SSLError,
)

#: What the HTTP library raises when a request fails. Its ``RequestException`` is an ``OSError``; it also lets errors
#: of urllib3 pass, and a ``ValueError`` for a malformed host, header or file name.
LIBRARY_FAULTS: Final = (OSError, HTTPError, ValueError)

#: Each of them stands for a connection that was never made, and for nothing else.
_NO_CONNECTION: Final = (
    exceptions.ConnectTimeout,
    ConnectTimeoutError,
    NewConnectionError,
    ssl.SSLCertVerificationError,
    exceptions.InvalidSchema,
    exceptions.InvalidURL,
    exceptions.MissingSchema,
    LocationValueError,
)
_TUNNEL_REFUSED: Final = "Tunnel connection failed"
_PROXY_VARIABLES: Final = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
_CA_VARIABLES: Final = "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE"
_MAX_WORDS: Final = 200
#: What OpenSSL puts around its words.
_OPENSSL: Final = re.compile(r"\[\w+: \w+\]|\(_ssl\.c:\d+\)")


class Route(NamedTuple):
    """The way of a request, for the words of an error.

    :param origin: scheme, host and port of the service.
    :param proxy: scheme, host and port of the proxy; empty if none is used.
    :param is_own_proxy: the connection names the proxy, not the environment.
    :param ca_bundle: the file that the connection names; None if it names none.
    """

    origin: str = "the service"
    proxy: str = ""
    is_own_proxy: bool = False
    ca_bundle: str | None = None

    @property
    def text(self) -> str:
        """Where to, and over which proxy."""
        return f"{self.origin} over the proxy {self.proxy}" if self.proxy else self.origin

    @property
    def proxy_field(self) -> str:
        """Where the address of the proxy stands."""
        return '"Proxy" of the connection' if self.is_own_proxy else f"{_PROXY_VARIABLES} of the environment"

    @property
    def ca_field(self) -> str:
        """Where the path of the CA certificates stands."""
        return '"CA bundle" of the connection' if self.ca_bundle else f"{_CA_VARIABLES} of the environment"


_UNKNOWN_ROUTE: Final = Route()


class Fault(NamedTuple):
    """Why a request got no complete response.

    :param words: what happened, for a log or an error.
    :param sent: False if it certainly never left this machine.
    :param advice: the condition under which a request can be sent at all, as a clause; empty for a transient fault.
    :param check: a sentence that says where to look; may be empty.
    """

    words: str
    sent: bool
    advice: str = ""
    check: str = ""


def fault_of(
    error: Exception, *, may_have_left: bool | None, is_overdue: bool = False, route: Route = _UNKNOWN_ROUTE
) -> Fault:
    """Return what an error of the HTTP library means.

    :param may_have_left: as the wire knows it; None if the request did not pass through one.
    :param is_overdue: the request has reached its deadline.
    :param route: names the hosts and the fields to look at.
    """
    causes = list(_causes(error))
    if may_have_left if may_have_left is not None else not _proves_no_connection(causes):
        return _lost(error, route, is_overdue=is_overdue)
    if _is_certificate_file(error):
        return Fault(_line(error), sent=False, advice=f"{route.ca_field} names a file that exists on this machine")
    if isinstance(error, exceptions.InvalidJSONError | exceptions.InvalidHeader):
        return Fault("a value of it cannot be sent", sent=False, advice="its parameters are right")
    if isinstance(error, ValueError):
        return _malformed(error, causes, route)
    return _unreached(causes, route)


def _causes(error: Exception) -> Iterator[BaseException]:
    """Go through an error and what lies underneath, as requests and urllib3 wrap it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = (getattr(cause, "reason", None), getattr(cause, "original_error", None), *cause.args)
        cause = next((found for found in inner if isinstance(found, Exception)), None)


def _proves_no_connection(causes: Sequence[BaseException]) -> bool:
    return any(isinstance(cause, _NO_CONNECTION) or _is_refused_tunnel(cause) for cause in causes) or (
        _is_certificate_file(causes[0])
    )


def _is_refused_tunnel(error: BaseException) -> bool:
    return type(error) is OSError and str(error).startswith(_TUNNEL_REFUSED)


def _is_certificate_file(error: BaseException) -> bool:
    # From the library itself, which gives it no number, as the operating system would.
    return type(error) is OSError and error.errno is None and not _is_refused_tunnel(error)


def _lost(error: Exception, route: Route, *, is_overdue: bool) -> Fault:
    check = 'Where the service needs longer, raise "Read timeout" of the connection.'
    if is_overdue:
        return Fault("no complete response within three times the read timeout", sent=True, check=check)
    if isinstance(error, exceptions.ReadTimeout | ReadTimeoutError):
        return Fault("no response within the read timeout", sent=True, check=check)
    if isinstance(error, exceptions.SSLError | SSLError):
        return Fault("the TLS connection failed", sent=True)
    words = f"the connection broke before the response was complete ({type(error).__name__})"
    is_plain = route.origin.startswith("http://")
    return Fault(words, sent=True, check='If this port speaks TLS, begin "Base URL" with https://.' if is_plain else "")


def _unreached(causes: Sequence[BaseException], route: Route) -> Fault:
    """Return why there was no connection; the deepest cause knows best."""
    peer = "proxy" if any(isinstance(cause, exceptions.ProxyError | ProxyError) for cause in causes) else "service"
    field = route.proxy_field if peer == "proxy" else '"Base URL" of the connection'
    for cause in reversed(causes):
        if _is_refused_tunnel(cause):
            return _refused_tunnel(cause, route)
        if isinstance(cause, ssl.SSLError | SSLError | exceptions.SSLError):
            return _failed_tls(cause, route, field)
        if isinstance(cause, NewConnectionError):
            # To the library, a kind of ConnectTimeoutError.
            words = f"the {peer} cannot be reached{_reason(cause.__cause__)}"
            return Fault(words, sent=False, check=f"Check {field}, and the network of this machine.")
        if isinstance(cause, exceptions.ConnectTimeout | ConnectTimeoutError):
            check = f'Check {field}, "Connect timeout" of the connection, and the firewalls between.'
            return Fault("no connection within the connect timeout", sent=False, check=check)
    words = f"the {peer} cannot be reached{_reason(causes[-1])}"
    return Fault(words, sent=False, check=f"Check {field}, and the network of this machine.")


def _refused_tunnel(error: BaseException, route: Route) -> Fault:
    reason = _line(error).removeprefix(f"{_TUNNEL_REFUSED}: ")
    check = f"Check {route.proxy_field}: the proxy passes nothing on to this host."
    if reason.startswith("407"):
        check = (
            f"The proxy wants a valid user and password: put http://user:password@host:port into {route.proxy_field}."
        )
    elif reason.startswith("5"):
        check = 'Check "Base URL" of the connection: the proxy cannot reach that host.'
    return Fault(f"the proxy refused the tunnel ({reason})", sent=False, check=check)


def _failed_tls(error: BaseException, route: Route, field: str) -> Fault:
    words = f"the TLS connection failed ({_OPENSSL.sub('', _line(error)).strip()})"
    check = f"Check {field}."
    if isinstance(error, ssl.SSLCertVerificationError):
        # Only OpenSSL's own errors have the message apart.
        reason = getattr(error, "verify_message", _line(error))
        words = f"the TLS connection failed (certificate verify failed: {reason})"
        used = f" (now {route.ca_bundle})" if route.ca_bundle else ""
        check = f'Check {field}. If its CA is a private one, put the file of the CA into "CA bundle"{used}.'
    elif "WRONG_VERSION_NUMBER" in str(error):
        check = f"This port speaks no TLS: {field} begins with https:// where http:// or another port is right."
    elif "NO_CERTIFICATE" in str(error) or isinstance(error.args[0] if error.args else None, PermissionError):
        check = f"The file of {route.ca_field} holds no certificate that can be read."
    return Fault(words, sent=False, check=check)


def _reason(cause: BaseException | None) -> str:
    """Return the operating system's reason, as the end of a clause."""
    if isinstance(cause, socket.gaierror):
        return f": its name was not found ({cause.strerror})"
    if isinstance(cause, ConnectionRefusedError):
        return ": it refused the connection"
    reason = getattr(cause, "strerror", None)
    return f": {reason}" if reason else ""


def _malformed(error: ValueError, causes: Sequence[BaseException], route: Route) -> Fault:
    """Return the fault of a malformed address. The address is not shown: it may hold a password."""
    if isinstance(error, exceptions.InvalidSchema) and "SOCKS" in str(error):
        return Fault("the proxy is a SOCKS proxy", sent=False, advice="PySocks is installed (pip install PySocks)")
    proxies = f"{route.proxy_field} {'holds' if route.is_own_proxy else 'hold'} an address or nothing"
    if any(isinstance(cause, exceptions.InvalidProxyURL | ProxySchemeUnknown) for cause in causes):
        return Fault("the address of the proxy is malformed", sent=False, advice=proxies)
    words = 'the address in "Base URL", or the address of its proxy, is malformed'
    return Fault(words, sent=False, advice=f'"Base URL" of the connection is right, and {proxies}')


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_MAX_WORDS]
