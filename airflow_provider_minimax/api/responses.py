"""From an unsuccessful response to the error that it means. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api import backoff, errors
from airflow_provider_minimax.api.connection_errors import Fault, Route
from airflow_provider_minimax.api.error_body import message_of, redirect_target
from airflow_provider_minimax.api.serialization import loads
from airflow_provider_minimax.api.settings import USER_PREFIX, Settings
from airflow_provider_minimax.compat import AirflowFailException

_NO_HELP: Final = "A retry will not help"
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


class Meaning(NamedTuple):
    """What a status stands for.

    :param verdict: in a few words, the beginning of a message.
    :param advice: what a retry does, and what a reader of the log can do.
    """

    error: type[errors.MiniMaxError]
    verdict: str
    advice: str


_BUSY: Final = Meaning(errors.MiniMaxCapacityError, "No free slot", "A retry will ask again.")
_BUSY_CREATE: Final = _BUSY._replace(advice=f"Nothing was created. {_BUSY.advice}")

#: Sources: the vendor's pages for 400, 401, 404; the vendor's own script for 412, 422, 429, 502, 504 and
#: 596; a third party's digest of its sibling services for the rest.
_MEANINGS: Final[Mapping[int, Meaning]] = {
    400: Meaning(errors.MiniMaxBadRequestError, "Bad request", f"{_NO_HELP} until the parameters are right."),
    401: Meaning(
        errors.MiniMaxAuthError,
        "The API token is refused",
        f'{_NO_HELP} until "API token" of the connection holds a valid API token.',
    ),
    402: Meaning(
        errors.MiniMaxAuthError,
        "No useapi.net subscription",
        f"{_NO_HELP} until the useapi.net subscription is active.",
    ),
    403: Meaning(
        errors.MiniMaxAuthError, "Access denied", f"{_NO_HELP}: the resource belongs to another useapi.net user."
    ),
    404: Meaning(errors.MiniMaxNotFoundError, "Not found", f"{_NO_HELP}: the id is unknown."),
    407: Meaning(
        errors.MiniMaxBadRequestError,
        "The proxy wants a user and a password",
        f'{_NO_HELP} until the address of the proxy holds valid ones: "Proxy" of the connection, or HTTP_PROXY of the '
        "environment.",
    ),
    412: Meaning(
        errors.MiniMaxOutOfCreditsError,
        "Not enough credits",
        f"{_NO_HELP} until the Hailuo account has credits again.",
    ),
    422: Meaning(errors.MiniMaxModeratedError, "Moderated", f"{_NO_HELP}: the prompt was refused; change it."),
    429: _BUSY,
    596: Meaning(
        errors.MiniMaxAccountOnHoldError,
        "Account on hold",
        "The Hailuo account is on hold, perhaps for hours, or has to be set up again at useapi.net. "
        "A retry helps only after that.",
    ),
}
#: Statuses that are documented to create no job. After any other one, the outcome of a create is unknown: even a
#: refusal may come from a proxy, or after the job was accepted (the vendor says so of 502 and 504).
_NO_JOB: Final = frozenset({400, 401, 402, 403, 412, 422, 429, 596})
_OTHER_REFUSAL: Final = Meaning(errors.MiniMaxBadRequestError, "Refused", f"{_NO_HELP}: the request was refused.")
_NOT_FOLLOWED: Final = 'Redirects are not followed, so that the token stays with the API; check the host in "Base URL".'
_REDIRECT: Final = Meaning(errors.MiniMaxUpstreamError, "Redirected", f"{_NOT_FOLLOWED} A retry will ask again.")
_FAULT: Final = Meaning(
    errors.MiniMaxUpstreamError, "The service failed", "A fault of the service; a retry will ask again."
)
#: Ends the error of a create whose outcome is unknown, for a caller that does not look for the job itself.
LOOK_FOR_IT: Final = " Look for it in the account's list before you clear the task."
_LOST_CREATE: Final = Meaning(
    errors.MiniMaxUnknownOutcomeError,
    "Unknown outcome",
    f"The job may have been created and paid for, so it is not sent again here.{LOOK_FOR_IT}",
)
_REDIRECTED_CREATE: Final = _LOST_CREATE._replace(advice=f"{_NOT_FOLLOWED} {_LOST_CREATE.advice}")


def meaning_of(status: int, *, billable: bool) -> Meaning:
    """Return what an unsuccessful HTTP status stands for.

    :param billable: the request was a create; only the documented statuses prove that no job was created.
    """
    is_redirect = 300 <= status < 400
    if billable and status not in _NO_JOB:
        return _REDIRECTED_CREATE if is_redirect else _LOST_CREATE
    if status in _MEANINGS:
        meaning = _MEANINGS[status]
        return _BUSY_CREATE if billable and meaning is _BUSY else meaning
    if is_redirect:
        return _REDIRECT
    return _OTHER_REFUSAL if 400 <= status < 500 and status != HTTPStatus.REQUEST_TIMEOUT else _FAULT


def error_for(
    operation: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    billable: bool,
    now: datetime,
    unreadable: str = "",
    mask: Callable[[Any], Any] = lambda document: document,
    settings: Settings | None = None,
) -> errors.MiniMaxError:
    """Return the error for an unsuccessful response.

    :param operation: method and path, which holds the id.
    :param now: an aware time, to turn dates in ``Retry-After`` into seconds.
    :param unreadable: why the body could not be read, in a few words.
    :param mask: hides the token in the decoded body, and in text.
    :param settings: names the connection and its fields.
    """
    meaning = meaning_of(status, billable=billable)
    document = mask(_document(body))
    message = f"a body that is {unreadable}" if unreadable else message_of(document, body)
    if 300 <= status < 400:
        message = f"to {redirect_target(mask(headers.get('Location', '')))}, with {message}"
    is_page = bool(body) and document is None
    advice = _advice(meaning, status, operation, settings, is_page=is_page)
    return meaning.error(
        mask(f"{meaning.verdict} ({status}): {message}. {_request(operation, settings)}. {advice}"),
        status=status,
        retry_after=retry_after(headers, document, now),
    )


def _advice(meaning: Meaning, status: int, operation: str, settings: Settings | None, *, is_page: bool) -> str:
    """Return the advice for a status. Who sent it, and what it was a response to, may say more than its number."""
    address = f'"Base URL" ({settings.base_url})' if settings else '"Base URL"'
    if meaning is _LOST_CREATE:
        hint = f"If {address} is wrong, nothing was created. " if status == HTTPStatus.NOT_FOUND else ""
        return f"{hint}{meaning.advice}"
    if (
        is_page
        and issubclass(meaning.error, AirflowFailException)
        and status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    ):
        return (
            f"{_NO_HELP}: this is no response of the API. A firewall or a proxy on the way refused the request, or "
            f"{address} is wrong."
        )
    if status == HTTPStatus.UNAUTHORIZED and settings and not settings.token.startswith(USER_PREFIX):
        return f"{meaning.advice} This one does not begin with {USER_PREFIX!r}: copy the token whole."
    if status == HTTPStatus.NOT_FOUND and "/videos/user:" in operation:
        return f"{_NO_HELP}: the id is unknown, or moderation has removed the video."
    if status == HTTPStatus.NOT_FOUND and "/images/user:" not in operation:
        return f"{_NO_HELP}: the account is unknown, or {address} is not the address of the API."
    return meaning.advice


def not_the_contract(
    operation: str, status: int | None, found: str, *, billable: bool, settings: Settings | None = None
) -> errors.MiniMaxError:
    """Return the error for a response that breaks the service's contract.

    :param found: what came instead, in a few words.
    :param settings: names the connection and its fields.
    """
    meaning = _LOST_CREATE if billable else _FAULT
    check = f' Check "Base URL" ({settings.base_url}).' if settings else ""
    return meaning.error(
        f"{found[0].upper()}{found[1:]} ({_request(operation, settings)}).{check} {meaning.advice}", status=status
    )


def no_response(
    operation: str, fault: Fault, route: Route, settings: Settings, *, billable: bool
) -> errors.MiniMaxError:
    """Return the error for a request that got no complete response.

    :param fault: its words may hold no token.
    :param billable: the request was a create; its outcome is unknown unless it was never sent.
    """
    request = _request(operation, settings)
    if fault.advice:
        return errors.MiniMaxBadRequestError(
            f"{request} cannot be sent: {fault.words}. {_NO_HELP} until {fault.advice}."
        )
    if not fault.sent:
        return errors.MiniMaxUpstreamError(
            f"No connection to {route.text}: {fault.words}; nothing was sent. {request}. {fault.check} "
            "A retry will send it again."
        )
    meaning = _LOST_CREATE if billable else _FAULT
    return meaning.error(
        " ".join(
            filter(None, [f"No response from {route.text}: {fault.words}. {request}.", fault.check, meaning.advice])
        )
    )


def _request(operation: str, settings: Settings | None) -> str:
    return f"{operation} of connection {settings.conn_id!r}" if settings and settings.conn_id else operation


def retry_after(headers: Mapping[str, str], document: object, now: datetime) -> float | None:
    """Return the seconds that the service asks us to wait, at least 0; None if it does not say.

    ``Retry-After`` (seconds or an HTTP date) and ``retryAfter`` (an ISO time in the body) are known from
    sibling services only: honoured when present, never required. An implausible value, such as the seconds since 1970,
    is ignored (see ``backoff.plausible_retry_after``).
    """
    header = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(header):
        return backoff.plausible_retry_after(float(header))
    at = _read_time(parsedate_to_datetime, header)
    if at is None and isinstance(document, dict):
        at = _read_time(datetime.fromisoformat, document.get("retryAfter"))
    return None if at is None else backoff.plausible_retry_after(max(0.0, (at - now).total_seconds()))


def _read_time(read: Callable[[str], datetime], text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = read(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _document(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None
