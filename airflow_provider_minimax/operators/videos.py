"""The operator that creates videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_minimax.api.fields import parameters
from airflow_provider_minimax.api.jobs import compact
from airflow_provider_minimax.operators.create import MiniMaxCreateOperator


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
        prompt: str | None = None,
        file_id: str | None = None,
        model: str | None = None,
        options: str | None = None,
        resolution: str | None = None,
        duration: int | str | None = None,
        aspect_ratio: str | None = None,
        end_frame_file_id: str | None = None,
        reference_file_ids: Sequence[str] | str | None = None,
        video_file_ids: Sequence[str] | str | None = None,
        audio_file_ids: Sequence[str] | str | None = None,
        prompt_optimization: bool | str | None = None,
        reply_url: str | None = None,
        reply_ref: str | None = None,
        max_jobs: int | str | None = None,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
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
