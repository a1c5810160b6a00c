"""The sensor that waits for videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_minimax.sensors.base import MiniMaxJobSensor


class MiniMaxVideoSensor(MiniMaxJobSensor):
    """Waits until videos are completed, and returns them; progress shows in the log.

    Like ``MiniMaxImageSensor``, with other defaults: 30 s between two rounds, 60 min until the time-out. For a video
    that moderation has removed the service responds with 404, and the wait ends with ``MiniMaxNotFoundError``.

    :param video_id: a full video id, a compact video, a list of these, or a list of lists. Templated.
    :return: (XCom) the compact video, or the list of them in the order of ``video_id``: ``videoId``, ``status``,
        ``statusLabel``, ``statusFinal``, ``createTime``, ``modelID``, ``aspectRatio``, ``desc``, ``width``,
        ``height``, ``url``.
    """

    kind = "video"
    template_fields: Sequence[str] = ("video_id", "minimax_conn_id", "account")

    def __init__(self, *, video_id: object, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.video_id = video_id
