"""The sensor that waits for videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_minimax.sensors.base import MiniMaxJobSensor


class MiniMaxVideoSensor(MiniMaxJobSensor):
    """Waits until videos are completed, and returns them; progress shows in the log.

    Like ``MiniMaxImageSensor`` in all but the defaults: 30 s between two rounds, 60 min until the wait fails. A video
    that moderation has removed is answered with 404 by the service, and ends the wait as ``MiniMaxNotFoundError``.

    :param video_id: a full video id, or a list of them. Templated.
    :return: (XCom) the compact video, or the list of them in the order asked: ``videoId``, ``status``,
        ``statusLabel``, ``statusFinal``, ``createTime``, ``modelID``, ``aspectRatio``, ``desc``, ``width``,
        ``height``, ``url``.
    """

    kind = "video"
    template_fields: Sequence[str] = ("video_id", "minimax_conn_id", "account")

    def __init__(self, *, video_id: str | Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.video_id = video_id
