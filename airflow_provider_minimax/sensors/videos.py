"""The sensor that waits for videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_minimax.sensors.base import MiniMaxJobSensor

if TYPE_CHECKING:
    from airflow_provider_minimax.arguments import Ids, JobArguments


class MiniMaxVideoSensor(MiniMaxJobSensor):
    """Waits until videos are completed, and returns them; progress shows in the log.

    Like ``MiniMaxImageSensor``, with other defaults. For a video that moderation has removed the service responds with
    404, and the wait ends with ``MiniMaxNotFoundError``.

    :param video_id: a full video id, a compact video, a list of these, or a list of lists. Templated.
    :param require: with a list, succeed when ``"all"`` videos are completed, or ``"any"``.
    :param on_empty: what an empty list means: ``"fail"`` the task, ``"skip"`` it, or ``"return"`` an empty list.
    :param accept_statuses: final statuses that count as success beside ``completed``: ``"moderated"``, ``"failed"``.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account that the videos have to belong to; without it, any. Templated.
    :param poke_interval: seconds between two rounds, 30 by default; not less than 1, and a little jitter comes on top.
    :param timeout: seconds until the wait fails with ``AirflowSensorTimeout``, which Airflow does not retry; 60 min
        by default.
    :param deferrable: wait in the triggerer, where all waits of an account share one poll.
    :param start_from_trigger: start in the triggerer, without a worker (Airflow 3.3; before it, like ``deferrable``).
    :param end_from_trigger: end a successful task in the triggerer, with the same XCom.
    :return: (XCom) the compact video, or the list of them in the order of ``video_id``: ``videoId``, ``status``,
        ``statusLabel``, ``statusFinal``, ``createTime``, ``modelID``, ``aspectRatio``, ``desc``, ``width``,
        ``height``, ``url``.
    """

    kind = "video"
    template_fields: Sequence[str] = ("video_id", "minimax_conn_id", "account")

    def __init__(self, *, video_id: Ids, **kwargs: Unpack[JobArguments]) -> None:
        super().__init__(**kwargs)
        self.video_id = video_id
