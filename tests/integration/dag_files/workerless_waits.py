"""Waits that begin and end in the triggerer, for every way in which an id can come, and tasks that take the results."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

IN_THE_TRIGGERER: dict[str, Any] = {
    "start_from_trigger": True,
    "end_from_trigger": True,
    "poke_interval": 1,
    "timeout": timedelta(minutes=5),
}

with DAG(
    dag_id="workerless_waits",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"image": Param("", type="string"), "bad": Param("", type="string"), "stuck": Param("", type="string")},
) as dag:

    @task
    def made(dag_run: Any) -> list[str]:
        return list(dag_run.conf["ids"])

    @task
    def file_id(image: dict[str, str]) -> str:
        return image["fileID"]

    @task
    def file_ids(images: Any) -> list[str]:
        return [image["fileID"] for image in images]

    ids = made()
    template = MiniMaxImageSensor(task_id="template", image_id="{{ params.image }}", **IN_THE_TRIGGERER)
    conf = MiniMaxImageSensor(task_id="conf", image_id="{{ dag_run.conf['ids'] }}", **IN_THE_TRIGGERER)
    pulled = MiniMaxImageSensor(task_id="pulled", image_id="{{ ti.xcom_pull(task_ids='made')[0] }}", **IN_THE_TRIGGERER)
    ids >> pulled
    xcom = MiniMaxImageSensor(task_id="xcom", image_id=ids, **IN_THE_TRIGGERER)
    mapped = MiniMaxImageSensor.partial(task_id="mapped", **IN_THE_TRIGGERER).expand(image_id=ids)

    listed = MiniMaxImageSensor.partial(task_id="listed", **IN_THE_TRIGGERER).expand(
        image_id=["{{ params.image }}", "{{ params.bad }}"]
    )
    file_id.override(task_id="use_template")(template.output)
    file_ids.override(task_id="use_xcom")(xcom.output)
    file_ids.override(task_id="use_mapped")(mapped.output)
    file_id.override(task_id="use_each").expand(image=conf.output)

    # What a worker has to end, or to begin.
    MiniMaxImageSensor(task_id="moderated", image_id="{{ params.bad }}", **IN_THE_TRIGGERER)
    MiniMaxImageSensor(task_id="skipped", image_id="{{ params.bad }}", soft_fail=True, **IN_THE_TRIGGERER)
    MiniMaxImageSensor(task_id="late", image_id="{{ params.stuck }}", **{**IN_THE_TRIGGERER, "timeout": 4})
    MiniMaxImageSensor(task_id="computed", image_id=ids.map(lambda image_id: image_id), **IN_THE_TRIGGERER)
