"""Operators for files: upload one to the service, download those of jobs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import AUTO
from airflow_provider_minimax.api.ids import parse_id, parse_media_ids
from airflow_provider_minimax.api.jobs import COMPLETED, MODERATED, Job, media_url, outcome, status_label, unknown_end
from airflow_provider_minimax.api.validation import ON_EMPTY, empty_result, one_of, optional_text
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.lineage import Data, Lineage, LineageMixin, data_of
from airflow_provider_minimax.links import MiniMaxMediaLink, browser_url, first_url
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.storage.location import plain_url, required_location

if TYPE_CHECKING:
    from typing import Any

    from airflow.sdk import Context

    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.api.validation import OnEmpty
    from airflow_provider_minimax.arguments import Ids, Location, MiniMaxArguments, Templated
    from airflow_provider_minimax.assets import Made

log = logging.getLogger(__name__)

_CHUNK: Final = 1024 * 1024
#: Seconds for one attempt to read such a file from an address.
_MAX_SECONDS: Final = 3600.0


class MiniMaxUploadFileOperator(MiniMaxBaseOperator):
    """Uploads a picture, a sound or a video, for a create to refer to.

    It costs nothing, so a retry just uploads again. The file belongs to one account, and whatever is made with it is
    made on that account.

    A kill stops it before the next piece of the file is read or sent.

    :param source_path: a png, jpeg, webp, mp3, wav or mp4 file, on the worker, on any storage that
        ``ObjectStoragePath`` knows, or at an https address: text, a ``Path`` or an ``ObjectStoragePath``. Templated;
        what was rendered to nothing, as a whole or in a segment, is refused. No credentials are sent to an address,
        whose query, perhaps a signature, is not logged.
    :param storage_conn_id: the Airflow connection of that storage. Templated.
    :param allow_private_addresses: let an https address, and those that it redirects to, lie in a private network or
        on the worker itself. Off by default: a prompt or a ``conf`` that names the address must not read what only the
        worker can.
    :param account: the Hailuo account to upload to; required by the service where several are configured. Templated.
    :return: (XCom) the file id.
    """

    template_fields: Sequence[str] = ("source_path", "storage_conn_id", *MiniMaxBaseOperator.template_fields)
    #: The most bytes to copy from a storage or an address: the vendor's page for POST /files/ speaks of up to 5 GB.
    max_bytes: int = 5 * 10**9

    def __init__(
        self,
        *,
        source_path: Templated[Location],
        storage_conn_id: Templated[str | None] = None,
        allow_private_addresses: bool = False,
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.source_path = source_path
        self.storage_conn_id = rendered(storage_conn_id)
        self.allow_private_addresses = allow_private_addresses

    def execute(self, context: Context) -> str:  # noqa: ARG002 - Airflow passes it
        """Upload."""
        if self.account == AUTO:
            raise errors.MiniMaxBadRequestError(
                "A file is of use to one account only: name it. (A create with account='auto' follows its files.)"
            )
        client = self.hook.get_conn()
        source = required_location("source_path", self.source_path)
        with self._interruptible(), self._local_copy(source, client.settings) as path:
            file_id = client.upload_file(path, check_stopped=self._check_stopped)
        wanted = client.settings.account
        owner = parse_id(file_id, "file").account
        if wanted not in (None, owner):
            # Nothing was paid, and a create on the account that was asked for would refuse it.
            raise errors.MiniMaxUpstreamError(
                f"{file_id} was uploaded to account {owner} instead of {wanted}. A retry uploads again."
            )
        log.info("Uploaded %s as %s.", _without_query(source), file_id)
        return file_id

    @contextmanager
    def _local_copy(self, source: str, settings: Settings) -> Iterator[Path]:
        """Yield the file as a local one: a retried request reads it again."""
        conn_id = optional_text("storage_conn_id", self.storage_conn_id)
        if "://" not in source and conn_id is None:
            yield Path(source)
            return
        with tempfile.TemporaryDirectory(prefix="minimax-") as folder:
            copy = Path(folder) / "upload"
            if source.partition("://")[0].lower() in ("http", "https"):
                self._copy_from_web(source, conn_id, copy, settings)
            else:
                self._copy_from_storage(source, conn_id, copy)
            yield copy

    def _copy_from_storage(self, source: str, conn_id: str | None, copy: Path) -> None:
        from airflow_provider_minimax.storage.errors import reading_errors
        from airflow_provider_minimax.storage.folders import path_at

        path = path_at("source_path", source, conn_id)
        with copy.open("wb") as local, reading_errors("source_path", path), path.open("rb") as remote:
            while piece := remote.read(_CHUNK):
                self._check_stopped()
                local.write(piece)
                if local.tell() > self.max_bytes:
                    raise errors.MiniMaxBadRequestError(
                        f"source_path {path} is larger than the {self.max_bytes:,} bytes that the service takes."
                    )

    def _copy_from_web(self, url: str, conn_id: str | None, copy: Path, settings: Settings) -> None:
        from airflow_provider_minimax.media.filenames import MediaError, TransientMediaError
        from airflow_provider_minimax.media.web import WebReader

        shown = _without_query(url)
        if conn_id is not None:
            raise errors.MiniMaxBadRequestError(
                f"storage_conn_id={conn_id!r} is of no use for {shown}: no credentials are sent to an https address."
            )
        reader = WebReader(
            settings,
            ("https",),
            max_bytes=self.max_bytes,
            max_seconds=_MAX_SECONDS,
            check=self._check_stopped,
            sleep=self.hook.sleep,
            public_only=not self.allow_private_addresses,
        )

        def take(pieces: Iterator[bytes]) -> None:
            with copy.open("wb") as local:
                local.writelines(pieces)

        try:
            reader.read(url, shown, take)
        except TransientMediaError as error:
            raise errors.MiniMaxError(f"source_path {shown} was not read: {error}. A retry reads it again.") from None
        except MediaError as error:
            raise errors.MiniMaxBadRequestError(f"source_path {shown} cannot be read: {error}.") from None


def _without_query(source: str) -> str:
    """Return an address as it may be logged."""
    return source.partition("?")[0]


class MiniMaxDownloadOperator(LineageMixin, MiniMaxBaseOperator):
    """Downloads the files of images and videos that are completed.

    The links that the service gives may not live for long, so they are asked for here and now. No token is sent to
    where they point. A file appears when it is whole, under a name that holds its account, its kind, its id and the
    start of its checksum; files of an earlier attempt are checked and not fetched again. The folder may be shared
    with other tasks, so what a killed worker has left half-written on a local disk (``.minimax-*.unfinished``) stays.

    A kill stops it before the next piece, and no file appears after it.

    :param ids: full ids or compact dicts of images and videos: one, a list, or a list of lists (the results of a mapped
        task). Templated; text that a template renders of any of them will do.
    :param output_path: the folder, on any storage that ``ObjectStoragePath`` knows: text, a ``Path`` or an
        ``ObjectStoragePath``. Templated; what was rendered to nothing, as a whole or in a segment, is refused.
    :param storage_conn_id: the Airflow connection of the storage. Templated.
    :param on_empty: what an empty list means: ``"fail"`` the task, ``"skip"`` it, or ``"return"`` an empty list.
    :param account: the Hailuo account that the ids have to belong to; defaults to the connection's. Templated.
    :return: (XCom) a list of ``id``, ``path``, ``bytes``, ``sha256``, in the order asked.
    :raises MiniMaxModeratedError: there is no file, and there will be none.
    :raises MiniMaxJobFailedError: the same.
    """

    template_fields: Sequence[str] = ("ids", "output_path", "storage_conn_id", *MiniMaxBaseOperator.template_fields)
    operator_extra_links = (MiniMaxMediaLink(),)
    #: Of the first file where a browser can open it, else of the first job at the service; for the link.
    media_url: str | None = None
    #: The result, once there is one, and the folder of the files.
    _downloaded: Sequence[dict[str, Any]] = ()
    _folder: str = ""

    def __init__(
        self,
        *,
        ids: Ids,
        output_path: Templated[Location],
        storage_conn_id: Templated[str | None] = None,
        on_empty: OnEmpty = "fail",
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        one_of("on_empty", on_empty, ON_EMPTY)
        self.ids = ids
        self.output_path = output_path
        self.storage_conn_id = rendered(storage_conn_id)
        self.on_empty = on_empty

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow passes it
        """Fetch, several at a time."""
        # Here, so that reading a DAG file does not import what only a running download needs.
        from airflow_provider_minimax.export.media_rows import wait_for_result
        from airflow_provider_minimax.media.downloader import MediaDownloader
        from airflow_provider_minimax.media.filenames import MediaError, download_stem
        from airflow_provider_minimax.storage.errors import storage_errors
        from airflow_provider_minimax.storage.folders import folder_at, storage_at

        asked = parse_media_ids(self.ids, "ids", self.account)
        if not asked:
            message = "ids is an empty list: there is nothing to download."
            return empty_result(self.on_empty, f"Skipped: {message}", errors.MiniMaxBadRequestError(message))
        client = self.hook.get_conn()
        storage = storage_at(folder_at(self.output_path, self.storage_conn_id))
        with storage_errors(storage.folder):
            storage.prepare()
        self._check_stopped()
        with self._interruptible():
            jobs = [client.get_job(one.kind, one.full) for one in asked]
        for one, job in zip(asked, jobs, strict=True):
            _check_finished(one.full, job)
        found: list[dict[str, Any]] = []
        with MediaDownloader(
            client.settings, storage, below="", stem=download_stem, check_stopped=self._check_stopped
        ) as fetcher:
            for one, coming in zip(asked, [fetcher.submit(job) for job in jobs], strict=True):
                try:
                    saved = wait_for_result(coming, self._check_stopped)
                except MediaError as error:
                    raise errors.MiniMaxUpstreamError(
                        f"The file of {one.full} was not fetched: {error}. A retry fetches what is missing."
                    ) from None
                found.append(
                    {"id": one.full, "path": storage.url(saved.path), "bytes": saved.bytes, "sha256": saved.sha256}
                )
        self.media_url = browser_url(found[0]["path"]) or first_url(map(media_url, jobs))
        self._downloaded, self._folder = found, str(storage.folder)
        log.info("Downloaded %s (%s bytes) to %s.", count(len(found), "file"), f"{self._size:,}", storage.folder)
        return found

    @property
    def _size(self) -> int:
        return sum(row["bytes"] for row in self._downloaded)

    def _made(self, context: Context) -> Made | None:  # noqa: ARG002 - others need it
        from airflow_provider_minimax.assets import Made, event_ids

        if not self._downloaded:
            return None
        ids = event_ids((row["id"] for row in self._downloaded), len(self._downloaded))
        return Made(plain_url(self._folder), {"path": self._folder, **ids, "bytes": self._size})

    def _lineage(self) -> Lineage:
        if not self._downloaded:
            return Lineage()
        files = Data(plain_url(self._folder), bytes=self._size, files=len(self._downloaded))
        return Lineage(data_of(row["id"] for row in self._downloaded), [files])


def _check_finished(job_id: str, job: Job) -> None:
    end = outcome(job)
    if end is None:
        raise errors.MiniMaxUpstreamError(f"{job_id} is {status_label(job)}: it has no file yet. A retry asks again.")
    if end != COMPLETED:
        kind = errors.MiniMaxModeratedError if end == MODERATED else errors.MiniMaxJobFailedError
        raise kind(f"{job_id} is {unknown_end(job) or status_label(job)}: it has no file, and a retry finds none.")
