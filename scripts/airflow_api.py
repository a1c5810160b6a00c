"""The public API of a running Airflow."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import requests

#: Seconds that anything awaited here may take.
LIMIT = 600.0

#: States of a run or a task instance that change no more.
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowApi:
    """Reads and changes a running Airflow.

    :param url: of its API server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def log_in(self) -> None:
        """Get a token; Airflow's simple auth manager gives one to everybody."""
        self._session.headers["Authorization"] = f"Bearer {self._call('GET', '/auth/token').json()['access_token']}"

    # DAG runs

    def trigger(self, dag_id: str, **conf: object) -> str:
        """Start a run of a DAG, once its file is read; return its id."""
        until(lambda: dag_id in self.dag_ids(), self.check)
        return str(self.post(f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def dag_ids(self) -> set[str]:
        """Return the ids of the DAGs whose files are read."""
        return {dag["dag_id"] for dag in self.get("dags", limit=100)["dags"]}

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

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task has returned."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.get(path)["value"]
        return json.loads(value) if isinstance(value, str) and value.startswith("[") else value

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the addresses of a task's buttons by their names."""
        return dict(self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links")["extra_links"])

    def log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[str]:
        """Return the lines on the log page of a task's first attempt; the first ones say where they come from."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        return [str(line["event"]) for line in self.get(path, map_index=map_index)["content"]]

    def end_all_runs(self) -> None:
        """Fail what still runs, and return when it has ended."""
        for run in self._unfinished():
            self.patch(f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}", {"state": "failed"})
        until(lambda: not self._unfinished())

    def _unfinished(self) -> list[dict[str, Any]]:
        return list(self.get("dags/~/dagRuns", state=["running", "queued"], limit=500)["dag_runs"])

    # Requests

    def find(self, path: str) -> Any:
        """Read from the API; None for what it does not have."""
        response = self._call("GET", f"/api/v2/{path}", may_be_missing=True)
        return None if response.status_code == 404 else response.json()

    def get(self, path: str, **params: object) -> Any:
        """Read from the API."""
        return self._call("GET", f"/api/v2/{path}", params=params).json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send to the API."""
        return self._call("POST", f"/api/v2/{path}", json=body).json()

    def patch(self, path: str, body: Mapping[str, Any], **params: object) -> Any:
        """Change through the API."""
        return self._call("PATCH", f"/api/v2/{path}", json=body, params=params).json()

    def check(self) -> None:
        """Raise if there is no point in waiting any longer."""

    def _call(self, method: str, path: str, *, may_be_missing: bool = False, **options: Any) -> requests.Response:
        response = self._session.request(method, f"{self.url}{path}", timeout=LIMIT, **options)
        if not (may_be_missing and response.status_code == 404):
            response.raise_for_status()
        return response


def until(true: Callable[[], bool], check: Callable[[], None] = lambda: None, *, limit: float = LIMIT) -> None:
    """Poll until a condition holds.

    :param check: called before each poll; may raise.
    :param limit: seconds that it may take.
    :raises TimeoutError: it did not hold in time.
    """
    deadline = time.monotonic() + limit
    check()
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {limit:.0f} s")
        # Each request costs Airflow as much as a step of a run does.
        time.sleep(0.8)
        check()
