"""As many creates as the run says, which end on a worker, or in the triggerer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator

for dag_id, options in {
    "creates_ended_on_a_worker": {"deferrable": True},
    "creates_ended_in_the_triggerer": {"end_from_trigger": True},
}.items():
    with DAG(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks=1000):

        @task
        def prompts(dag_run: Any) -> list[str]:
            return [f"Boat {number}" for number in range(dag_run.conf["creates"])]

        # A scheduler that is late counts a task that resumes as lost; a retry resumes its job.
        MiniMaxCreateImageOperator.partial(
            task_id="create", poke_interval=5, retries=3, retry_delay=timedelta(seconds=1), **options
        ).expand(prompt=prompts())
