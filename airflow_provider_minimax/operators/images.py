"""Operators that list, export and create images."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError, MiniMaxJobFailedError
from airflow_provider_minimax.api.fields import parameters
from airflow_provider_minimax.api.jobs import media_url
from airflow_provider_minimax.api.validation import PAGE_SIZE, at_least_one, one_of
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.compat import AirflowSkipException
from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.operators.create import MiniMaxCreateOperator
from airflow_provider_minimax.polling.wait_spec import check_require

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_minimax.api.filters import PointInTime
    from airflow_provider_minimax.api.pagination import Image, Page

log = logging.getLogger(__name__)

_ON_EMPTY: Final = ("return", "skip", "fail")
_ON_MEDIA_ERROR: Final = ("fail", "skip")
_MODES: Final = ("snapshot", "sync")


class MiniMaxListImagesOperator(MiniMaxBaseOperator):
    """Lists images of an account, newest first.

    The service has no filters, so the list is walked and filtered here, until ``limit`` images match, the walk is
    older than ``created_from``, or the list ends.

    :param limit: maximum number of images returned, after the filters.
    :param statuses: status labels to keep, such as ``["completed"]``; None for all. Templated.
    :param created_from: keep images created at or after this time (datetime or ISO string, UTC where it names no
        zone; or epoch milliseconds). Templated.
    :param created_to: keep images created before this time. Templated.
    :param max_scanned: maximum number of images read; None for no limit. To reach it before ``limit`` is an error.
    :param check_total: an end of the list before as many images as the service counts is an error. Turn it off where
        the service's ``total`` counts more than the list can show.
    :param on_empty: what no match means: ``"return"`` an empty list, ``"skip"`` the task, or ``"fail"`` it.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account; defaults to the connection's, and is required by the service where
        several are configured. Templated.
    :return: (XCom) a list of compact images: ``imageId``, ``fileID``, ``status``, ``statusLabel``,
        ``statusFinal``, ``createTime`` (epoch milliseconds), ``modelID``, ``aspectRatio``, ``batchID``, ``desc``,
        ``url``.
    :raises MiniMaxScanLimitError: ``max_scanned`` is reached, and images that were not read may match; never retried.
    :raises MiniMaxShortListError: the list ends too early; a retry reads it again.
    """

    template_fields: Sequence[str] = (
        "statuses",
        "created_from",
        "created_to",
        *MiniMaxBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        limit: int = 30,
        statuses: Collection[str] | None = None,
        created_from: PointInTime = None,
        created_to: PointInTime = None,
        max_scanned: int | None = None,
        check_total: bool = True,
        on_empty: str = "return",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        at_least_one("limit", limit)
        if max_scanned is not None:
            at_least_one("max_scanned", max_scanned)
        one_of("on_empty", on_empty, _ON_EMPTY)
        self.limit = limit
        self.statuses = statuses
        self.created_from = created_from
        self.created_to = created_to
        self.max_scanned = max_scanned
        self.check_total = check_total
        self.on_empty = on_empty

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow passes it
        """Walk the list and return the matching images."""
        from airflow_provider_minimax.api.filters import Selection, select_pages
        from airflow_provider_minimax.api.jobs import compact
        from airflow_provider_minimax.export.progress import WalkProgress

        selection = Selection.parse(self.statuses, self.created_from, self.created_to)
        page_size = PAGE_SIZE if selection != Selection() else min(self.limit, PAGE_SIZE)
        client = self.hook.get_conn().with_list_checks(check_total=self.check_total)
        found: list[dict[str, Any]] = []
        scanned = 0
        progress = WalkProgress(verb="matching")
        self._check_stopped()
        with self._interruptible():
            pages = self._until_killed(client.iter_pages(page_size=page_size))
            for chosen in select_pages(pages, selection, self.limit, self.max_scanned):
                found += [compact(image) for image in chosen.images]
                scanned = chosen.scanned
                progress.update(scanned, len(found), chosen.total)
        log.info("Found %s among the %s read.", count(len(found), "matching image"), f"{scanned:,}")
        if not found:
            self._report_empty(scanned)
        return found

    def _until_killed(self, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            self._check_stopped()
            yield page

    def _report_empty(self, scanned: int) -> None:
        message = f"None of the {scanned:,} images read matches statuses, created_from and created_to."
        if self.on_empty == "skip":
            raise AirflowSkipException(message)
        if self.on_empty == "fail":
            raise MiniMaxError(f"{message} A retry will look again.")


class MiniMaxExportImagesOperator(MiniMaxBaseOperator):
    """Exports images of an account to a folder: rows in parts, their files, a page to look at, and a manifest.

    The export is complete or absent: ``manifest.json`` is written last, and an older export in the same folder is
    deleted, its manifest first, once the first page has arrived. Whatever ends an attempt, the next one resumes after
    the last complete part and writes the same bytes as an uninterrupted export. Memory does not grow with the number
    of images. Of two exports in one folder the later one continues, and the earlier one stops.

    :param output_path: the folder, on any storage that ``ObjectStoragePath`` knows: text, a ``Path`` or an
        ``ObjectStoragePath``. Templated; what was rendered to nothing, as a whole or in a segment, is refused.
    :param file_format: ``"jsonl"`` (every field that the API sent), ``"jsonl.gz"``, ``"csv"`` (one column for each
        documented field, nested ones as JSON, undocumented ones in the last column), or ``"parquet"`` (typed; needs
        the extra ``parquet``).
    :param storage_conn_id: the Airflow connection of the storage. Templated.
    :param statuses: status labels to keep; None for all. Templated.
    :param created_from: keep images created at or after this time (datetime or ISO string, UTC where it names no
        zone; or epoch milliseconds). Templated.
    :param created_to: keep images created before this time. Templated.
    :param max_images: stop after so many images, the newest ones.
    :param part_rows: images in a part: the most that a killed attempt loses.
    :param download_media: fetch the files into ``media/``; path, size and checksum go into the row.
    :param on_media_error: ``"fail"``, or ``"skip"`` a file that cannot be fetched and list it in the manifest.
    :param contact_sheet: write ``index.html``, a page to look at the newest images.
    :param mode: ``"snapshot"`` exports from scratch. ``"sync"`` adds new images to the existing export, and
        brings up to date what was still being made or lacks its file; it does not see what was deleted from the
        account. Where the parameters, the service or the user have changed since, or a part is missing, it exports
        from scratch.
    :param csv_safe: in a CSV file, let cells that begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
        begin with an apostrophe, so that no spreadsheet takes them for a formula.
    :param allow_empty: let an empty list take the place of an export that holds images, even where the service does
        not say that it counts none.
    :param check_total: an end of the list before as many images as the service counts is an error. Turn it off where
        the service's ``total`` counts more than the list can show.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account; defaults to the connection's. Templated.
    :return: (XCom) the summary: ``path``, ``manifest``, ``images``, ``parts``, ``bytes``, ``media_files``,
        ``media_failed``, ``newest_image_id``, ``oldest_image_id``.
    :raises MiniMaxShortListError: the list ends too early, or is empty where it cannot be; a retry reads it again.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "storage_conn_id",
        "statuses",
        "created_from",
        "created_to",
        *MiniMaxBaseOperator.template_fields,
    )
    operator_extra_links = (MiniMaxMediaLink(),)
    #: Of the newest image, or of the contact sheet where a browser can open it; for the link.
    media_url: str | None = None

    def __init__(
        self,
        *,
        output_path: str | Path | ObjectStoragePath,
        file_format: str = "jsonl",
        storage_conn_id: str | None = None,
        statuses: Collection[str] | None = None,
        created_from: PointInTime = None,
        created_to: PointInTime = None,
        max_images: int | None = None,
        part_rows: int = 10_000,
        download_media: bool = False,
        on_media_error: str = "fail",
        contact_sheet: bool = False,
        mode: str = "snapshot",
        csv_safe: bool = False,
        allow_empty: bool = False,
        check_total: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        from airflow_provider_minimax.export.formats import check_format_name

        check_format_name(file_format)
        at_least_one("part_rows", part_rows)
        if max_images is not None:
            at_least_one("max_images", max_images)
        one_of("on_media_error", on_media_error, _ON_MEDIA_ERROR)
        one_of("mode", mode, _MODES)
        if mode == "sync" and max_images is not None:
            raise MiniMaxBadRequestError("mode='sync' mirrors an account; max_images makes no sense with it.")
        self.output_path = output_path
        self.file_format = file_format
        self.storage_conn_id = storage_conn_id
        self.statuses = statuses
        self.created_from = created_from
        self.created_to = created_to
        self.max_images = max_images
        self.part_rows = part_rows
        self.download_media = download_media
        self.on_media_error = on_media_error
        self.contact_sheet = contact_sheet
        self.mode = mode
        self.csv_safe = csv_safe
        self.allow_empty = allow_empty
        self.check_total = check_total

    def execute(self, context: Context) -> dict[str, Any]:
        """Walk the list and write the matching images."""
        # Here, so that reading a DAG file does not import what only a running export needs.
        from airflow_provider_minimax.api.filters import Selection
        from airflow_provider_minimax.export import contact_sheet
        from airflow_provider_minimax.export.exporter import export_images
        from airflow_provider_minimax.export.formats import format_named
        from airflow_provider_minimax.export.options import ExportPlan
        from airflow_provider_minimax.storage.folders import folder_at

        # A DAG file is also read where the libraries of its tasks are not installed.
        format_named(self.file_format)
        if self.csv_safe and self.file_format != "csv":
            raise MiniMaxBadRequestError(f"csv_safe is for file_format='csv', not {self.file_format!r}.")
        selection = Selection.parse(self.statuses, self.created_from, self.created_to)
        folder = folder_at(self.output_path, self.storage_conn_id)
        client = self.hook.get_conn().with_list_checks(check_total=self.check_total, allow_empty=self.allow_empty)
        plan = ExportPlan(
            selection=selection,
            file_format=self.file_format,
            part_rows=self.part_rows,
            max_images=self.max_images,
            account=client.settings.account,
            download_media=self.download_media,
            skip_bad_media=self.on_media_error == "skip",
            contact_sheet=self.contact_sheet,
            sync=self.mode == "sync",
            csv_safe=self.csv_safe,
            allow_empty=self.allow_empty,
        )
        summary = export_images(
            client,
            plan=plan,
            folder=folder,
            run=_run_of(context),
            check_stopped=self._check_stopped,
            on_newest=self._link_to,
        )
        if self.contact_sheet and summary["path"].startswith(("http://", "https://")):
            self.media_url = f"{summary['path'].rstrip('/')}/{contact_sheet.NAME}"
        return summary

    def _link_to(self, image: Image) -> None:
        self.media_url = media_url(image)


def _run_of(context: Context) -> str | None:
    """Return the name of the task instance, which is the same for each of its attempts."""
    ti = context.get("ti")
    return None if ti is None else f"{ti.dag_id}/{ti.task_id}/{ti.run_id}/{ti.map_index}"


class MiniMaxCreateImageOperator(MiniMaxCreateOperator):
    """Creates images, pays for them once, and waits until they are completed.

    :param prompt: what is to be seen. Templated.
    :param model: as the service names it; None for its default, ``image-01``. Templated, like every field below
        but ``quantity``.
    :param aspect_ratio: such as ``"16:9"``.
    :param quantity: 1 to 4 images; None leaves it to the service (1; midjourney models always make 4).
    :param require: succeed when ``"all"`` images are completed, as many as were requested,
        or ``"any"``.
    :param resolution: such as ``"2K"``; what there is depends on the model.
    :param quality: for ``gpt-image-2``: ``"low"``, ``"medium"``, ``"high"``.
    :param character_file_id: for ``image-01``: a face to keep to.
    :param reference_file_ids: references (``referenceFileId1``, ...). Files belong to one account, on which the
        images are then made.
    :param prompt_optimization: let the service reword the prompt.
    :param reply_url: called by the service on progress.
    :param reply_ref: sent along to ``reply_url``. Left out, one is made up, to find a lost create by; one of your
        own should be unique.
    :return: (XCom) the compact images; with ``require="any"`` those that are completed; without waiting the ids.
    """

    kind = "image"
    template_fields: Sequence[str] = (
        "prompt",
        *(field for field in parameters("image") if field != "quantity"),
        *MiniMaxCreateOperator.template_fields,
    )

    def __init__(
        self,
        *,
        prompt: str,
        model: str | None = None,
        aspect_ratio: str | None = None,
        quantity: int | None = None,
        require: str = "all",
        resolution: str | None = None,
        quality: str | None = None,
        character_file_id: str | None = None,
        reference_file_ids: Sequence[str] | str | None = None,
        prompt_optimization: bool | str | None = None,
        reply_url: str | None = None,
        reply_ref: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.require = check_require(require)
        self.prompt = prompt
        self.model = model
        self.aspect_ratio = aspect_ratio
        self.quantity = quantity
        self.resolution = resolution
        self.quality = quality
        self.character_file_id = character_file_id
        self.reference_file_ids = reference_file_ids
        self.prompt_optimization = prompt_optimization
        self.reply_url = reply_url
        self.reply_ref = reply_ref

    def _result(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        quantity = self._request().quantity
        if self.require == "all" and len(jobs) < quantity:
            raise MiniMaxJobFailedError(
                f"{quantity} images were requested, and the service made only these: "
                f"{', '.join(str(job['imageId']) for job in jobs)}. They are completed and billed: collect them by "
                "these ids, or accept them with require='any'. A retry finds the same; clear the task to submit a new "
                "job."
            )
        return jobs

    def _result_without_waiting(self, ids: tuple[str, ...]) -> list[str]:
        return list(ids)
