"""Creates in a running Airflow: its worker and its triggerer are killed, time runs out, there is no room, and a person
ends or clears the task.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import RunningAirflow, until

CANCEL = "POST /videos/cancel"
WORKER, TRIGGERER = "paid_once_in_the_worker", "paid_once_in_the_triggerer"
EACH, IN_TIME, ROOM = "paid_once_for_each", "paid_once_in_time", "paid_once_there_is_room"

pytestmark = pytest.mark.slow


class Runs:
    """Runs of a DAG with one task, ``create``."""

    def __init__(self, running: RunningAirflow, sandbox: Sandbox) -> None:
        self._airflow, self._sandbox = running, sandbox

    def start(self, dag_id: str, prompt: str, account: str | None = None) -> str:
        return self._airflow.trigger(dag_id, prompt=prompt, account=account or self._sandbox.accounts[0])

    def task(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return dict(self._airflow.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create"))

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.task(dag_id, run_id)["state"])

    def until_state(self, dag_id: str, run_id: str, state: str) -> None:
        until(lambda: self.state(dag_id, run_id) == state)

    def until_in_triggerer(self, dag_id: str, run_id: str) -> None:
        """Wait until the triggerer has taken the task up; ended before that, Airflow tells nobody of it."""
        log = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create/logs/1"
        until(lambda: "Waiting for 1 video" in json.dumps(self._airflow.get(log)))

    def ids(self, prompt: str) -> list[str]:
        """Return the videos of a prompt, in the order of their creation."""
        return [
            account.renderer.full_id("video", number)
            for account in self._sandbox._context.state.accounts
            for number, video in enumerate(account.videos)
            if video.prompt == prompt
        ]

    def video(self, prompt: str) -> str:
        """Wait for the first video of a prompt; return its id."""
        until(lambda: bool(self.ids(prompt)))
        return self.ids(prompt)[0]

    def videos(self, prompt: str) -> int:
        return len(self.ids(prompt))

    def is_running(self, video_id: str) -> bool:
        state = self._sandbox._context.state
        job = state.find_job(video_id)
        return job is not None and job.running(state.now)

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        self._airflow.patch(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create", {"new_state": state})

    def clear(self, dag_id: str, run_id: str) -> None:
        body = {"dry_run": False, "task_ids": ["create"], "dag_run_id": run_id, "only_failed": False}
        self._airflow.post(f"dags/{dag_id}/clearTaskInstances", body)


def test_a_create_is_paid_once_in_a_running_airflow(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    sandbox.reset(replace(sandbox.config, max_jobs=20, accounts=2))
    runs = Runs(airflow, sandbox)
    _, second = sandbox.accounts

    # All at once: what is done to each is told by its name. At first those that hold no worker for long.
    blocking = sandbox.create_video("in the way [hold]", account=second)
    without_room = runs.start(ROOM, "without room", account=second)
    twice = runs.start(EACH, "ordered twice [hold]")
    lost_triggerer = runs.start(TRIGGERER, "lost triggerer [hold]")
    marked_deferred = runs.start(TRIGGERER, "marked while deferred [hold]")
    cleared_deferred = runs.start(TRIGGERER, "cleared while deferred [hold]")
    cleared_success = runs.start(TRIGGERER, "cleared after success")
    timed_out = runs.start(IN_TIME, "timed out [hold]")
    marked = runs.start(WORKER, "marked [hold]")
    cleared = runs.start(WORKER, "cleared [hold]")
    lost_worker = runs.start(WORKER, "lost worker [hold]")

    # There is no room: the task lets go of its worker, and orders once there is.
    runs.until_state(ROOM, without_room, "up_for_reschedule")
    assert runs.videos("without room") == 0
    sandbox.release(blocking)

    # A person ends a task that waits in its worker: its video is cancelled.
    video = runs.video("marked [hold]")
    runs.until_state(WORKER, marked, "running")
    runs.mark(WORKER, marked, "failed")
    until(lambda: not runs.is_running(video))
    assert runs.videos("marked [hold]") == 1

    # ... or in the triggerer.
    video = runs.video("marked while deferred [hold]")
    runs.until_in_triggerer(TRIGGERER, marked_deferred)
    runs.mark(TRIGGERER, marked_deferred, "failed")
    until(lambda: not runs.is_running(video))
    assert runs.videos("marked while deferred [hold]") == 1

    # A person clears one that waits: the video is cancelled, and another is ordered.
    runs.until_in_triggerer(TRIGGERER, cleared_deferred)
    runs.until_state(WORKER, cleared, "running")
    for dag_id, run_id, prompt in (
        (TRIGGERER, cleared_deferred, "cleared while deferred [hold]"),
        (WORKER, cleared, "cleared [hold]"),
    ):
        video = runs.video(prompt)
        runs.clear(dag_id, run_id)
        until(lambda video=video: not runs.is_running(video))  # type: ignore[misc]
    until(lambda: runs.videos("cleared while deferred [hold]") == 2)
    assert sandbox.stats.count(CANCEL) == 4

    # A person clears one that has succeeded: another is ordered. And once more.
    for ordered in (2, 3):
        runs.until_state(TRIGGERER, cleared_success, "success")
        runs.clear(TRIGGERER, cleared_success)
        until(lambda ordered=ordered: runs.videos("cleared after success") == ordered)  # type: ignore[misc]

    # A worker is lost: nothing is cancelled, and the retry takes the video up.
    video = runs.video("lost worker [hold]")
    os.kill(runs.task(WORKER, lost_worker)["pid"], signal.SIGKILL)
    until(lambda: runs.task(WORKER, lost_worker)["try_number"] > 1)
    sandbox.release(video)
    runs.until_state(WORKER, lost_worker, "success")
    assert airflow.xcom(WORKER, lost_worker, "create")["videoId"] == video

    # Its time is over: likewise.
    video = runs.video("timed out [hold]")
    until(lambda: runs.task(IN_TIME, timed_out)["try_number"] > 1)
    sandbox.release(video)
    runs.until_state(IN_TIME, timed_out, "success")
    assert airflow.xcom(IN_TIME, timed_out, "create")["videoId"] == video

    # The one that was cleared in its worker has ordered again.
    until(lambda: runs.videos("cleared [hold]") == 2)
    again = runs.ids("cleared [hold]")[-1]
    sandbox.release(again)
    runs.until_state(WORKER, cleared, "success")

    # A triggerer is lost: the next one goes on. Tasks that order the same have a video each.
    until(lambda: runs.videos("ordered twice [hold]") == 2)
    until(lambda: airflow.states(EACH, twice, "create")["deferred"] == 2)
    video = runs.video("lost triggerer [hold]")
    runs.until_state(TRIGGERER, lost_triggerer, "deferred")
    held = [video, *runs.ids("ordered twice [hold]")]
    airflow.replace("triggerer", meanwhile=lambda: [sandbox.release(one) for one in held])
    runs.until_state(TRIGGERER, lost_triggerer, "success")
    assert airflow.xcom(TRIGGERER, lost_triggerer, "create")["videoId"] == video
    until(lambda: airflow.states(EACH, twice, "create")["success"] == 2)

    runs.until_state(ROOM, without_room, "success")
    runs.until_state(TRIGGERER, cleared_success, "success")
    ordered_for = {
        "without room": 1,
        "ordered twice [hold]": 2,
        "lost triggerer [hold]": 1,
        "marked while deferred [hold]": 1,
        "cleared while deferred [hold]": 2,
        "cleared after success": 3,
        "timed out [hold]": 1,
        "marked [hold]": 1,
        "cleared [hold]": 2,
        "lost worker [hold]": 1,
    }
    assert {prompt: runs.videos(prompt) for prompt in ordered_for} == ordered_for
    assert sandbox.stats.creates["videos"] == sum(ordered_for.values())
    assert sandbox.stats.count(CANCEL) == 4
