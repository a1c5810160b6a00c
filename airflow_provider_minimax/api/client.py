"""The client of the service: what can be asked of it, and what each response has to hold."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self, Unpack

from airflow_provider_minimax.api import backoff, media_types, pagination, payloads
from airflow_provider_minimax.api.cursors import Page, Position
from airflow_provider_minimax.api.error_body import error_in
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import AnyId, Kind, parse_id, read_id
from airflow_provider_minimax.api.kinds import IMAGES, MEDIA_KINDS, VIDEOS, MediaKind
from airflow_provider_minimax.api.prices import as_credits
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.api.validation import PAGE_SIZE, SAFE_PAGE_SIZE, at_least_one, quoted

#: Seconds before a list with an implausible end is fetched again.
_RECHECK_DELAY: Final = 1.0
#: Fields of an account that may be shown. The rest holds a browser session.
_ACCOUNT_FIELDS: Final = ("account", "maxJobs", "supportVideo", "supportMusic", "supportAudio", "error")
#: Characters of malformed ids that an error shows.
_MAX_QUOTED: Final = 500


class MiniMaxClient:
    """Speaks with the service on behalf of one token.

    A request that fails for a moment is retried (see ``backoff``); a create only where no job can have been
    made. Every failure is a ``MiniMaxError``. Not safe for concurrent use by several threads.

    :param settings: token, address, account and timeouts.
    :param sleep: waits between two attempts; seconds.
    """

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self._sleep = sleep
        self._check_total, self._allow_empty = True, False
        self._transport = Transport(settings, sleep)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.base_url!r}, account={self.settings.account!r})"

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the service's clock is ahead of ours, by its latest response; None until one tells."""
        return self._transport.clock_offset

    def without_retries(self) -> Self:
        """Return a client that sends each request once, for callers that pace themselves."""
        return self._with(max_attempts=1)

    def with_short_timeouts(self, connect_timeout: float, read_timeout: float) -> Self:
        """Return a client that sends each request once and with short timeouts, for a task that is being killed."""
        return self._with(max_attempts=1, connect_timeout=connect_timeout, read_timeout=read_timeout)

    def with_list_checks(self, *, check_total: bool = True, allow_empty: bool = False) -> Self:
        """Return a client whose walks through all images or videos check the end of the list like this.

        :param check_total: an end before as many images as the service counts (``total``) is an error. What it counts
            is not documented: turn this off where it counts more than the list can show.
        :param allow_empty: take an empty list for empty, whatever the service counts.
        """
        client = type(self)(self.settings, sleep=self._sleep)
        client._check_total, client._allow_empty = check_total, allow_empty
        return client

    def _with(self, **changes: Any) -> Self:
        return type(self)(replace(self.settings, **changes), sleep=self._sleep)

    # Images

    def list_images(
        self, limit: int = SAFE_PAGE_SIZE, last_image_id: str | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Return one page of images, as the API sends it (GET /images/); see ``list_page``."""
        return self.list_page(IMAGES, limit, last_image_id, account)

    def iter_images(
        self, account: str | None = None, page_size: int = PAGE_SIZE, max_images: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Iterate over all images, newest first, each once; see ``iter_pages``.

        :param max_images: stop after so many.
        """
        return self._iter_items(IMAGES, account, page_size, max_images)

    def get_image(self, image_id: AnyId) -> dict[str, Any]:
        """Return one image as the API sends it (GET /images/{imageId}).

        :raises MiniMaxNotFoundError: no such image. (A deleted one still resolves.)
        """
        return self.get_job("image", image_id)

    def delete_image(self, image_id: AnyId) -> None:
        """Delete an image from its account (DELETE /images/{imageId}). One that is deleted already is no error."""
        self.delete_job("image", image_id)

    def create_image(
        self, prompt: str, account: str | None = None, **fields: Unpack[payloads.ImageFields]
    ) -> list[str]:
        """Create images and return their ids, one for each (POST /images/create). Costs credits.

        :param fields: see ``payloads.ImageFields``.
        :raises MiniMaxUnknownOutcomeError: the response was lost; the images may have been created.
        """
        return self._create("image", prompt, account, fields)

    # Either kind

    def list_page(
        self, kind: MediaKind, limit: int, after: str | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Return one page of a list, newest first, with its items under ``images``.

        The list of videos is documented as a bare array; an object that wraps it, as for images, is read as well.

        :param limit: items asked for; the service may return fewer.
        :param after: the item after which the page begins.
        :param account: defaults to the client's account.
        """
        at_least_one("limit", limit)
        call = Call("GET", kind.path, params=self._params(account, **{"limit": limit, kind.cursor: after}))
        page = self._send(call) if kind is VIDEOS else self._object(call)
        if not isinstance(page, dict):
            page = {kind.plural: page}
        items = _objects(call, page.get(kind.plural), kind.plural)
        return page if kind is IMAGES else {**page, "images": items}

    def iter_pages(
        self,
        account: str | None = None,
        page_size: int = PAGE_SIZE,
        after: Position | None = None,
        *,
        check_end: bool = True,
        kind: MediaKind = IMAGES,
    ) -> Iterator[Page]:
        """Walk through all images or videos of the account, newest first, page by page, each once.

        A page that fails is repeated on its own. Memory does not grow with the walk.

        :param page_size: items asked for at a time. Where the service refuses that many, the documented
            default of 30 is used.
        :param after: the place where an earlier walk ended, to resume from.
        :param check_end: compare the end with the service's count, and look twice at an empty list. Not for a caller
            that looks for some images: a count that is wrong must not end its search.
        :raises MiniMaxUpstreamError: the service does not move on.
        :raises MiniMaxShortListError: the list ends before as many images as the service counts; see
            ``with_list_checks``.
        """
        at_least_one("page_size", page_size)
        # With one image a page, a service that repeats the cursor image would never move.
        size = max(page_size, 2)
        fetch = pagination.PageFetcher(lambda size, cursor: self.list_page(kind, size, cursor, account), size).fetch
        end = None
        if check_end:
            end = pagination.EndCheck(
                first_page=lambda: fetch(None),
                wait=lambda: self._sleep(_RECHECK_DELAY),
                check_total=self._check_total,
                allow_empty=self._allow_empty,
            )
        if after is not None:
            return pagination.resume_walk(after, fetch, end, kind)
        return pagination.walk(fetch(None), fetch, end, kind)

    def _iter_items(
        self, kind: MediaKind, account: str | None, page_size: int, maximum: int | None
    ) -> Iterator[dict[str, Any]]:
        if maximum is not None:
            at_least_one(f"max_{kind.plural}", maximum)
        size = page_size if maximum is None else min(page_size, maximum)
        items = (item for page in self.iter_pages(account, size, kind=kind) for item in page.images)
        return itertools.islice(items, maximum)

    def submit(self, kind: Kind, body: Mapping[str, Any]) -> list[str]:
        """Send a create as it is and return the ids of its jobs. Costs credits.

        :param body: see ``payloads.create_body``.
        :raises MiniMaxUnknownOutcomeError: the response was lost; the jobs may have been created.
        """
        call = Call("POST", f"/{kind}s/create", json=dict(body), billable=True)
        response = self._transport.send(call)
        found = response if isinstance(response, dict) else {}
        ids = found.get("imageIds") if kind == "image" else [found.get("videoId")]
        if not isinstance(ids, list) or not any(ids):
            # Accepted, so paid for: whatever came may name the jobs in another form.
            raise call.not_the_contract(
                f"the create was accepted, but the response names no {kind} id: {quoted(response, _MAX_QUOTED)}"
            )
        return _ids(call, ids, kind)

    def _create(self, kind: Kind, prompt: str | None, account: str | None, fields: Mapping[str, Any]) -> list[str]:
        body = payloads.create_body(kind, prompt, account or self.settings.account, fields)
        payloads.check_inputs(kind, body, self.settings.check_inputs)
        return self.submit(kind, body)

    def get_job(self, kind: Kind, job_id: AnyId) -> dict[str, Any]:
        """Return one image or video as the API sends it; see ``get_image`` and ``get_video``."""
        job = read_id(job_id, kind, account=self.settings.account)
        return self._object(Call("GET", f"/{kind}s/{job.full}"))

    def delete_job(self, kind: Kind, job_id: AnyId) -> None:
        """Delete one image or video from its account, where it may have its only copy.

        For an unknown id the service responds as if it had deleted something; where it says that there is nothing of
        this id, the outcome is the same.
        """
        job = read_id(job_id, kind, account=self.settings.account)
        with contextlib.suppress(MiniMaxNotFoundError):
            self._transport.send(Call("DELETE", f"/{kind}s/{job.full}", body_matters=False))

    def iter_job_pages(
        self, kind: Kind, account: str | None, page_size: int = PAGE_SIZE
    ) -> Iterator[list[dict[str, Any]]]:
        """Walk through the images or videos of an account, newest first, page by page.

        For who looks for some of them: the end of the list is not checked against the service's count.
        """
        pages = self.iter_pages(account, page_size, check_end=False, kind=MEDIA_KINDS[kind])
        return (page.images for page in pages)

    # Videos

    def create_video(
        self, prompt: str | None = None, account: str | None = None, **fields: Unpack[payloads.VideoFields]
    ) -> str:
        """Create a video and return its id (POST /videos/create). Costs credits.

        :param fields: see ``payloads.VideoFields``.
        :raises MiniMaxUnknownOutcomeError: the response was lost; the video may have been created.
        """
        return self._create("video", prompt, account, fields)[0]

    def get_video(self, video_id: AnyId) -> dict[str, Any]:
        """Return one video as the API sends it (GET /videos/{videoId}).

        :raises MiniMaxNotFoundError: no such video; most often moderation removed it.
        """
        return self.get_job("video", video_id)

    def list_videos(
        self, limit: int = SAFE_PAGE_SIZE, last_video_id: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """Return one page of videos, as the API sends them (GET /videos/); see ``list_page``."""
        videos: list[dict[str, Any]] = self.list_page(VIDEOS, limit, last_video_id, account)["images"]
        return videos

    def iter_videos(
        self, account: str | None = None, page_size: int = PAGE_SIZE, max_videos: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Iterate over all videos, newest first, each once; see ``iter_pages``.

        :param max_videos: stop after so many.
        """
        return self._iter_items(VIDEOS, account, page_size, max_videos)

    def delete_video(self, video_id: AnyId) -> None:
        """Delete a video from its account (DELETE /videos/{videoId}). One that is deleted already is no error.

        The vendor's page of this call was not available: that it works as for images is an assumption.
        """
        self.delete_job("video", video_id)

    def cancel_video(self, video_id: AnyId) -> None:
        """Ask the service to cancel a video (POST /videos/cancel). It attempts to; images have no cancel."""
        video = read_id(video_id, "video", account=self.settings.account)
        self._transport.send(Call("POST", "/videos/cancel", json={"videoId": video.full}, body_matters=False))

    # Files, accounts

    def upload_file(
        self, path: str | Path, account: str | None = None, *, check_stopped: Callable[[], None] = lambda: None
    ) -> str:
        """Upload a picture, sound or video and return its file id (POST /files/).

        Costs nothing, so it is repeated like a read. The body is the raw file. Its size extends the read timeout.

        :param path: a png, jpeg, webp, mp3, wav or mp4 file.
        :param check_stopped: called for each piece that is sent; what it raises ends the upload.
        :raises MiniMaxBadRequestError: another kind of file, or none that can be read.
        """
        source = Path(path)
        try:
            file = media_types.CheckedFile(source, check_stopped)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MiniMaxBadRequestError(f"{source} cannot be read: {reason}.") from None
        with file:
            head = file.read(media_types.MAGIC_BYTES)
            kind = media_types.upload_type(head)
            if kind is None:
                raise MiniMaxBadRequestError(f"{source}: {media_types.why_not_uploaded(head)}.")
            timeout = backoff.upload_timeout(source.stat().st_size, self.settings.read_timeout)
            call = Call("POST", "/files/", params=self._params(account), upload=file, content_type=kind)
            return _ids(call, [self._with(read_timeout=timeout)._object(call).get("fileID")], "file")[0]

    def list_accounts(self) -> dict[str, dict[str, Any]]:
        """Return the configured Hailuo accounts, safe fields only (GET /accounts)."""
        call = Call("GET", "/accounts")
        accounts = self._object(call)
        if accounts and not any(isinstance(config, dict) for config in accounts.values()):
            raise call.not_the_contract(
                "the response names no accounts, so it is not the API's", settings=self.settings
            )
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
        call = Call("GET", "/scheduler/")
        return _objects(call, self._send(call), "running jobs")

    def list_available(self) -> list[dict[str, Any]]:
        """Return the accounts that have room for a video (GET /scheduler/available)."""
        call = Call("GET", "/scheduler/available")
        return _objects(call, self._object(call).get("available"), "accounts")

    def get_features(self, account: str | None = None) -> dict[str, Any]:
        """Return credits and limits of an account (GET /features/)."""
        return self._object(Call("GET", "/features/", params=self._params(account)))

    def get_credits(self, account: str | None = None) -> float:
        """Return the credits that an account has left (``totalCredits`` of GET /features/)."""
        call = Call("GET", "/features/", params=self._params(account))
        total = as_credits(self._object(call).get("totalCredits"))
        if total is None:
            raise call.not_the_contract("the response holds no number of credits", settings=self.settings)
        return total

    def _params(self, account: str | None, **params: str | int | None) -> dict[str, str | int]:
        given = {"account": account or self.settings.account, **params}
        return {name: value for name, value in given.items() if value is not None}

    def _send(self, call: Call) -> Any:
        document = self._transport.send(call)
        words = error_in(document) if isinstance(document, dict) else None
        if words:
            found = f"the response is an error, but its status is 200: {words}"
            raise call.not_the_contract(found, settings=self.settings)
        return document

    def _object(self, call: Call) -> dict[str, Any]:
        document = self._send(call)
        if not isinstance(document, dict):
            raise call.not_the_contract(
                f"the response is not an object: {quoted(document, _MAX_QUOTED)}", settings=self.settings
            )
        return document


def _objects(call: Call, found: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not set(map(type, found)) <= {dict}:
        raise call.not_the_contract(f"the response holds no list of {what}")
    return found


def _ids(call: Call, found: list[Any], kind: Kind) -> list[str]:
    """Return the ids that a response names, if all of them are valid.

    Those of a create may stand for jobs that are paid for, so the error quotes what came, for a person to look up.
    """
    if not any(found):
        raise call.not_the_contract(f"the response names no {kind} id")
    try:
        return [parse_id(one, kind).full for one in found]
    except MiniMaxBadRequestError:
        found = found if len(found) > 1 else found[0]
    raise call.not_the_contract(f"the response names what is no {kind} id: {quoted(found, _MAX_QUOTED)}")
