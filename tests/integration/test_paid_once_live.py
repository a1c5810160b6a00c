"""Creates in a running Airflow: its worker and its triggerer are killed, and a person ends or clears the task."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.test_running_airflow import Airflow, airflow, until  # noqa: F401 - airflow is a fixture

VIDEOS = "POST /videos/create"
CANCEL = "POST /videos/cancel"
WORKER, TRIGGERER = "paid_once_in_the_worker", "paid_once_in_the_triggerer"

pytestmark = pytest.mark.slow


class Runs:
    """Runs of a DAG with one task, ``create``."""

    def __init__(self, running: Airflow, sandbox: Sandbox) -> None:
        self._airflow, self._sandbox = running, sandbox

    def start(self, dag_id: str, prompt: str) -> str:
        return self._airflow.trigger(dag_id, prompt=prompt)

    def task(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self._airflow.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create")

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.task(dag_id, run_id)["state"])

    def until_state(self, dag_id: str, run_id: str, state: str) -> None:
        until(lambda: self.state(dag_id, run_id) == state)

    def video(self, prompt: str) -> str:
        """Wait for the video of a prompt; return its id."""
        found: list[str] = []

        def there() -> bool:
            state = self._sandbox._world.state
            for account in state.accounts:
                found[:] = [
                    account.renderer.full("video", number)
                    for number, video in enumerate(account.videos)
                    if video.prompt == prompt
                ]
            return bool(found)

        until(there)
        return found[-1]

    def videos(self, prompt: str) -> int:
        return sum(
            video.prompt == prompt for account in self._sandbox._world.state.accounts for video in account.videos
        )

    def is_running(self, video_id: str) -> bool:
        state = self._sandbox._world.state
        job = state.find_job(video_id)
        return job is not None and job.running(state.now)

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        path = f"{self._airflow.url}/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/create"
        self._airflow._session.patch(path, json={"new_state": state}, timeout=30).raise_for_status()

    def clear(self, dag_id: str, run_id: str) -> None:
        body = {"dry_run": False, "task_ids": ["create"], "dag_run_id": run_id, "only_failed": False}
        path = f"{self._airflow.url}/api/v2/dags/{dag_id}/clearTaskInstances"
        self._airflow._session.post(path, json=body, timeout=30).raise_for_status()


def test_a_create_is_paid_once_in_a_running_airflow(
    sandbox: Sandbox,
    airflow: Airflow,  # noqa: F811 - the fixture
) -> None:
    sandbox.reset(replace(sandbox.config, max_jobs=10))
    runs = Runs(airflow, sandbox)

    # Six tasks at once: what is done to each is told by its name.
    lost_worker = runs.start(WORKER, "lost worker [hold]")
    marked = runs.start(WORKER, "marked [hold]")
    lost_triggerer = runs.start(TRIGGERER, "lost triggerer [hold]")
    marked_deferred = runs.start(TRIGGERER, "marked while deferred [hold]")
    cleared_deferred = runs.start(TRIGGERER, "cleared while deferred [hold]")

    # A person ends a task that waits in its worker: its video is cancelled.
    video = runs.video("marked [hold]")
    runs.until_state(WORKER, marked, "running")
    runs.mark(WORKER, marked, "failed")
    until(lambda: not runs.is_running(video))
    assert runs.videos("marked [hold]") == 1

    # ... or in the triggerer.
    video = runs.video("marked while deferred [hold]")
    runs.until_state(TRIGGERER, marked_deferred, "deferred")
    runs.mark(TRIGGERER, marked_deferred, "failed")
    until(lambda: not runs.is_running(video))
    assert runs.videos("marked while deferred [hold]") == 1

    # A person clears one: the video is cancelled, and another is ordered.
    video = runs.video("cleared while deferred [hold]")
    runs.until_state(TRIGGERER, cleared_deferred, "deferred")
    runs.clear(TRIGGERER, cleared_deferred)
    until(lambda: not runs.is_running(video))
    until(lambda: runs.videos("cleared while deferred [hold]") == 2)
    assert sandbox.stats.count(CANCEL) == 3

    # A worker is lost: nothing is cancelled, and the retry takes the video up.
    video = runs.video("lost worker [hold]")
    os.kill(runs.task(WORKER, lost_worker)["pid"], signal.SIGKILL)
    until(lambda: runs.task(WORKER, lost_worker)["try_number"] > 1)
    sandbox.release(video)
    runs.until_state(WORKER, lost_worker, "success")
    assert airflow.xcom(WORKER, lost_worker, "create")["videoId"] == video
    assert runs.videos("lost worker [hold]") == 1

    # A triggerer is lost: the next one goes on.
    video = runs.video("lost triggerer [hold]")
    runs.until_state(TRIGGERER, lost_triggerer, "deferred")
    airflow.components.kill("triggerer")
    sandbox.release(video)
    airflow.components.start_one("triggerer")
    runs.until_state(TRIGGERER, lost_triggerer, "success")
    assert airflow.xcom(TRIGGERER, lost_triggerer, "create")["videoId"] == video
    assert runs.videos("lost triggerer [hold]") == 1

    assert sandbox.stats.count(CANCEL) == 3
    assert sandbox.stats.count(VIDEOS) == 6
