"""What the operators that list and export images and videos have in common."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, get_args

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.ids import parse_media_id
from airflow_provider_minimax.api.jobs import media_url
from airflow_provider_minimax.api.kinds import MediaKind
from airflow_provider_minimax.api.validation import (
    ON_EMPTY,
    PAGE_SIZE,
    at_least_one,
    empty_result,
    missing_value_error,
    one_of,
    optional_count,
    required_text,
)
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.arguments import ExportMode, OnMediaError, rendered
from airflow_provider_minimax.lineage import Data, Lineage, LineageMixin, media_of
from airflow_provider_minimax.links import MiniMaxMediaLink, browser_url, first_url
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.storage.location import plain_url

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_minimax.api.cursors import Image
    from airflow_provider_minimax.api.filters import PointInTime
    from airflow_provider_minimax.api.validation import OnEmpty
    from airflow_provider_minimax.arguments import Location, MiniMaxArguments, Templated
    from airflow_provider_minimax.assets import Made
    from airflow_provider_minimax.export.formats import FileFormat
    from airflow_provider_minimax.export.options import ExportPlan

log = logging.getLogger(__name__)


class ListMediaOperator(MiniMaxBaseOperator):
    """Lists the images or videos of an account. What its subclasses share; see there.

    :param limit: maximum number of items returned, after the filters. Templated.
    :param statuses: status labels to keep, such as ``["completed"]``, or the text of such a list; None for all.
        Templated.
    :param created_from: keep items created at or after this time (datetime or ISO string, UTC where it names no
        zone; or epoch milliseconds). Templated.
    :param created_to: keep items created before this time. Templated.
    :param max_scanned: maximum number of items read; None for no limit. To reach it before ``limit`` is an error.
    :param check_total: an end of the list before as many items as the service counts (``total``) is an error. Turn it
        off where ``total`` counts more than the list can show.
    :param on_empty: what no match means: ``"return"`` an empty list, ``"skip"`` the task, or ``"fail"`` it.
    :param account: the Hailuo account; defaults to the connection's, and is required by the service where
        several are configured. Templated.
    """

    kind: ClassVar[MediaKind]
    template_fields: Sequence[str] = (
        "limit",
        "statuses",
        "created_from",
        "created_to",
        *MiniMaxBaseOperator.template_fields,
    )
    operator_extra_links = (MiniMaxMediaLink(),)
    #: Of the newest item that has a file, for the link.
    media_url: str | None = None

    def __init__(
        self,
        *,
        limit: Templated[int | str] = 30,
        statuses: Templated[Collection[str] | str | None] = None,
        created_from: Templated[PointInTime] = None,
        created_to: Templated[PointInTime] = None,
        max_scanned: int | None = None,
        check_total: bool = True,
        on_empty: OnEmpty = "return",
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(limit, int):
            at_least_one("limit", limit)
        if max_scanned is not None:
            at_least_one("max_scanned", max_scanned)
        one_of("on_empty", on_empty, ON_EMPTY)
        self.limit = limit
        self.statuses = rendered(statuses)
        self.created_from = rendered(created_from)
        self.created_to = rendered(created_to)
        self.max_scanned = max_scanned
        self.check_total = check_total
        self.on_empty = on_empty

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow passes it
        """Walk the list and return the matching items."""
        from airflow_provider_minimax.api.filters import Selection, check_times, select_pages
        from airflow_provider_minimax.api.jobs import compact
        from airflow_provider_minimax.export.progress import WalkProgress

        kind = self.kind
        selection = Selection.parse(self.statuses, self.created_from, self.created_to)
        limit = optional_count("limit", self.limit)
        if limit is None:
            raise missing_value_error("limit", None)
        page_size = PAGE_SIZE if selection != Selection() else min(limit, PAGE_SIZE)
        client = self.hook.get_conn().with_list_checks(check_total=self.check_total)
        found: list[dict[str, Any]] = []
        scanned = 0
        progress = WalkProgress(verb="matching", items=kind.plural)
        self._check_stopped()
        with self._interruptible():
            pages = check_times(client.iter_pages(page_size=page_size, kind=kind), selection, kind)
            for chosen in select_pages(pages, selection, limit, self.max_scanned, kind):
                self._check_stopped()
                found += [compact(item, kind.name) for item in chosen.images]
                scanned = chosen.scanned
                progress.update(scanned, len(found), chosen.total)
        log.info("Found %s among the %s read.", count(len(found), f"matching {kind.name}"), f"{scanned:,}")
        self.media_url = first_url(item["url"] for item in found)
        if found:
            return found
        message = f"None of the {scanned:,} {kind.plural} read matches statuses, created_from and created_to."
        return empty_result(self.on_empty, message, MiniMaxError(f"{message} A retry will look again."))


class ExportMediaOperator(LineageMixin, MiniMaxBaseOperator):
    """Exports the images or videos of an account to a folder. What its subclasses share; see there.

    :param output_path: the folder, on any storage that ``ObjectStoragePath`` knows: text, a ``Path`` or an
        ``ObjectStoragePath``. One kind alone stands in it. Templated; what was rendered to nothing, as a whole or in a
        segment, is refused.
    :param file_format: ``"jsonl"`` (every field that the API sent), ``"jsonl.gz"``, ``"csv"`` (one column for each
        documented field, nested ones as JSON, undocumented ones in the last column), or ``"parquet"`` (typed; needs
        the extra ``parquet``). Templated.
    :param storage_conn_id: the Airflow connection of the storage. Templated.
    :param statuses: status labels to keep, or the text of their list; None for all. Templated.
    :param created_from: keep items created at or after this time (datetime or ISO string, UTC where it names no
        zone; or epoch milliseconds). Templated.
    :param created_to: keep items created before this time. Templated.
    :param max_items: the value of ``max_images`` or ``max_videos``, which a subclass keeps under that name.
    :param part_rows: items in a part: the most that a killed attempt loses.
    :param download_media: fetch the files into ``media/``; path, size and checksum go into the row.
    :param on_media_error: ``"fail"``, or ``"skip"`` a file that cannot be fetched and list it in the manifest.
    :param contact_sheet: write ``index.html``, a page to look at the newest items and play videos.
    :param mode: ``"snapshot"`` exports from scratch. ``"sync"`` adds new items to the existing export, and
        brings up to date what was still being made or lacks its file; it does not see what was deleted from the
        account. Where the parameters, the service or the user have changed since, or a part is missing, it exports
        from scratch.
    :param csv_safe: in a CSV file, let cells that begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
        begin with an apostrophe, so that no spreadsheet takes them for a formula.
    :param allow_empty: let an empty list take the place of an export that holds items, even where the service does
        not say that it counts none. (A bare array of videos never says so.)
    :param check_total: an end of the list before as many items as the service counts (``total``) is an error. Turn it
        off where ``total`` counts more than the list can show.
    """

    kind: ClassVar[MediaKind]
    template_fields: Sequence[str] = (
        "output_path",
        "file_format",
        "storage_conn_id",
        "statuses",
        "created_from",
        "created_to",
        *MiniMaxBaseOperator.template_fields,
    )
    operator_extra_links = (MiniMaxMediaLink(),)
    #: Of the newest item, or of the contact sheet where a browser can open it; for the link.
    media_url: str | None = None
    #: The result, once there is one, and the account whose list was read, if that is known.
    _summary: Mapping[str, Any] | None = None
    #: For the events of outlets.
    _newest_ids: Sequence[str] = ()
    _account: str | None = None

    def __init__(
        self,
        *,
        output_path: Templated[Location],
        file_format: Templated[FileFormat] = "jsonl",
        storage_conn_id: Templated[str | None] = None,
        statuses: Templated[Collection[str] | str | None] = None,
        created_from: Templated[PointInTime] = None,
        created_to: Templated[PointInTime] = None,
        max_items: Templated[int | str | None] = None,
        part_rows: int = 10_000,
        download_media: bool = False,
        on_media_error: OnMediaError = "fail",
        contact_sheet: bool = False,
        mode: ExportMode = "snapshot",
        csv_safe: bool = False,
        allow_empty: bool = False,
        check_total: bool = True,
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        from airflow_provider_minimax.export.formats import check_format_name

        # A constant is checked here, what a template renders to in `execute`.
        if "{" not in str(file_format):
            check_format_name(str(file_format))
        at_least_one("part_rows", part_rows)
        max_name = f"max_{self.kind.plural}"
        if isinstance(max_items, int):
            at_least_one(max_name, max_items)
        one_of("on_media_error", on_media_error, get_args(OnMediaError))
        one_of("mode", mode, get_args(ExportMode))
        if mode == "sync" and max_items is not None:
            raise MiniMaxBadRequestError(f"mode='sync' mirrors an account; {max_name} makes no sense with it.")
        self.output_path = output_path
        self.file_format = file_format
        self.storage_conn_id = rendered(storage_conn_id)
        self.statuses = rendered(statuses)
        self.created_from = rendered(created_from)
        self.created_to = rendered(created_to)
        self.part_rows = part_rows
        self.download_media = download_media
        self.on_media_error = on_media_error
        self.contact_sheet = contact_sheet
        self.mode = mode
        self.csv_safe = csv_safe
        self.allow_empty = allow_empty
        self.check_total = check_total

    def execute(self, context: Context) -> dict[str, Any]:
        """Walk the list and write the matching items."""
        # Here, so that reading a DAG file does not import what only a running export needs.
        from airflow_provider_minimax.api.filters import Selection
        from airflow_provider_minimax.export.exporter import export_images
        from airflow_provider_minimax.export.formats import format_named
        from airflow_provider_minimax.export.options import ExportPlan
        from airflow_provider_minimax.storage.folders import folder_at

        # A DAG file is also read where the libraries of its tasks are not installed.
        file_format = required_text("file_format", self.file_format)
        format_named(file_format)
        if self.csv_safe and file_format != "csv":
            raise MiniMaxBadRequestError(f"csv_safe is for file_format='csv', not {file_format!r}.")
        max_name = f"max_{self.kind.plural}"
        selection = Selection.parse(self.statuses, self.created_from, self.created_to)
        folder = folder_at(self.output_path, self.storage_conn_id)
        client = self.hook.get_conn().with_list_checks(check_total=self.check_total, allow_empty=self.allow_empty)
        self._account = client.settings.account
        plan = ExportPlan(
            kind=self.kind,
            selection=selection,
            file_format=file_format,
            part_rows=self.part_rows,
            max_images=optional_count(max_name, getattr(self, max_name)),
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
            interruptible=self._interruptible,
        )
        self._keep(folder, plan, summary)
        return summary

    def _link_to(self, item: Image) -> None:
        self.media_url = first_url([media_url(item)])

    def _keep(self, folder: ObjectStoragePath, plan: ExportPlan, summary: dict[str, Any]) -> None:
        """Keep what the link, the outlets and lineage need of the export."""
        from airflow_provider_minimax.api.cursors import image_key
        from airflow_provider_minimax.assets import MAX_IDS
        from airflow_provider_minimax.export import contact_sheet
        from airflow_provider_minimax.export.finished import read_newest

        total, path = summary[self.kind.plural], summary["path"]
        # An attempt that resumes, and a sync without news, have not seen the newest item.
        max_rows = MAX_IDS if self.outlets else int(self.media_url is None)
        rows = read_newest(folder, plan, max_rows) if max_rows and total else []
        sheet = browser_url(f"{path.rstrip('/')}/{contact_sheet.NAME}") if self.contact_sheet else None
        self.media_url = sheet or self.media_url or first_url(map(media_url, rows))
        self._summary = summary
        if newest := summary[f"newest_{self.kind.name}_id"]:
            self._account = parse_media_id(newest).account
        self._newest_ids = [key for row in rows if (key := image_key(row)) is not None]

    def _made(self, context: Context) -> Made | None:  # noqa: ARG002 - others need it
        from airflow_provider_minimax.assets import Made, event_ids

        if (summary := self._summary) is None:
            return None
        where = {"path": summary["path"], "manifest": summary["manifest"]}
        ids = event_ids(self._newest_ids, summary[self.kind.plural])
        return Made(plain_url(summary["path"]), {**where, **ids, "account": self._account})

    def _lineage(self) -> Lineage:
        from airflow_provider_minimax.export.rows import columns
        from airflow_provider_minimax.media.filenames import MEDIA

        summary = self._summary
        if summary is None:
            return Lineage()
        names, folder = columns(self.kind, media=self.download_media), plain_url(summary["path"])
        # Lines of JSON hold undocumented fields as they came.
        names = names[:-1] if str(self.file_format).startswith("jsonl") else names
        written = [Data(folder, names, summary[self.kind.plural], summary["bytes"], summary["parts"])]
        if self.download_media:
            written.append(Data(f"{folder}/{MEDIA}", files=summary["media_files"]))
        return Lineage([media_of(self._account, self.kind)] if self._account else (), written)


def _run_of(context: Context) -> str | None:
    """Return the name of the task instance, which is the same for each of its attempts."""
    ti = context.get("ti")
    return None if ti is None else f"{ti.dag_id}/{ti.task_id}/{ti.run_id}/{ti.map_index}"
