"""Waits in a running Airflow: scheduler, triggerer, workers, each a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_minimax.sandbox import Sandbox
from scripts import local_airflow
from scripts.processes import HOST, Components, get_json, is_healthy

#: Seconds that anything here may take.
LIMIT = 240.0
WAITS = 50


class Airflow:
    """A running Airflow, spoken to through its public API."""

    def __init__(self, home: Path, port: int) -> None:
        self.components = Components(port, home / "components")
        self.url = f"http://{HOST}:{port}"
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self) -> None:
        since = datetime.now(UTC)
        self.components.start()
        until(lambda: is_healthy(get_json(f"{self.url}/api/v2/monitor/health"), since))
        token = self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        return self._session.get(f"{self.url}/api/v2/{path}", timeout=30).json()

    def trigger(self, dag_id: str, **conf: object) -> str:
        until(lambda: self.get(f"dags/{dag_id}").get("is_paused") is False)
        body = {"logical_date": None, "conf": conf}
        answer = self._session.post(f"{self.url}/api/v2/dags/{dag_id}/dagRuns", json=body, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def states(self, dag_id: str, run_id: str, task_id: str) -> Counter[str]:
        found = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200")["task_instances"]
        return Counter(str(ti["state"]) for ti in found if ti["task_id"] == task_id)

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        found = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value")
        value = found["value"]
        return json.loads(value) if isinstance(value, str) and value.startswith("[") else value


def until(true: Callable[[], bool]) -> None:
    """Ask, with breath between, until something is so."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.3)


@pytest.fixture
def airflow(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    """An Airflow with a database of its own, on the DAGs of these tests and the sandbox."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    for name, value in local_airflow.environment(tmp_path, dags=Path(__file__).parent / "dag_files").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://{HOST}:{port}/execution/")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "4")
    # A triggerer that is gone is noticed soon.
    monkeypatch.setenv("AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC", "1")
    monkeypatch.setenv("AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD", "5")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(local_airflow.ROOT)]))
    local_airflow.write_secrets(tmp_path / "airflow.cfg")
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True, timeout=LIMIT)
    running = Airflow(tmp_path, port)
    try:
        running.start()
        yield running
    finally:
        running.components.stop()


def test_fifty_waits_survive_the_loss_of_their_triggerer(sandbox: Sandbox, airflow: Airflow) -> None:
    sandbox.reset(replace(sandbox.config, images=200))
    ids = [image_id for n in range(WAITS) for image_id in sandbox.create_image(f"lamp {n} [hold]")]
    run_id = airflow.trigger("many_waits", ids=ids)

    def states() -> Counter[str]:
        return airflow.states("many_waits", run_id, "wait")

    until(lambda: states()["deferred"] == WAITS)
    before = sandbox.stats.requests.copy()
    until(lambda: sandbox.stats.count("GET /images/") >= before["GET /images/"] + 5)
    asked = sandbox.stats.requests - before
    assert asked["GET /images/{id}"] <= 2, "one poll for all, and it is read from the list"

    for image_id in ids[: WAITS // 2]:
        sandbox.release(image_id)
    until(lambda: states()["success"] > 0)
    airflow.components.kill("triggerer")
    for image_id in ids[WAITS // 2 :]:
        sandbox.release(image_id)
    airflow.components.start_one("triggerer")
    until(lambda: states()["success"] == WAITS)
    until(lambda: airflow.states("many_waits", run_id, "collect")["success"] == 1)
    expected = {image["fileID"] for image in sandbox.all_images() if image["imageId"] in set(ids)}
    assert set(airflow.xcom("many_waits", run_id, "collect")) == expected


def test_a_wait_needs_no_worker(sandbox: Sandbox, airflow: Airflow) -> None:
    """Neither to begin nor to end; and what does need one gets one."""
    sandbox.reset(replace(sandbox.config, images=10, step_seconds=0.5))
    ids = [sandbox.create_image(f"lamp {n}")[0] for n in range(3)]
    (bad,) = sandbox.create_image("lamp [moderate]")
    (stuck,) = sandbox.create_image("lamp [stuck]")
    run_id = airflow.trigger("workerless_waits", ids=ids, image=ids[0], bad=bad, stuck=stuck)
    until(lambda: airflow.get(f"dags/workerless_waits/dagRuns/{run_id}")["state"] in ("success", "failed"))

    found = airflow.get(f"dags/workerless_waits/dagRuns/{run_id}/taskInstances?limit=100")["task_instances"]
    states = {f"{ti['task_id']}[{ti['map_index']}]": ti["state"] for ti in found}
    ended_badly = {name: state for name, state in states.items() if state != "success"}
    assert ended_badly == {
        "moderated[-1]": "failed",
        "skipped[-1]": "skipped",
        "late[-1]": "failed",
        "listed[1]": "failed",
    }

    files = {image["imageId"]: image["fileID"] for image in sandbox.all_images()}
    expected = [files[image_id] for image_id in ids]
    assert airflow.xcom("workerless_waits", run_id, "use_template") == expected[0]
    assert airflow.xcom("workerless_waits", run_id, "use_xcom") == expected
    assert sorted(airflow.xcom("workerless_waits", run_id, "use_mapped")) == sorted(expected)

    # A worker leaves its host name and process id at the task instance.
    worked = {f"{ti['task_id']}[{ti['map_index']}]" for ti in found if ti["pid"] is not None}
    without = {"template[-1]", "conf[-1]", "pulled[-1]", "xcom[-1]", "listed[0]"} | {f"mapped[{n}]" for n in range(3)}
    assert worked & without == set()
    assert worked >= {"moderated[-1]", "skipped[-1]", "late[-1]", "computed[-1]", "made[-1]"}
