"""The way of every request to the service: token, tries, and what is made of an answer or of none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import IO, Any, Final, Literal, NamedTuple
from urllib.parse import urlencode

import requests
import tenacity
from requests.auth import AuthBase

from airflow_provider_minimax import __version__
from airflow_provider_minimax.api import backoff, clock, connection_errors, response_body, responses
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.masking import Mask
from airflow_provider_minimax.api.serialization import UnreadableError, loads
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.wire import Wire

log = logging.getLogger(__name__)

_PIECE: Final = 2**20
#: The most of the body of an error that is read: it is a message, or a page of somebody who stands in between.
_MAX_ERROR_BYTES: Final = 2**20
_USER_AGENT: Final = f"airflow-provider-minimax/{__version__} apache-airflow/{version('apache-airflow-core')}"


class Call(NamedTuple):
    """One request, as it is sent at every try.

    :param path: below the base URL.
    :param upload: a raw body, of ``content_type``.
    :param paid: it creates a job that costs credits, and is repeated only where no job can have been made.
    :param body_matters: False where a good answer may hold anything.
    """

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str | int] | None = None
    json: Mapping[str, Any] | None = None
    upload: IO[bytes] | None = None
    content_type: str | None = None
    paid: bool = False
    body_matters: bool = True

    @property
    def operation(self) -> str:
        """What the call is called in a log or an error."""
        return f"{self.method} {self.path}"

    def not_the_contract(self, found: str, status: int = 200) -> MiniMaxError:
        """Return the error for a good answer that is not what the contract promises.

        :param found: what came instead, in a few words.
        """
        return responses.not_the_contract(self.operation, status, found, paid=self.paid)


class _BearerToken(AuthBase):
    """Sets the token on a request. As an ``AuthBase``, so that no ``~/.netrc`` entry replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """A session that does not look at where a redirect points.

    The library looks although it is told not to follow, after the request was sent: it reads the whole body for that,
    and fails where the address is malformed.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the library passes it
        return None


class _FailedTryError(Exception):
    """A try that failed, and whether the call may be sent again."""

    def __init__(self, error: MiniMaxError, *, repeatable: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.repeatable = repeatable


class _Answer(NamedTuple):
    """A response that has been read.

    :param body: decoded, without the token.
    :param unreadable: why there is no body, in a few words; empty where there is one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    unreadable: str


class Transport:
    """Sends calls to the service, each again where that is right (see ``retries``).

    Not for use by several threads at once.

    :param settings: token, address and patience. The account is the caller's to send.
    :param sleep: waits between two tries; seconds.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        #: Seconds by which the service's clock is ahead of ours, as its latest response tells; None while none does.
        self.clock_offset: float | None = None
        self._mask = Mask(settings.token)

    def send(self, call: Call) -> Any:
        """Send a call and return the decoded answer, in which the token is replaced should the service quote it.

        :raises MiniMaxError: whatever else comes of it.
        """
        budget = backoff.CREATE_BUDGET if call.paid else backoff.READ_BUDGET
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_repeatable),
            wait=self._pause,
            stop=tenacity.stop_after_attempt(self._settings.max_attempts) | tenacity.stop_before_delay(budget),
            before_sleep=self._report,
            sleep=self._sleep,
            reraise=True,
        )
        failed: _FailedTryError
        try:
            return retrying(self._attempt, call)
        except _FailedTryError as attempt:
            failed = attempt
        # Raised out here so that no exception of the HTTP library, which knows the request and with it the
        # token, hangs on to ours as its context.
        raise failed.error

    @cached_property
    def _wire(self) -> Wire:
        return Wire(self._settings.total_timeout, self._settings.max_response_bytes)

    @cached_property
    def _session(self) -> requests.Session:
        session = _Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, self._wire)
        session.auth = _BearerToken(self._settings.token)
        session.headers["Accept"] = "application/json"
        session.headers["Accept-Encoding"] = response_body.ACCEPT_ENCODING
        session.headers["User-Agent"] = f"{_USER_AGENT} {requests.utils.default_user_agent()}"
        # Proxies and certificates of the environment, looked up once and not for each request: on a long walk
        # that is felt.
        found = session.merge_environment_settings(self._settings.base_url, {}, None, None, None)
        session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
        session.trust_env = False
        return session

    @staticmethod
    def _pause(state: tenacity.RetryCallState) -> float:
        failed = _failure_of(state)
        return backoff.pause(state.attempt_number, status=failed.error.status, retry_after=failed.error.retry_after)

    def _report(self, state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s Try %d of %d in %.1f s.",
            _failure_of(state).error,
            state.attempt_number + 1,
            self._settings.max_attempts,
            state.upcoming_sleep,
        )

    def _attempt(self, call: Call) -> Any:
        if call.upload is not None:
            call.upload.seek(0)
        no_answer: _FailedTryError | None = None
        try:
            answer = self._exchange(call)
        except connection_errors.LIBRARY_FAULTS as error:
            no_answer = self._without_answer(call, error)
        if no_answer is not None:
            raise no_answer
        return self._read(call, answer)

    def _exchange(self, call: Call) -> _Answer:
        wire = self._wire
        wire.may_have_left = False
        session = self._session
        # Not by the session, whose merging of its settings with those of a request is felt on a long walk, too.
        request = requests.Request(
            call.method,
            self._settings.base_url + call.path,
            # As text: the library takes several times as long to encode a mapping.
            params=urlencode(call.params or {}),
            json=call.json,
            data=call.upload,
            headers={**session.headers, **({"Content-Type": call.content_type} if call.content_type else {})},
            auth=session.auth,
            cookies=session.cookies,
        ).prepare()
        # Whether it leaves is for the wire to see.
        wire.may_have_left = None
        sent = time.time()
        response = session.send(
            request,
            timeout=(self._settings.connect_timeout, self._settings.read_timeout),
            allow_redirects=False,
            stream=True,
        )
        offset = clock.offset_of(response.headers.get("Date"), sent, time.time())
        self.clock_offset = self.clock_offset if offset is None else offset
        return self._answer(response)

    def _answer(self, response: requests.Response) -> _Answer:
        """Read a response whole."""
        is_good = _is_good(response.status_code)
        limit = self._settings.max_response_bytes if is_good else _MAX_ERROR_BYTES
        body, unreadable = b"", ""
        try:
            # At one go: in the pieces of 10 kB that the library would read, a large page takes noticeably longer.
            pieces = response.raw.stream(_PIECE, decode_content=False)
            body = response_body.read_body(pieces, response.headers.get("Content-Encoding", ""), limit)
        except UnreadableError as error:
            response.close()
            unreadable = str(error)
        if not is_good or self._mask.may_be_in(body):
            body = self._mask.hide(body)
        return _Answer(response.status_code, response.headers, body, unreadable)

    def _read(self, call: Call, answer: _Answer) -> Any:
        if not _is_good(answer.status):
            error = responses.error_for(
                call.operation,
                answer.status,
                answer.headers,
                answer.body,
                paid=call.paid,
                now=datetime.now(UTC),
                unreadable=answer.unreadable,
            )
            repeatable = backoff.may_repeat(status=answer.status, sent=True, paid=call.paid)
            raise _FailedTryError(error, repeatable=repeatable)
        if not call.body_matters:
            return None
        found = answer.unreadable
        if not found:
            try:
                return loads(answer.body)
            except UnreadableError as error:
                found = str(error)
            except ValueError:
                found = responses.message_of(None, self._mask.hide(answer.body[:_MAX_ERROR_BYTES]))
        raise _FailedTryError(call.not_the_contract(f"the answer is {found}", answer.status), repeatable=not call.paid)

    def _without_answer(self, call: Call, error: Exception) -> _FailedTryError:
        """Return what it means that a request got no whole answer."""
        wire = self._wire
        is_overdue = wire.may_have_left is True and wire.is_overdue
        fault = connection_errors.fault_of(error, may_have_left=wire.may_have_left, is_overdue=is_overdue)
        if fault.advice:
            failure = responses.cannot_be_sent(call.operation, self._mask.hide_in_text(fault.words), fault.advice)
            return _FailedTryError(failure, repeatable=False)
        what = fault.words if fault.sent else f"{self._mask.hide_in_text(fault.words)}; nothing was sent"
        failure = responses.not_the_contract(call.operation, None, what, paid=call.paid and fault.sent)
        return _FailedTryError(failure, repeatable=backoff.may_repeat(status=None, sent=fault.sent, paid=call.paid))


def _is_good(status: int) -> bool:
    return 200 <= status < 300


def _is_repeatable(failed: BaseException) -> bool:
    return isinstance(failed, _FailedTryError) and failed.repeatable


def _failure_of(state: tenacity.RetryCallState) -> _FailedTryError:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, _FailedTryError):
        raise TypeError("only a failed try is ever repeated")
    return failed
