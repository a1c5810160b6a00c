"""Waits on jobs that come as a constant, by a template, by XCom and mapped: with no worker, and with the usual ones."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

for dag_id, options in {
    "waits_in_the_triggerer": {"start_from_trigger": True, "end_from_trigger": True},
    "waits_deferred_by_a_worker": {"deferrable": True},
}.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        default_args={"poke_interval": 1, **options},
    ):

        @task
        def made(dag_run: Any) -> list[str]:
            return list(dag_run.conf["ids"])

        MiniMaxImageSensor(task_id="constant", image_id=os.environ["BENCH_IMAGE_ID"])
        MiniMaxImageSensor(task_id="template", image_id="{{ dag_run.conf['ids'] }}")
        ids = made()
        MiniMaxImageSensor(task_id="xcom", image_id=ids)
        MiniMaxImageSensor.partial(task_id="mapped").expand(image_id=ids)
