"""Operators that list, export and create images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_minimax.api.errors import MiniMaxJobFailedError
from airflow_provider_minimax.api.fields import parameters
from airflow_provider_minimax.api.kinds import IMAGES
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.operators.create import MiniMaxCreateOperator
from airflow_provider_minimax.operators.media_lists import ExportMediaOperator, ListMediaOperator
from airflow_provider_minimax.polling.wait_spec import check_require

if TYPE_CHECKING:
    from airflow_provider_minimax.arguments import CreateArguments, ExportArguments, Ids, Templated
    from airflow_provider_minimax.polling.wait_spec import Require


class MiniMaxListImagesOperator(ListMediaOperator):
    """Lists images of an account, newest first.

    The service has no filters, so the list is walked and filtered here, until ``limit`` images match, the walk is
    older than ``created_from``, or the list ends.

    :param limit: maximum number of images returned, after the filters. Templated.
    :param statuses: status labels to keep, such as ``["completed"]``, or the text of such a list; None for all.
        Templated.
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

    kind = IMAGES


class MiniMaxExportImagesOperator(ExportMediaOperator):
    """Exports images of an account to a folder: rows in parts, their files, a page to look at, and a manifest.

    The export is complete or absent: ``manifest.json`` is written last, and an older export in the same folder is
    deleted, its manifest first, once the first page has arrived. Whatever ends an attempt, the next one resumes after
    the last complete part and writes the same bytes as an uninterrupted export. Memory does not grow with the number
    of images. Of two exports in one folder the later one continues, and the earlier one stops.

    :param output_path: the folder, on any storage that ``ObjectStoragePath`` knows: text, a ``Path`` or an
        ``ObjectStoragePath``. Templated; what was rendered to nothing, as a whole or in a segment, is refused.
    :param file_format: ``"jsonl"`` (every field that the API sent), ``"jsonl.gz"``, ``"csv"`` (one column for each
        documented field, nested ones as JSON, undocumented ones in the last column), or ``"parquet"`` (typed; needs
        the extra ``parquet``). Templated.
    :param storage_conn_id: the Airflow connection of the storage. Templated.
    :param statuses: status labels to keep, or the text of their list; None for all. Templated.
    :param created_from: keep images created at or after this time (datetime or ISO string, UTC where it names no
        zone; or epoch milliseconds). Templated.
    :param created_to: keep images created before this time. Templated.
    :param max_images: stop after so many images, the newest ones; None for all. Templated.
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

    kind = IMAGES

    template_fields: Sequence[str] = ("max_images", *ExportMediaOperator.template_fields)

    def __init__(self, *, max_images: Templated[int | str | None] = None, **kwargs: Unpack[ExportArguments]) -> None:
        super().__init__(max_items=max_images, **kwargs)
        self.max_images = max_images


class MiniMaxCreateImageOperator(MiniMaxCreateOperator):
    """Creates images, pays for them once, and waits until they are completed.

    :param prompt: what is to be seen. Templated.
    :param model: as the service names it; None for its default, ``image-01``. Templated, like every field below.
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
    template_fields: Sequence[str] = ("prompt", *parameters("image"), *MiniMaxCreateOperator.template_fields)

    def __init__(
        self,
        *,
        prompt: Templated[str],
        model: Templated[str | None] = None,
        aspect_ratio: Templated[str | None] = None,
        quantity: Templated[int | str | None] = None,
        require: Require = "all",
        resolution: Templated[str | None] = None,
        quality: Templated[str | None] = None,
        character_file_id: Ids | None = None,
        reference_file_ids: Ids | None = None,
        prompt_optimization: Templated[bool | str | None] = None,
        reply_url: Templated[str | None] = None,
        reply_ref: Templated[str | None] = None,
        **kwargs: Unpack[CreateArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.require = check_require(require)
        self.prompt = rendered(prompt)
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
