"""One video for each way of waiting and of being interrupted, as told by the run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset

from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

PROMPT = "{{ dag_run.conf['prompt'] }}"


def dag(dag_id: str, **defaults: Any) -> DAG:
    """Return a DAG that only a person starts, with tasks that are soon retried."""
    defaults = {
        "account": "{{ dag_run.conf['account'] }}",
        "retries": 3,
        "retry_delay": timedelta(seconds=1),
        "poke_interval": 1,
        "deferrable": False,
    } | defaults
    return DAG(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1), default_args=defaults)


with dag("paid_once_in_the_worker"):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT)

with dag("paid_once_in_the_triggerer", deferrable=True):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT)

with dag("paid_once_for_each", deferrable=True):
    MiniMaxCreateVideoOperator.partial(task_id="create").expand(prompt=[PROMPT, PROMPT])

with dag("paid_once_in_time", execution_timeout=timedelta(seconds=10)):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT)

with dag("paid_once_there_is_room", minimax_conn_id="minimax_impatient", timeout=20):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT, max_jobs=1)

# The scheduler loses a task whose trigger fires before it has seen the end of its worker, which is then started again.
with dag("paid_once_with_one_start", end_from_trigger=True, poke_interval=5):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT)

with dag("paid_once_with_an_outlet", end_from_trigger=True, poke_interval=5):
    MiniMaxCreateVideoOperator(task_id="create", prompt=PROMPT, outlets=[Asset("minimax://1/videos")])
