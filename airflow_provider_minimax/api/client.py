"""The client of the service: the one path on which every request leaves."""

from __future__ import annotations

import itertools
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, Self, Unpack

import requests
import tenacity
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.exceptions import SSLError as TLSError

from airflow_provider_minimax import __version__
from airflow_provider_minimax.api import answers, bodies, media_types, paging, retries, rules
from airflow_provider_minimax.api.codec import loads
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.settings import Settings

log = logging.getLogger(__name__)

Method = Literal["GET", "POST", "DELETE"]

#: Images a page that a walk asks for. The service's cap is not documented.
PAGE_SIZE: Final = 100
#: The documented default of ``limit``: accepted under every reading.
SAFE_PAGE_SIZE: Final = 30
_PIECE: Final = 2**20
#: Fields of an account that may be shown. The rest holds a browser session.
_ACCOUNT_FIELDS: Final = ("account", "maxJobs", "supportVideo", "supportMusic", "supportAudio", "error")
_USER_AGENT: Final = f"airflow-provider-minimax/{__version__} apache-airflow/{version('apache-airflow-core')}"


class _BearerToken(AuthBase):
    """Sets the token on a request. As an ``AuthBase``, so that no ``~/.netrc`` entry replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Call(NamedTuple):
    """One request, as it is sent at every try."""

    method: Method
    path: str
    params: Mapping[str, str | int] | None = None
    json: Mapping[str, Any] | None = None
    upload: IO[bytes] | None = None
    content_type: str | None = None
    paid: bool = False

    @property
    def operation(self) -> str:
        return f"{self.method} {self.path}"


class _FailedTryError(Exception):
    """A try that failed, and whether the call may be sent again."""

    def __init__(self, error: MiniMaxError, *, repeatable: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.repeatable = repeatable


class MiniMaxClient:
    """Speaks with the service on behalf of one token.

    A request that fails in passing is sent again (see ``retries``); a create only where no job can have been
    made. Whatever ends badly ends in a ``MiniMaxError``. Not for use by several threads at once.

    :param settings: token, address, account and patience.
    :param sleep: waits between two tries; seconds.
    """

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.base_url!r}, account={self.settings.account!r})"

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.auth = _BearerToken(self.settings.token)
        session.headers["Accept"] = "application/json"
        session.headers["User-Agent"] = f"{_USER_AGENT} {requests.utils.default_user_agent()}"
        # Proxies and certificates of the environment, looked up once and not for each request: on a long walk
        # that is felt.
        found = session.merge_environment_settings(self.settings.base_url, {}, None, None, None)
        session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
        session.trust_env = False
        return session

    def without_repeats(self) -> Self:
        """Return a client that tries each request once, for callers that pace themselves."""
        return type(self)(replace(self.settings, max_attempts=1), sleep=self._sleep)

    def in_a_hurry(self, connect_timeout: float, read_timeout: float) -> Self:
        """Return a client that tries each request once and does not wait long, for a task that is being killed."""
        settings = replace(self.settings, max_attempts=1, connect_timeout=connect_timeout, read_timeout=read_timeout)
        return type(self)(settings, sleep=self._sleep)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    # Images

    def list_images(
        self, limit: int = SAFE_PAGE_SIZE, last_image_id: str | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Return one page of the account's images, newest first, as the API sends it (GET /images/).

        :param limit: images asked for; the service may return fewer.
        :param last_image_id: the image to go on from.
        :param account: defaults to the client's account.
        """
        _at_least_one("limit", limit)
        call = _Call("GET", "/images/", params=self._params(account, limit=limit, lastImageId=last_image_id))
        page = self._send(call)
        images = page.get("images") if isinstance(page, dict) else None
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise answers.not_the_contract(call.operation, 200, "the answer holds no list of images", paid=False)
        return page  # type: ignore[no-any-return]

    def iter_pages(
        self, account: str | None = None, page_size: int = PAGE_SIZE, after: paging.Position | None = None
    ) -> Iterator[paging.Page]:
        """Walk through all images of the account, newest first, page by page, each image once.

        A page that fails is repeated on its own. Memory does not grow with the walk.

        :param page_size: images asked for at a time. Where the service refuses that many, the documented
            default of 30 is used.
        :param after: the place where an earlier walk ended, to go on from there.
        :raises MiniMaxUpstreamError: the service does not move on.
        """
        _at_least_one("page_size", page_size)
        # With one image a page, a service that repeats the cursor image would never move.
        fetch = _PageFetcher(self, account, max(page_size, 2)).fetch
        return paging.walk(fetch(None), fetch) if after is None else paging.walk_on(after, fetch)

    def iter_images(
        self, account: str | None = None, page_size: int = PAGE_SIZE, max_images: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Iterate over all images of the account, newest first, each once.

        :param max_images: stop after so many.
        """
        if max_images is not None:
            _at_least_one("max_images", max_images)
        size = page_size if max_images is None else min(page_size, max_images)
        images = (image for page in self.iter_pages(account, size) for image in page.images)
        return itertools.islice(images, max_images)

    def get_image(self, image_id: str) -> dict[str, Any]:
        """Return one image as the API sends it (GET /images/{imageId}).

        :raises MiniMaxNotFoundError: no such image. (A deleted one still resolves.)
        """
        image = parse_id(image_id, "image", account=self.settings.account)
        return self._object(_Call("GET", f"/images/{image.full}"))

    def create_image(self, prompt: str, account: str | None = None, **fields: Unpack[bodies.ImageFields]) -> list[str]:
        """Create images and return their ids, one for each (POST /images/create). Costs credits.

        :param fields: see ``bodies.ImageFields``.
        :raises MiniMaxUnknownOutcomeError: the answer was lost; the images may have been created.
        """
        body = bodies.image_body(prompt, account or self.settings.account, fields)
        rules.check_image(body)
        call = _Call("POST", "/images/create", json=body, paid=True)
        answer = self._object(call)
        ids = answer.get("imageIds")
        if not isinstance(ids, list) or not ids or not all(isinstance(one, str) and one for one in ids):
            raise answers.not_the_contract(call.operation, 200, "the answer names no image id", paid=True)
        return ids

    # Jobs of either kind

    def get_job(self, kind: Kind, job_id: str) -> dict[str, Any]:
        """Return one image or video as the API sends it."""
        return self.get_image(job_id) if kind == "image" else self.get_video(job_id)

    def iter_job_pages(self, kind: Kind, account: str) -> Iterator[list[dict[str, Any]]]:
        """Walk through the images or videos of an account, newest first, page by page."""
        pages = self.iter_pages(account) if kind == "image" else self._iter_video_pages(account)
        return (page.images for page in pages)

    def _iter_video_pages(self, account: str) -> Iterator[paging.Page]:
        def fetch(cursor: str | None) -> dict[str, Any]:
            return {"images": self.list_videos(PAGE_SIZE, cursor, account)}

        return paging.walk(fetch(None), fetch)

    # Videos

    def create_video(
        self, prompt: str | None = None, account: str | None = None, **fields: Unpack[bodies.VideoFields]
    ) -> str:
        """Create a video and return its id (POST /videos/create). Costs credits.

        :param fields: see ``bodies.VideoFields``.
        :raises MiniMaxUnknownOutcomeError: the answer was lost; the video may have been created.
        """
        body = bodies.video_body(prompt, account or self.settings.account, fields)
        rules.check_video(body)
        call = _Call("POST", "/videos/create", json=body, paid=True)
        video_id = self._object(call).get("videoId")
        if not isinstance(video_id, str) or not video_id:
            raise answers.not_the_contract(call.operation, 200, "the answer names no video id", paid=True)
        return video_id

    def get_video(self, video_id: str) -> dict[str, Any]:
        """Return one video as the API sends it (GET /videos/{videoId}).

        :raises MiniMaxNotFoundError: no such video; most often moderation removed it.
        """
        video = parse_id(video_id, "video", account=self.settings.account)
        return self._object(_Call("GET", f"/videos/{video.full}"))

    def list_videos(
        self, limit: int = SAFE_PAGE_SIZE, last_video_id: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """Return one page of the account's videos (GET /videos/).

        Documented as a bare array; an object that wraps it, as for images, is read as well.
        """
        _at_least_one("limit", limit)
        call = _Call("GET", "/videos/", params=self._params(account, limit=limit, lastVideoId=last_video_id))
        page = self._send(call)
        videos = page.get("videos") if isinstance(page, dict) else page
        if not isinstance(videos, list) or not all(isinstance(video, dict) for video in videos):
            raise answers.not_the_contract(call.operation, 200, "the answer holds no list of videos", paid=False)
        return videos

    def cancel_video(self, video_id: str) -> None:
        """Ask the service to cancel a video (POST /videos/cancel). It attempts to; images have no cancel."""
        video = parse_id(video_id, "video", account=self.settings.account)
        self._send(_Call("POST", "/videos/cancel", json={"videoId": video.full}), body_matters=False)

    # Files, accounts

    def upload_file(self, path: str | Path, account: str | None = None) -> str:
        """Upload a picture, sound or video and return its file id (POST /files/).

        Costs nothing, so it is repeated like a read. The body is the raw file.

        :param path: a png, jpeg, webp, mp3, wav or mp4 file.
        :raises MiniMaxBadRequestError: another kind of file, or none that can be read.
        """
        source = Path(path)
        try:
            file = source.open("rb")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MiniMaxBadRequestError(f"{source} cannot be read: {reason}.") from None
        with file:
            kind = media_types.upload_type(file.read(media_types.MAGIC_BYTES))
            if kind is None:
                raise MiniMaxBadRequestError(f"{source}: not a png, jpeg, webp, mp3, wav or mp4 file.")
            call = _Call("POST", "/files/", params=self._params(account), upload=file, content_type=kind)
            file_id = self._object(call).get("fileID")
        if not isinstance(file_id, str) or not file_id:
            raise answers.not_the_contract(call.operation, 200, "the answer names no file id", paid=False)
        return file_id

    def list_accounts(self) -> dict[str, dict[str, Any]]:
        """Return the configured Hailuo accounts, safe fields only (GET /accounts)."""
        accounts = self._object(_Call("GET", "/accounts"))
        return {
            name: {field: config[field] for field in _ACCOUNT_FIELDS if field in config}
            for name, config in accounts.items()
            if isinstance(config, dict)
        }

    def list_running(self) -> list[dict[str, Any]]:
        """Return the running jobs of all accounts that were started over this API (GET /scheduler/).

        Each names its job under ``videoId`` or ``imageId`` (an image's id is seen under both) and the
        ``replyRef`` that its create was sent with.
        """
        call = _Call("GET", "/scheduler/")
        return _objects(call, self._send(call), "running jobs")

    def list_available(self) -> list[dict[str, Any]]:
        """Return the accounts that have room for a video (GET /scheduler/available)."""
        call = _Call("GET", "/scheduler/available")
        return _objects(call, self._object(call).get("available"), "accounts")

    def get_features(self, account: str | None = None) -> dict[str, Any]:
        """Return credits and limits of an account (GET /features/)."""
        return self._object(_Call("GET", "/features/", params=self._params(account)))

    # The request path

    def _params(self, account: str | None, **params: str | int | None) -> dict[str, str | int]:
        given = {"account": account or self.settings.account, **params}
        return {name: value for name, value in given.items() if value is not None}

    def _object(self, call: _Call) -> dict[str, Any]:
        answer = self._send(call)
        if not isinstance(answer, dict):
            raise answers.not_the_contract(call.operation, 200, "the answer is not an object", paid=call.paid)
        return answer

    def _send(self, call: _Call, *, body_matters: bool = True) -> Any:
        """Send a call, again where that is right, and return the decoded answer."""
        budget = retries.CREATE_BUDGET if call.paid else retries.READ_BUDGET
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_repeatable),
            wait=self._pause,
            stop=tenacity.stop_after_attempt(self.settings.max_attempts) | tenacity.stop_before_delay(budget),
            before_sleep=self._report,
            sleep=self._sleep,
            reraise=True,
        )
        failed: _FailedTryError
        try:
            return retrying(self._attempt, call, body_matters)
        except _FailedTryError as attempt:
            failed = attempt
        # Raised out here so that no exception of the HTTP library, which knows the request and with it the
        # token, hangs on to ours as its context.
        raise failed.error

    @staticmethod
    def _pause(state: tenacity.RetryCallState) -> float:
        failed = _failure_of(state)
        return retries.pause(state.attempt_number, status=failed.error.status, retry_after=failed.error.retry_after)

    def _report(self, state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s Try %d of %d in %.1f s.",
            _failure_of(state).error,
            state.attempt_number + 1,
            self.settings.max_attempts,
            state.upcoming_sleep,
        )

    def _attempt(self, call: _Call, body_matters: bool) -> Any:
        if call.upload is not None:
            call.upload.seek(0)
        no_answer: _FailedTryError | None = None
        try:
            response = self._session.request(
                call.method,
                self.settings.base_url + call.path,
                params=call.params,
                json=call.json,
                data=call.upload,
                headers={"Content-Type": call.content_type} if call.content_type else None,
                timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                allow_redirects=False,
                stream=True,
            )
            # At one go: in the pieces of 10 kB that the library would read, a large page takes noticeably longer.
            body = b"".join(response.iter_content(_PIECE))
        except requests.RequestException as error:
            no_answer = _without_answer(call, error)
        if no_answer is not None:
            raise no_answer
        return self._read(call, response, body, body_matters)

    def _read(self, call: _Call, response: requests.Response, body: bytes, body_matters: bool) -> Any:
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
        if not body_matters:
            return None
        try:
            return loads(body)
        except ValueError:
            found = f"the answer is {answers.message_of(None, self._without_token(body))}"
            error = answers.not_the_contract(call.operation, status, found, paid=call.paid)
            raise _FailedTryError(error, repeatable=not call.paid) from None

    def _without_token(self, body: bytes) -> bytes:
        # A service, or a proxy before it, may quote the token in its message.
        return body.replace(self.settings.token.encode(), b"***")


class _PageFetcher:
    """Asks for pages of one size, or of the documented size where the first one is refused."""

    def __init__(self, client: MiniMaxClient, account: str | None, size: int) -> None:
        self._client, self._account, self._size = client, account, size
        self._is_settled = size <= SAFE_PAGE_SIZE

    def fetch(self, cursor: str | None) -> dict[str, Any]:
        try:
            page = self._client.list_images(self._size, cursor, self._account)
        except MiniMaxBadRequestError:
            if self._is_settled:
                raise
            # Where the size was not the reason, this is refused as well.
            page = self._client.list_images(SAFE_PAGE_SIZE, cursor, self._account)
            self._size = SAFE_PAGE_SIZE
        self._is_settled = True
        return page


def _objects(call: _Call, found: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise answers.not_the_contract(call.operation, 200, f"the answer holds no list of {what}", paid=False)
    return found


def _at_least_one(parameter: str, value: int) -> None:
    if value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be at least 1, not {value}.")


def _is_repeatable(failed: BaseException) -> bool:
    return isinstance(failed, _FailedTryError) and failed.repeatable


def _failure_of(state: tenacity.RetryCallState) -> _FailedTryError:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, _FailedTryError):
        raise TypeError("only a failed try is ever repeated")
    return failed


def _without_answer(call: _Call, error: requests.RequestException) -> _FailedTryError:
    """Return what it means that a request got no whole answer."""
    sent = not _never_left(error)
    what = _describe(error)
    if sent:
        failure = answers.not_the_contract(call.operation, None, what, paid=call.paid)
    else:
        failure = answers.not_the_contract(call.operation, None, f"{what}; nothing was sent", paid=False)
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
