"""From an unsuccessful response to the error that it means. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api import backoff, errors
from airflow_provider_minimax.api.serialization import loads

#: Characters of the service's own message that go into an exception.
_MAX_MESSAGE: Final = 300
_TIMED_OUT: Final = 408
_NO_HELP: Final = "A retry will not help"
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


class Meaning(NamedTuple):
    """The error that a status stands for, and advice for the reader of a log."""

    error: type[errors.MiniMaxError]
    advice: str


#: Sources: the vendor's pages for 400, 401, 404; the vendor's own script for 412, 422, 429, 502, 504 and
#: 596; a third party's digest of its sibling services for the rest.
_MEANINGS: Final[Mapping[int, Meaning]] = {
    400: Meaning(errors.MiniMaxBadRequestError, f"{_NO_HELP} until the parameters are right."),
    401: Meaning(errors.MiniMaxAuthError, f"{_NO_HELP} until the password of the connection is a valid API token."),
    402: Meaning(errors.MiniMaxAuthError, f"{_NO_HELP} until the useapi.net subscription is active."),
    403: Meaning(errors.MiniMaxAuthError, f"{_NO_HELP}: the resource belongs to another useapi.net user."),
    404: Meaning(
        errors.MiniMaxNotFoundError,
        f"{_NO_HELP}: the id is unknown. (A video that moderation has removed is also answered like this.)",
    ),
    412: Meaning(errors.MiniMaxOutOfCreditsError, f"{_NO_HELP} until the Hailuo account has credits again."),
    422: Meaning(errors.MiniMaxModeratedError, f"{_NO_HELP}: the prompt was refused; change it."),
    429: Meaning(errors.MiniMaxCapacityError, "Nothing was created. A retry will ask again."),
    596: Meaning(
        errors.MiniMaxAccountOnHoldError,
        "The Hailuo account is on hold, perhaps for hours, or has to be set up again at useapi.net. "
        "A retry helps only after that.",
    ),
}
#: Statuses that are documented to create no job. After any other one, the outcome of a create is unknown: even a
#: refusal may come from a proxy, or after the job was accepted (the vendor says so of 502 and 504).
_NO_JOB: Final = frozenset({400, 401, 402, 403, 412, 422, 429, 596})
_OTHER_REFUSAL: Final = Meaning(errors.MiniMaxBadRequestError, f"{_NO_HELP}: the request was refused.")
_REDIRECT: Final = Meaning(
    errors.MiniMaxUpstreamError,
    "Redirects are not followed; check the host of the connection. A retry will ask again.",
)
_FAULT: Final = Meaning(errors.MiniMaxUpstreamError, "A fault of the service; a retry will ask again.")
_LOST_CREATE: Final = Meaning(
    errors.MiniMaxUnknownOutcomeError,
    "The job may have been created and paid for, so it is not sent again here. Look for it in the account's "
    "list before you clear the task.",
)
_REDIRECTED_CREATE: Final = Meaning(
    errors.MiniMaxUnknownOutcomeError,
    f"Redirects are not followed; check the host of the connection. {_LOST_CREATE.advice}",
)


def meaning_of(status: int, *, billable: bool) -> Meaning:
    """Return what an unsuccessful HTTP status stands for.

    :param billable: the request was a create; only the documented statuses prove that no job was created.
    """
    is_redirect = 300 <= status < 400
    if billable and status not in _NO_JOB:
        return _REDIRECTED_CREATE if is_redirect else _LOST_CREATE
    if status in _MEANINGS:
        return _MEANINGS[status]
    if is_redirect:
        return _REDIRECT
    return _OTHER_REFUSAL if 400 <= status < 500 and status != _TIMED_OUT else _FAULT


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
) -> errors.MiniMaxError:
    """Return the error for an unsuccessful response.

    :param operation: method and path, which holds the id.
    :param now: an aware time, to turn dates in ``Retry-After`` into seconds.
    :param unreadable: why the body could not be read, in a few words.
    :param mask: hides the token in the decoded body.
    """
    meaning = meaning_of(status, billable=billable)
    document = mask(_document(body))
    message = f"a body that is {unreadable}" if unreadable else message_of(document, body)
    return meaning.error(
        f"{operation} answered {status}: {message}. {meaning.advice}",
        status=status,
        retry_after=retry_after(headers, document, now),
    )


def not_the_contract(operation: str, status: int | None, found: str, *, billable: bool) -> errors.MiniMaxError:
    """Return the error for a response that breaks the service's contract, or broke off.

    :param found: what came instead, in a few words.
    """
    meaning = _LOST_CREATE if billable else _FAULT
    return meaning.error(f"{operation}: {found}. {meaning.advice}", status=status)


def cannot_be_sent(operation: str, found: str, advice: str) -> errors.MiniMaxError:
    """Return the error for a request that cannot leave until somebody repairs its cause.

    :param found: what is wrong, in a few words.
    :param advice: the condition under which a retry helps, as a clause.
    """
    return errors.MiniMaxBadRequestError(f"{operation} cannot be sent: {found}. {_NO_HELP} until {advice}.")


def message_of(document: object, body: bytes) -> str:
    """Return the service's own error message, shortened, on one line.

    ``error`` is documented as a string; sibling services pass an object on.
    """
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error.get("status")
    if isinstance(error, str) and error.strip():
        return " ".join(error.split())[:_MAX_MESSAGE].rstrip(".")
    if not body:
        return "an empty body"
    if document is not None:
        return "JSON without an error message"
    title = _TITLE.search(body)
    return f"not JSON but a page titled {title[1].decode(errors='replace').strip()!r}" if title else "not JSON"


def retry_after(headers: Mapping[str, str], document: object, now: datetime) -> float | None:
    """Return the seconds that the service asks us to wait, at least 0; None if it does not say.

    ``Retry-After`` (seconds or an HTTP date) and ``retryAfter`` (an ISO time in the body) are known from
    sibling services only: honoured when present, never required. An implausible value, such as the seconds since 1970,
    is ignored (see ``backoff.plausible_retry_after``).
    """
    header = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(header):
        return backoff.plausible_retry_after(float(header))
    at = _http_date(header)
    if at is None and isinstance(document, dict):
        at = _iso_time(document.get("retryAfter"))
    return None if at is None else backoff.plausible_retry_after(max(0.0, (at - now).total_seconds()))


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _iso_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _document(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None
