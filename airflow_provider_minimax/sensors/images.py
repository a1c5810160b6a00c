"""The sensor that waits for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_minimax.sensors.base import MiniMaxJobSensor

if TYPE_CHECKING:
    from airflow_provider_minimax.arguments import Ids, JobArguments


class MiniMaxImageSensor(MiniMaxJobSensor):
    """Waits until images are completed, and returns them.

    A failure of the service that may pass (429, 5xx, no connection) ends the wait after ten failed rounds in a row;
    401 ends it at once, and so do 402, 403 and 596 in response to its own ids, and a bug of the provider.
    ``soft_fail``, ``never_fail``, ``silent_fail`` and ``timeout`` mean the same whether the sensor pokes, is
    rescheduled or is deferred. It never cancels a job.

    :param image_id: a full image id, a compact image, a list of these, or a list of lists (the results of a mapped
        task). Templated; text that a template renders of any of them will do.
    :param require: with a list, succeed when ``"all"`` images are completed, or ``"any"``.
    :param on_empty: what an empty list means: ``"fail"`` the task, ``"skip"`` it, or ``"return"`` an empty list.
    :param accept_statuses: final statuses that count as success beside ``completed``: ``"moderated"``, ``"failed"``.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account that the images have to belong to; without it, any: an id names its account.
        Templated.
    :param poke_interval: seconds between two rounds, 10 by default; not less than 1, and a little jitter comes on top.
    :param timeout: seconds until the wait fails with ``AirflowSensorTimeout``, which Airflow does not retry; 30 min
        by default.
    :param deferrable: wait in the triggerer, where all waits of an account share one poll. ``exponential_backoff``
        and ``max_wait`` have no effect there.
    :param start_from_trigger: start in the triggerer, without a worker (Airflow 3.3; before it, like ``deferrable``).
        It resolves constants, templates, results of tasks and mapped ids; a worker starts the wait if it cannot.
    :param end_from_trigger: end a successful task in the triggerer, with the same XCom. A failed one ends on a worker,
        and so does one with ``outlets``, ``multiple_outputs``, ``do_xcom_push=False`` or the result of the DAG, and
        each where a plugin of this Airflow listens to tasks.
    :return: (XCom) the compact image, or the list of them in the order of ``image_id``; with ``require="any"`` those
        that are completed.
    :raises MiniMaxModeratedError: an image was moderated.
    :raises MiniMaxJobFailedError: an image failed.
    :raises MiniMaxNotFoundError: an image does not exist.
    """

    kind = "image"
    template_fields: Sequence[str] = ("image_id", "minimax_conn_id", "account")

    def __init__(self, *, image_id: Ids, **kwargs: Unpack[JobArguments]) -> None:
        super().__init__(**kwargs)
        self.image_id = image_id
