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
    """Lists images of an account, newest first. Its parameters are those of ``ListMediaOperator``.

    The service has no filters, so the list is walked and filtered here, until ``limit`` images match, the walk is
    older than ``created_from``, or the list ends.

    :return: (XCom) a list of compact images: ``imageId``, ``fileID``, ``status``, ``statusLabel``,
        ``statusFinal``, ``createTime`` (epoch milliseconds), ``modelID``, ``aspectRatio``, ``batchID``, ``desc``,
        ``url``.
    :raises MiniMaxScanLimitError: ``max_scanned`` is reached, and images that were not read may match; never retried.
    :raises MiniMaxShortListError: the list ends too early; a retry reads it again.
    """

    kind = IMAGES


class MiniMaxExportImagesOperator(ExportMediaOperator):
    """Exports images of an account to a folder: rows in parts, their files, a page to look at, and a manifest.

    Its parameters are those of ``ExportMediaOperator``, and ``max_images``.

    The export is complete or absent: ``manifest.json`` is written last, and an older export in the same folder is
    deleted, its manifest first, once the first page has arrived. Whatever ends an attempt, the next one resumes after
    the last complete part and writes the same bytes as an uninterrupted export. Memory does not grow with the number
    of images. Of two exports in one folder the later one continues, and the earlier one stops.

    :param max_images: stop after so many images, the newest ones; None for all. Templated.
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
