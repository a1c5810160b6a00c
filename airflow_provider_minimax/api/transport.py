"""The way of every request to the service: token, tries, and what is made of an answer or of none."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import IO, Any, Final, Literal, NamedTuple

import requests
import tenacity
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.exceptions import SSLError as TLSError

from airflow_provider_minimax import __version__
from airflow_provider_minimax.api import answers, clock, retries
from airflow_provider_minimax.api.codec import loads
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)

_PIECE: Final = 2**20
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
        return answers.not_the_contract(self.operation, status, found, paid=self.paid)


class _BearerToken(AuthBase):
    """Sets the token on a request. As an ``AuthBase``, so that no ``~/.netrc`` entry replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _FailedTryError(Exception):
    """A try that failed, and whether the call may be sent again."""

    def __init__(self, error: MiniMaxError, *, repeatable: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.repeatable = repeatable


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

    def send(self, call: Call) -> Any:
        """Send a call and return the decoded answer.

        :raises MiniMaxError: whatever else comes of it.
        """
        budget = retries.CREATE_BUDGET if call.paid else retries.READ_BUDGET
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
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.auth = _BearerToken(self._settings.token)
        session.headers["Accept"] = "application/json"
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
        return retries.pause(state.attempt_number, status=failed.error.status, retry_after=failed.error.retry_after)

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
            # Not by the session, whose merging of its settings with those of a request is felt on a long walk, too.
            request = requests.Request(
                call.method,
                self._settings.base_url + call.path,
                params=call.params,
                json=call.json,
                data=call.upload,
                headers={**self._session.headers, **({"Content-Type": call.content_type} if call.content_type else {})},
                auth=self._session.auth,
                cookies=self._session.cookies,
            )
            sent = time.time()
            response = self._session.send(
                request.prepare(),
                timeout=(self._settings.connect_timeout, self._settings.read_timeout),
                allow_redirects=False,
                stream=True,
            )
            offset = clock.offset_of(response.headers.get("Date"), sent, time.time())
            self.clock_offset = self.clock_offset if offset is None else offset
            # At one go: in the pieces of 10 kB that the library would read, a large page takes noticeably longer.
            body = b"".join(response.iter_content(_PIECE))
        except requests.RequestException as error:
            no_answer = _without_answer(call, error)
        if no_answer is not None:
            raise no_answer
        return self._read(call, response, body)

    def _read(self, call: Call, response: requests.Response, body: bytes) -> Any:
        status = response.status_code
        if not 200 <= status < 300:
            error = answers.error_for(
                call.operation,
                status,
                response.headers,
                self._without_token(body),
                paid=call.paid,
                now=datetime.now(UTC),
            )
            raise _FailedTryError(error, repeatable=retries.may_repeat(status=status, sent=True, paid=call.paid))
        if not call.body_matters:
            return None
        try:
            return loads(body)
        except ValueError:
            found = f"the answer is {answers.message_of(None, self._without_token(body))}"
            error = call.not_the_contract(found, status)
            raise _FailedTryError(error, repeatable=not call.paid) from None

    def _without_token(self, body: bytes) -> bytes:
        # A service, or a proxy before it, may quote the token in its message.
        return body.replace(self._settings.token.encode(), b"***")


def _is_repeatable(failed: BaseException) -> bool:
    return isinstance(failed, _FailedTryError) and failed.repeatable


def _failure_of(state: tenacity.RetryCallState) -> _FailedTryError:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, _FailedTryError):
        raise TypeError("only a failed try is ever repeated")
    return failed


def _without_answer(call: Call, error: requests.RequestException) -> _FailedTryError:
    """Return what it means that a request got no whole answer."""
    sent = not _never_left(error)
    what = _describe(error) if sent else f"{_describe(error)}; nothing was sent"
    failure = answers.not_the_contract(call.operation, None, what, paid=call.paid and sent)
    return _FailedTryError(failure, repeatable=retries.may_repeat(status=None, sent=sent, paid=call.paid))


def _never_left(error: requests.RequestException) -> bool:
    """Tell whether a request certainly did not reach the service."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError | requests.exceptions.InvalidURL):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, TLSError):
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError)


def _describe(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the connect time-out"
    if isinstance(error, requests.ReadTimeout):
        return "no answer within the read time-out"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed"
    if _never_left(error):
        return "the service cannot be reached"
    return f"the connection broke before the whole answer came ({type(error).__name__})"
