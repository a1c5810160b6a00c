"""Fifty mapped waits, a task that takes all of their results, and waits that began in the triggerer beside them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

with DAG(
    dag_id="many_waits",
    schedule=None,
    start_date=datetime(2026, 1, 1),
) as dag:

    @task
    def image_ids(dag_run: Any) -> list[str]:
        return list(dag_run.conf["ids"])

    wait = MiniMaxImageSensor.partial(
        task_id="wait", deferrable=True, poke_interval=2, timeout=timedelta(minutes=10)
    ).expand(image_id=image_ids())

    @task
    def collect(images: Any) -> list[str]:
        return [image["fileID"] for image in images]

    collect(wait.output)

    # One whose id is a constant, which Airflow knows before any task has run, and one whose id comes from the run.
    ids = {"constant": os.environ["CONSTANT_IMAGE_ID"], "template": "{{ dag_run.conf['ids'][-1] }}"}
    for name, image_id in ids.items():
        MiniMaxImageSensor(
            task_id=name,
            image_id=image_id,
            start_from_trigger=True,
            end_from_trigger=True,
            poke_interval=2,
            timeout=timedelta(minutes=10),
        )
