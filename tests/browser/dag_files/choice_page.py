"""Tasks in which a person chooses among the media of the run's configuration, one DAG for each kind of choice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator

#: The parameters of the task, by DAG.
CHOICES: dict[str, dict[str, Any]] = {
    "choose_one": {},
    "choose_several": {"multiple": True},
    "choose_or_generate_again": {"again_task_id": "again"},
    "choose_in_time": {"again_task_id": "again", "defaults": 2, "response_timeout": timedelta(seconds=1)},
}

for dag_id, parameters in CHOICES.items():
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), max_active_runs=100):
        choose = MiniMaxChooseOperator(
            task_id="choose", media="{{ dag_run.conf.media }}", subject="{{ dag_run.conf.subject }}", **parameters
        )
        choose >> [EmptyOperator(task_id="use"), EmptyOperator(task_id="again")]
