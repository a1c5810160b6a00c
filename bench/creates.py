"""What a create costs beyond the job: imports, worker CPU, requests and worker starts."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bench._measuring import Row, show
from bench._sandbox import Service, sandbox
from scripts.running_airflow import ENDED, RunningAirflow, until

RUNS = 7
CREATES = 200
#: Seconds that all of them may take together; generous for a slow machine.
_LIMIT = 1800.0
_IMPORT = """
import json, sys, time
import airflow.sdk
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator
begun = time.process_time()
from airflow_provider_minimax.operators import choose, create, delete, files, images, videos
from airflow_provider_minimax.sensors import credits, images, videos
from airflow_provider_minimax.triggers import credits, jobs, start_from_trigger, timer
print(time.process_time() - begun)
"""
#: What Airflow's CeleryExecutor needs here beside the packages of the clone, and whether it is there.
_CELERY: Mapping[str, Callable[[], object]] = {
    "redis-server": lambda: shutil.which("redis-server"),
    "apache-airflow-providers-celery": lambda: find_spec("airflow.providers.celery"),
}
_DAG_FILES = Path(__file__).parent / "dag_files"


def import_time() -> Row:
    """CPU of importing all operators, sensors and triggers, on top of ``airflow.sdk``."""
    # The first may have to compile.
    seconds = [float(_output([sys.executable, "-c", _IMPORT])) for _ in range(RUNS + 1)][1:]
    found = statistics.median(seconds) * 1000
    return Row("import of all operators, sensors and triggers, ms", f"{found:.0f}", "<= 40", found <= 40)


def worker_cpu(service: Service) -> list[Row]:
    """CPU of the workers of one deferred create, less that of an empty deferrable operator."""
    command = [sys.executable, "-m", "bench._deferred", service.url, service.token, str(RUNS)]
    pairs = [json.loads(line) for line in _output(command).splitlines() if line.startswith("{")]
    rows = []
    for name, words in (("create", "ended on a worker"), ("end_from_trigger", "end_from_trigger")):
        added = statistics.median(pair[name] - pair["empty"] for pair in pairs) * 1000
        rows.append(
            Row(f"worker CPU of a deferred create less that of an empty one, {words}, ms", f"{added:.0f}", "", None)
        )
    return rows


def worker_starts() -> list[Row]:
    """How often a worker starts for creates that defer, and how long all of them take."""
    executor, rows = choose_executor()
    home = Path(os.environ["AIRFLOW_HOME"]) / "running"
    shutil.rmtree(home, ignore_errors=True)
    with sandbox(images=100, step_seconds=1) as service:
        variables = {
            "AIRFLOW_CONN_MINIMAX_DEFAULT": service.connection("minimax"),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(CREATES),
        }
        with RunningAirflow(home, dags=_DAG_FILES, variables=variables, executor=executor) as airflow:
            for dag_id, bound in (("creates_ended_on_a_worker", None), ("creates_ended_in_the_triggerer", CREATES)):
                begun, before = time.monotonic(), service.requests()
                run_id = airflow.trigger(dag_id, creates=CREATES)
                until(partial(_has_ended, airflow, dag_id, run_id), airflow.check, limit=_LIMIT)
                seconds, sent = time.monotonic() - begun, service.requests() - before
                if airflow.run_state(dag_id, run_id) != "success":
                    raise RuntimeError(f"the run of {dag_id} did not succeed")
                of_task = {"dag_id": dag_id, "run_id": run_id, "task_id": "create", "event": "running", "limit": 1}
                starts = airflow.get("eventLogs", **of_task)["total_entries"]
                what = f"worker starts of {CREATES} {dag_id}, {executor}"
                text = f"{starts} in {seconds:.0f} s, {sent} requests"
                is_kept = None if bound is None else starts <= bound
                rows.append(Row(what, text, f"<= {bound}" if bound else "", is_kept))
    return rows


def choose_executor() -> tuple[str, list[Row]]:
    """Return Airflow's CeleryExecutor; where it cannot run, its LocalExecutor, and a row that names what is missing."""
    missing = [name for name, is_there in _CELERY.items() if not is_there()]
    if not missing:
        return "CeleryExecutor", []
    return "LocalExecutor", [Row("creates on CeleryExecutor", f"not installed: {', '.join(missing)}", "stated", None)]


def _has_ended(airflow: RunningAirflow, dag_id: str, run_id: str) -> bool:
    return airflow.run_state(dag_id, run_id) in ENDED


def _output(command: list[str]) -> str:
    # As workers do, Python keeps what it has compiled.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> bool:
    """Measure and print; return whether every bound was kept."""
    rows = [import_time()]
    with sandbox(images=100) as service:
        rows += worker_cpu(service)
    return show("Creates", rows + worker_starts())
