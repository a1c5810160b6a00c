"""The path of every request to the service: token, attempts, and what a response or its absence means."""

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

from airflow_provider_minimax import __version__, metrics
from airflow_provider_minimax.api import backoff, clock, response_body, responses
from airflow_provider_minimax.api.connection_errors import LIBRARY_FAULTS, Route, fault_of
from airflow_provider_minimax.api.error_body import message_of
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.masking import Mask
from airflow_provider_minimax.api.serialization import UnreadableError, loads
from airflow_provider_minimax.api.session import Session
from airflow_provider_minimax.api.settings import Settings, origin_of
from airflow_provider_minimax.api.wire import Wire

log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 2**20
#: The most bytes to read of an error's body: a message of the service, or a page of a proxy before it.
_MAX_ERROR_BYTES: Final = 2**20
_USER_AGENT: Final = f"airflow-provider-minimax/{__version__} apache-airflow/{version('apache-airflow-core')}"


class Call(NamedTuple):
    """One request, as each attempt sends it.

    :param path: below the base URL.
    :param upload: a raw body, of ``content_type``.
    :param billable: it creates a job that costs credits, and is repeated only if no job can have been created.
    :param body_matters: False if any body of a successful response will do.
    """

    method: Literal["DELETE", "GET", "POST"]
    path: str
    params: Mapping[str, str | int] | None = None
    json: Mapping[str, Any] | None = None
    upload: IO[bytes] | None = None
    content_type: str | None = None
    billable: bool = False
    body_matters: bool = True

    @property
    def operation(self) -> str:
        """The call's name in logs and errors."""
        return f"{self.method} {self.path}"

    @property
    def metric(self) -> str:
        """The call's name in metrics, without the id: ``get.images.id``."""
        parts = ("id" if ":" in part else part for part in self.path.split("/") if part)
        return ".".join((self.method.lower(), *parts))

    def not_the_contract(self, found: str, status: int = 200, settings: Settings | None = None) -> MiniMaxError:
        """Return the error for a successful response that breaks the service's contract.

        :param found: what came instead, in a few words.
        :param settings: names the connection and its fields.
        """
        return responses.not_the_contract(self.operation, status, found, billable=self.billable, settings=settings)


class _BearerToken(AuthBase):
    """Sets the token on a request. As an ``AuthBase``, so that no ``~/.netrc`` entry replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _FailedAttemptError(Exception):
    """A failed attempt, and whether the call may be sent again."""

    def __init__(self, error: MiniMaxError, *, repeatable: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.repeatable = repeatable


class _Response(NamedTuple):
    """A response whose body has been read.

    :param body: decompressed; of an error, with the token masked.
    :param unreadable: why the body could not be read, in a few words; empty if it was.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    unreadable: str


class Transport:
    """Sends calls to the service, and retries them as ``backoff`` allows.

    Not safe for concurrent use by several threads.

    :param settings: token, address and timeouts. Callers send the account themselves.
    :param sleep: waits between two attempts; seconds.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        #: Seconds by which the service's clock is ahead of ours, by its latest response; None until one tells.
        self.clock_offset: float | None = None
        self._mask = Mask(settings.token)
        #: The address of the proxy, with its password; empty if none is used.
        self._proxy = settings.proxy or ""
        #: Method and path of the last request without a body, and the request without its query.
        self._prepared: tuple[tuple[str, str] | None, requests.PreparedRequest] = None, requests.PreparedRequest()

    def send(self, call: Call) -> Any:
        """Send a call and return the decoded response, with the token masked in it.

        :raises MiniMaxError: anything else, after the last attempt.
        """
        started = time.monotonic()
        try:
            return self._attempt(call)
        except _FailedAttemptError as error:
            failed = error
        return self._send_again(call, failed, time.monotonic() - started)

    def _send_again(self, call: Call, failed: _FailedAttemptError, seconds: float) -> Any:
        """Repeat a call whose first attempt has failed, as far as it may be repeated.

        The first attempt goes without the library of retries, whose bookkeeping takes noticeable time for each page of
        a long list.

        :param seconds: that the first attempt has taken.
        """
        failures = [failed]

        def attempt() -> Any:
            if failures:
                raise failures.pop()
            return self._attempt(call)

        budget = backoff.CREATE_BUDGET if call.billable else backoff.READ_BUDGET
        try:
            return self._retrying(budget - seconds)(attempt)
        except _FailedAttemptError as error:
            failed = error
        # Raised outside of `except`: the context would be an exception of the HTTP library, which holds the request and
        # with it the token.
        raise failed.error

    def _retrying(self, budget: float) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_repeatable),
            wait=self._delay,
            stop=tenacity.stop_after_attempt(self._settings.max_attempts) | tenacity.stop_before_delay(budget),
            before_sleep=self._log_retry,
            sleep=self._sleep,
            reraise=True,
        )

    @cached_property
    def _wire(self) -> Wire:
        return Wire(self._settings.total_timeout, self._settings.max_response_bytes)

    @cached_property
    def _session(self) -> requests.Session:
        session = Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, self._wire)
        session.auth = _BearerToken(self._settings.token)
        session.headers["Accept"] = "application/json"
        session.headers["Accept-Encoding"] = response_body.ACCEPT_ENCODING
        session.headers["User-Agent"] = f"{_USER_AGENT} {requests.utils.default_user_agent()}"
        # Proxies and certificates of the environment, looked up once: for each request of a long walk it would
        # take noticeable time.
        settings = self._settings
        merged = session.merge_environment_settings(settings.base_url, settings.proxies, None, settings.ca_bundle, None)
        session.proxies, session.verify, session.cert = merged["proxies"], merged["verify"], merged["cert"]
        self._proxy = requests.utils.select_proxy(settings.base_url, session.proxies) or ""
        if any(" " in str(proxy) for proxy in session.proxies.values()):
            # Old releases of the library take it for the name of a host.
            raise requests.exceptions.InvalidProxyURL
        session.trust_env = False
        return session

    @staticmethod
    def _delay(state: tenacity.RetryCallState) -> float:
        failed = _failure_of(state)
        return backoff.delay(state.attempt_number, status=failed.error.status, retry_after=failed.error.retry_after)

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error, attempt, maximum = _failure_of(state).error, state.attempt_number, self._settings.max_attempts
        if attempt == 1:
            log.warning("%s Attempt 2 of %d in %.1f s.", error, maximum, state.upcoming_sleep)
        else:
            # One warning is enough for a service that stays away.
            delay = state.upcoming_sleep
            log.info("Attempt %d of %d failed as well; the next in %.1f s. %s", attempt, maximum, delay, error)

    def _attempt(self, call: Call) -> Any:
        if call.upload is not None:
            call.upload.seek(0)
        failed: _FailedAttemptError | None = None
        try:
            response = self._exchange(call)
        except LIBRARY_FAULTS as error:
            failed = self._no_response(call, error)
        status = "none" if failed else f"{response.status // 100}xx"
        metrics.count(metrics.REQUESTS, operation=call.metric, status=status)
        if failed is not None:
            raise failed
        return self._decode(call, response)

    def _exchange(self, call: Call) -> _Response:
        """Send a request once and read its response."""
        wire = self._wire
        wire.may_have_left = False
        session = self._session
        request = self._prepare(call)
        # From here on, the wire decides whether it may have left.
        wire.may_have_left = None
        sent = time.time()
        response = session.send(
            request,
            timeout=(self._settings.connect_timeout, self._settings.read_timeout),
            allow_redirects=False,
            stream=True,
            proxies=session.proxies,
        )
        offset = clock.offset_of(response.headers.get("Date"), sent, time.time())
        self.clock_offset = self.clock_offset if offset is None else offset
        return self._read(response)

    def _prepare(self, call: Call) -> requests.PreparedRequest:
        """Return the request of a call.

        Pages of a list differ only in their query, so their request is prepared once: that takes noticeable time for
        each page of a long list, and so would merging the settings of the session.
        """
        session = self._session
        # Never one with a body: whatever interrupts this, nothing else may send a create.
        key = None if call.json is not None or call.upload is not None else (call.method, call.path)
        prepared_for, prepared = self._prepared
        if key is None or key != prepared_for:
            prepared = requests.Request(
                call.method,
                self._settings.base_url + call.path,
                json=call.json,
                data=call.upload,
                headers={**session.headers, **({"Content-Type": call.content_type} if call.content_type else {})},
                auth=session.auth,
            ).prepare()
            if key is not None:
                self._prepared = key, prepared
        request = prepared.copy()
        if call.params:
            request.url = f"{request.url}?{urlencode(call.params)}"
        if session.cookies:
            request.prepare_cookies(session.cookies)
        return request

    def _read(self, response: requests.Response) -> _Response:
        """Read the body of a response within bounds."""
        is_success = _is_success(response.status_code)
        limit = self._settings.max_response_bytes if is_success else _MAX_ERROR_BYTES
        body, unreadable = b"", ""
        try:
            # In one piece: in chunks of 10 kB, as the library reads by itself, a large page takes noticeably longer.
            pieces = response.raw.stream(_CHUNK_BYTES, decode_content=False)
            body = response_body.read_body(pieces, response.headers.get("Content-Encoding", ""), limit)
        except UnreadableError as error:
            response.close()
            unreadable = str(error)
        if not is_success:
            body = self._mask.hide(body)
        return _Response(response.status_code, response.headers, body, unreadable)

    def _decode(self, call: Call, response: _Response) -> Any:
        """Return the document of a successful response; raise what any other one means."""
        if not _is_success(response.status):
            error = responses.error_for(
                call.operation,
                response.status,
                response.headers,
                response.body,
                billable=call.billable,
                now=datetime.now(UTC),
                unreadable=response.unreadable,
                mask=self._mask.hide_in_document,
                settings=self._settings,
            )
            repeatable = backoff.may_retry(status=response.status, sent=True, billable=call.billable)
            raise _FailedAttemptError(error, repeatable=repeatable)
        if not call.body_matters:
            return None
        found = response.unreadable
        if not found:
            try:
                document = loads(response.body)
                return self._mask.hide_in_document(document) if self._mask.may_be_in(response.body) else document
            except UnreadableError as error:
                found = str(error)
            except ValueError:
                found = self._mask.hide_in_text(message_of(None, self._mask.hide(response.body[:_MAX_ERROR_BYTES])))
        broken = responses.not_the_contract(
            call.operation,
            response.status,
            f"the response is {found}",
            billable=call.billable,
            settings=self._settings,
        )
        raise _FailedAttemptError(broken, repeatable=not call.billable)

    def _no_response(self, call: Call, error: Exception) -> _FailedAttemptError:
        """Return what an error of the HTTP library means for the call."""
        wire, settings = self._wire, self._settings
        is_overdue = wire.may_have_left is True and wire.is_overdue
        # Masked, too: a careless hand may have put the token into the address.
        origin = self._mask.hide_in_text(origin_of(settings.base_url))
        route = Route(origin, origin_of(self._proxy), settings.proxy is not None, settings.ca_bundle)
        fault = fault_of(error, may_have_left=wire.may_have_left, is_overdue=is_overdue, route=route)
        fault = fault._replace(words=self._mask.hide_in_text(fault.words))
        meaning = responses.no_response(call.operation, fault, route, settings, billable=call.billable)
        is_repeatable = not fault.advice and backoff.may_retry(status=None, sent=fault.sent, billable=call.billable)
        return _FailedAttemptError(meaning, repeatable=is_repeatable)


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _is_repeatable(failed: BaseException) -> bool:
    return isinstance(failed, _FailedAttemptError) and failed.repeatable


def _failure_of(state: tenacity.RetryCallState) -> _FailedAttemptError:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, _FailedAttemptError):
        raise TypeError("only a failed attempt is retried")
    return failed
