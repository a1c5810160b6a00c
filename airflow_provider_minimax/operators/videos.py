"""Operators that list, export and create videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_minimax.api.fields import parameters
from airflow_provider_minimax.api.jobs import compact
from airflow_provider_minimax.api.kinds import VIDEOS
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.operators.create import MiniMaxCreateOperator
from airflow_provider_minimax.operators.media_lists import ExportMediaOperator, ListMediaOperator

if TYPE_CHECKING:
    from airflow_provider_minimax.arguments import CreateArguments, ExportArguments, Ids, Templated


class MiniMaxListVideosOperator(ListMediaOperator):
    """Lists videos of an account, newest first. Its parameters are those of ``ListMediaOperator``.

    The service has no filters, so the list is walked and filtered here, until ``limit`` videos match, or the list ends.

    :param created_from: keep videos created at or after this time. The service does not document a creation time of
        videos: where the list shows none, a window is an error. Templated.
    :return: (XCom) a list of compact videos: ``videoId``, ``status``, ``statusLabel``, ``statusFinal``, ``createTime``
        (epoch milliseconds, or None), ``modelID``, ``aspectRatio``, ``desc``, ``width``, ``height``, ``url``.
    :raises MiniMaxBadRequestError: a window, and the list shows no times; never retried.
    :raises MiniMaxScanLimitError: ``max_scanned`` is reached, and videos that were not read may match; never retried.
    :raises MiniMaxShortListError: the list ends too early; a retry reads it again.
    """

    kind = VIDEOS


class MiniMaxExportVideosOperator(ExportMediaOperator):
    """Exports videos of an account to a folder: rows in parts, their files, a page to look at, and a manifest.

    Its parameters are those of ``ExportMediaOperator``, and ``max_videos``. It works as the export of images does:
    complete or absent, resumed after a kill, the same bytes each time, in memory that does not grow.

    :param created_from: keep videos created at or after this time. The service does not document a creation time of
        videos: where the list shows none, a window is an error. Templated.
    :param max_videos: stop after so many videos, the newest ones; None for all. Templated.
    :param download_media: fetch the files into ``media/``; path, size and checksum go into the row. A body that is no
        video, by its first bytes, is refused.
    :return: (XCom) the summary: ``path``, ``manifest``, ``videos``, ``parts``, ``bytes``, ``media_files``,
        ``media_failed``, ``newest_video_id``, ``oldest_video_id``.
    :raises MiniMaxBadRequestError: a window, and the list shows no times; never retried.
    :raises MiniMaxShortListError: the list ends too early, or is empty where it cannot be; a retry reads it again.
    """

    kind = VIDEOS

    template_fields: Sequence[str] = ("max_videos", *ExportMediaOperator.template_fields)

    def __init__(self, *, max_videos: Templated[int | str | None] = None, **kwargs: Unpack[ExportArguments]) -> None:
        super().__init__(max_items=max_videos, **kwargs)
        self.max_videos = max_videos


class MiniMaxCreateVideoOperator(MiniMaxCreateOperator):
    """Creates a video, pays for it once, and waits until it is completed.

    :param prompt: what is to be seen; may be left out when there is a ``file_id``. Templated.
    :param file_id: the first frame: the ``fileID`` of an image, or of an uploaded file. It belongs to one account,
        on which the video is then made. Templated.
    :param model: as the service names it; None for its default. Templated, like every field below but
        ``cancel_on_kill``.
    :param options: length and size in one word, for the models that have it, such as ``"768p-6sec"``.
    :param resolution: for Seedance models: ``"480"``, ``"720"``, ``"1080"``, ``"4K"``.
    :param duration: for Seedance models: 4 to 15 seconds.
    :param aspect_ratio: such as ``"16:9"``.
    :param end_frame_file_id: the last frame.
    :param reference_file_ids: references that follow ``file_id`` (``fileID2``, ...).
    :param video_file_ids: videos as references (``videoFileID1``, ...).
    :param audio_file_ids: sounds as references (``audioFileID1``, ...).
    :param prompt_optimization: let the service reword the prompt.
    :param reply_url: called by the service on progress.
    :param reply_ref: sent along to ``reply_url``. Left out, one is made up, to find a lost create by; one of your
        own should be unique.
    :param max_jobs: running videos that the account may have for this one to start (1 to 10).
    :param cancel_on_kill: when a user ends the task (not when its worker is lost), cancel the video.
    :return: (XCom) the compact video: ``videoId``, ``status``, ``url``, ...
    """

    kind = "video"
    template_fields: Sequence[str] = ("prompt", *parameters("video"), *MiniMaxCreateOperator.template_fields)

    def __init__(
        self,
        *,
        prompt: Templated[str | None] = None,
        file_id: Ids | None = None,
        model: Templated[str | None] = None,
        options: Templated[str | None] = None,
        resolution: Templated[str | None] = None,
        duration: Templated[int | str | None] = None,
        aspect_ratio: Templated[str | None] = None,
        end_frame_file_id: Ids | None = None,
        reference_file_ids: Ids | None = None,
        video_file_ids: Ids | None = None,
        audio_file_ids: Ids | None = None,
        prompt_optimization: Templated[bool | str | None] = None,
        reply_url: Templated[str | None] = None,
        reply_ref: Templated[str | None] = None,
        max_jobs: Templated[int | str | None] = None,
        cancel_on_kill: bool = True,
        **kwargs: Unpack[CreateArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = rendered(prompt)
        self.file_id = file_id
        self.model = model
        self.options = options
        self.resolution = resolution
        self.duration = duration
        self.aspect_ratio = aspect_ratio
        self.end_frame_file_id = end_frame_file_id
        self.reference_file_ids = reference_file_ids
        self.video_file_ids = video_file_ids
        self.audio_file_ids = audio_file_ids
        self.prompt_optimization = prompt_optimization
        self.reply_url = reply_url
        self.reply_ref = reply_ref
        self.max_jobs = max_jobs
        self.cancel_on_kill = cancel_on_kill

    def _result(self, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        return jobs[0]

    def _result_without_waiting(self, ids: tuple[str, ...]) -> dict[str, Any]:
        return compact({"videoId": ids[0], "status": 0}, "video")
