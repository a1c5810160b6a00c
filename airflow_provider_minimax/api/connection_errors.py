"""What an error of the HTTP library means: whether the request may have left, and what to say. No I/O.

A create that may have left is never sent again, so "not sent" needs a proof. The wire provides it: it knows whether a
connection was ever ready to carry the request. Without a wire, the proof is an error that can only stand for a
connection that was never made.
"""

from __future__ import annotations

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
_PROXY_VARIABLES: Final = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY hold addresses or nothing"
_MAX_WORDS: Final = 200


class Fault(NamedTuple):
    """Why a request got no complete response.

    :param words: what happened, for a log or an error.
    :param sent: False if it certainly never left this machine.
    :param advice: the condition under which a request can be sent at all, as a clause; empty for a transient fault.
    """

    words: str
    sent: bool
    advice: str = ""


def fault_of(error: Exception, *, may_have_left: bool | None, is_overdue: bool = False) -> Fault:
    """Return what an error of the HTTP library means.

    :param may_have_left: as the wire knows it; None if the request did not pass through one.
    :param is_overdue: the request has reached its deadline.
    """
    causes = list(_causes(error))
    if may_have_left if may_have_left is not None else not _proves_no_connection(causes):
        return Fault(_lost(error, is_overdue=is_overdue), sent=True)
    if _is_certificate_file(error):
        return Fault(_line(error), sent=False, advice="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is there")
    if isinstance(error, exceptions.InvalidJSONError | exceptions.InvalidHeader):
        return Fault("a value of it cannot be sent", sent=False, advice="its parameters are right")
    if isinstance(error, ValueError):
        return _malformed(error, causes)
    return Fault(_unreached(causes), sent=False)


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


def _lost(error: Exception, *, is_overdue: bool) -> str:
    if is_overdue:
        return "no complete response within three times the read timeout"
    if isinstance(error, exceptions.ReadTimeout | ReadTimeoutError):
        return "no response within the read timeout"
    if isinstance(error, exceptions.SSLError | SSLError):
        return "the TLS connection failed"
    return f"the connection broke before the response was complete ({type(error).__name__})"


def _unreached(causes: Sequence[BaseException]) -> str:
    """Return why there was no connection; the deepest cause knows best."""
    for cause in reversed(causes):
        if _is_refused_tunnel(cause):
            return f"the proxy refused the tunnel ({_line(cause).removeprefix(f'{_TUNNEL_REFUSED}: ')})"
        if isinstance(cause, ssl.SSLError):
            return f"the TLS connection failed ({_line(cause)})"
        if isinstance(cause, NewConnectionError):
            # To the library, a kind of ConnectTimeoutError.
            break
        if isinstance(cause, exceptions.ConnectTimeout | ConnectTimeoutError):
            return "no connection within the connect timeout"
    is_proxied = any(isinstance(cause, exceptions.ProxyError | ProxyError) for cause in causes)
    return f"the {'proxy' if is_proxied else 'service'} cannot be reached"


def _malformed(error: ValueError, causes: Sequence[BaseException]) -> Fault:
    """Return the fault of a malformed address. The address is not shown: it may hold a password."""
    if isinstance(error, exceptions.InvalidSchema) and "SOCKS" in str(error):
        return Fault("the proxy is a SOCKS proxy", sent=False, advice="PySocks is installed (pip install PySocks)")
    if any(isinstance(cause, exceptions.InvalidProxyURL | ProxySchemeUnknown) for cause in causes):
        return Fault("the address of the proxy is malformed", sent=False, advice=_PROXY_VARIABLES)
    words = "the host of the connection, or the address of its proxy, is malformed"
    return Fault(words, sent=False, advice=f"the host of the connection is right, and {_PROXY_VARIABLES}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_MAX_WORDS]
