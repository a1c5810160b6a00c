"""How many worker processes a wait takes: counted in a running Airflow."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench._sandbox import Service
from scripts.running_airflow import ENDED, RunningAirflow, until

_DAG_FILES = Path(__file__).parent / "dag_files"
#: The tasks of the DAGs in there that wait.
_WAITING = ("constant", "template", "xcom", "mapped")
_MAPPED = 10


def worker_starts(service: Service, home: Path, dag_ids: tuple[str, ...]) -> list[dict[str, int]]:
    """Run DAGs, complete their jobs when all wait, and return how often a worker took up each kind of wait.

    :param home: a folder for the Airflow; emptied.
    :raises RuntimeError: a run did not succeed.
    """
    shutil.rmtree(home, ignore_errors=True)
    constant, *ids = service.create(1 + _MAPPED)
    variables = {"AIRFLOW_CONN_MINIMAX_DEFAULT": service.connection("minimax"), "BENCH_IMAGE_ID": constant}
    with RunningAirflow(home, dags=_DAG_FILES, variables=variables) as airflow:
        runs = [(dag_id, airflow.trigger(dag_id, ids=ids)) for dag_id in dag_ids]
        until(lambda: all(_all_wait(airflow, *run) for run in runs))
        for job_id in (constant, *ids):
            service.finish(job_id)
        until(lambda: all(airflow.run_state(*run) in ENDED for run in runs))
        for run in runs:
            if airflow.run_state(*run) != "success":
                raise RuntimeError(f"a run of {run[0]} did not succeed")
        counted = [airflow.worker_starts(*run) for run in runs]
    return [{task_id: starts[task_id] for task_id in _WAITING} for starts in counted]


def _all_wait(airflow: RunningAirflow, dag_id: str, run_id: str) -> bool:
    """Return whether all wait and the scheduler knows it: it counts a task that resumes before that as lost."""
    starts = airflow.worker_starts(dag_id, run_id)
    waiting = [
        task_id
        for task in airflow.tasks(dag_id, run_id)
        if (task_id := task["task_id"]) in _WAITING
        and task["state"] == "deferred"
        and (not starts[task_id] or airflow.has_left_its_worker(dag_id, run_id, task_id, task["map_index"]))
    ]
    return len(waiting) == len(_WAITING) - 1 + _MAPPED
