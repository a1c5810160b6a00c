"""One video for each way of waiting, as told by the run."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

for dag_id, options in {
    "paid_once_in_the_worker": {"deferrable": False},
    "paid_once_in_the_triggerer": {"deferrable": True},
}.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        default_args={"retries": 3, "retry_delay": timedelta(seconds=1), "poke_interval": 1, **options},
    ):
        MiniMaxCreateVideoOperator(task_id="create", prompt="{{ dag_run.conf['prompt'] }}")
