"""Creates in a running Airflow: its worker or its triggerer is killed, time runs out, the service has no capacity, and
a user ends or clears the task.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import RunningAirflow, until

CANCEL = "POST /videos/cancel"
WORKER, TRIGGERER = "paid_once_in_the_worker", "paid_once_in_the_triggerer"
EACH, IN_TIME, CAPACITY = "paid_once_for_each", "paid_once_in_time", "paid_once_there_is_room"
ONE_START, OUTLET = "paid_once_with_one_start", "paid_once_with_an_outlet"

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

    def until_over(self, dag_id: str, run_id: str) -> None:
        """Wait until the run has succeeded: Airflow loses a clear while it is about to mark the run as successful."""
        until(lambda: self._airflow.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"] == "success")

    def until_in_triggerer(self, dag_id: str, run_id: str) -> None:
        """Wait until the triggerer runs the wait; if the task ends before that, Airflow calls no ``on_kill``."""
        log = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create/logs/1"
        until(lambda: "Waiting for 1 video" in json.dumps(self._airflow.get(log)))

    def ids(self, prompt: str) -> list[str]:
        """Return the videos of a prompt, in the order of their creation."""
        return [video["videoId"] for video in self._all_videos() if video["desc"] == prompt]

    def _all_videos(self) -> list[dict[str, Any]]:
        """Return the videos as the service lists them, account by account, oldest first."""
        client = MiniMaxClient(Settings(self._sandbox.token, self._sandbox.base_url))
        pages = [client.list_videos(100, account=account) for account in self._sandbox.accounts]
        return [video for page in pages for video in reversed(page)]

    def video(self, prompt: str) -> str:
        """Wait for the first video of a prompt; return its id."""
        until(lambda: bool(self.ids(prompt)))
        return self.ids(prompt)[0]

    def videos(self, prompt: str) -> int:
        return len(self.ids(prompt))

    def is_running(self, video_id: str) -> bool:
        return any(video["videoId"] == video_id and not video["statusFinal"] for video in self._all_videos())

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        self._airflow.patch(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/create", {"new_state": state})

    def clear(self, dag_id: str, run_id: str) -> None:
        body = {"dry_run": False, "task_ids": ["create"], "dag_run_id": run_id, "only_failed": False}
        self._airflow.post(f"dags/{dag_id}/clearTaskInstances", body)


def test_a_create_is_paid_once_in_a_running_airflow(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    sandbox.reset(replace(sandbox.config, max_jobs=20, accounts=2))
    runs = Runs(airflow, sandbox)
    _, second = sandbox.accounts

    # All at once; each is named for what happens to it. First those that hold no worker for long.
    blocking = sandbox.create_video("in the way [hold]", account=second)
    no_capacity = runs.start(CAPACITY, "no capacity", account=second)
    twice = runs.start(EACH, "submitted twice [hold]")
    lost_triggerer = runs.start(TRIGGERER, "lost triggerer [hold]")
    marked_deferred = runs.start(TRIGGERER, "marked while deferred [hold]")
    cleared_deferred = runs.start(TRIGGERER, "cleared while deferred [hold]")
    cleared_success = runs.start(TRIGGERER, "cleared after success")
    one_start = runs.start(ONE_START, "one start")
    outlet = runs.start(OUTLET, "an outlet")
    moderated = runs.start(ONE_START, "moderated [moderate]")
    timed_out = runs.start(IN_TIME, "timed out [hold]")
    marked = runs.start(WORKER, "marked [hold]")
    cleared = runs.start(WORKER, "cleared [hold]")
    lost_worker = runs.start(WORKER, "lost worker [hold]")

    # No capacity: the task is rescheduled, and submits once there is.
    runs.until_state(CAPACITY, no_capacity, "up_for_reschedule")
    assert runs.videos("no capacity") == 0
    sandbox.release(blocking)

    # A user ends a task that waits on its worker: its video is cancelled.
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

    # A user clears one that waits: the video is cancelled, and another is submitted.
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

    # A user clears one that has succeeded: another is submitted. And once more.
    for submitted in (2, 3):
        runs.until_over(TRIGGERER, cleared_success)
        runs.clear(TRIGGERER, cleared_success)
        until(lambda submitted=submitted: runs.videos("cleared after success") == submitted)  # type: ignore[misc]

    # A worker is lost: nothing is cancelled, and the retry resumes the video.
    video = runs.video("lost worker [hold]")
    os.kill(runs.task(WORKER, lost_worker)["pid"], signal.SIGKILL)
    until(lambda: runs.task(WORKER, lost_worker)["try_number"] > 1)
    sandbox.release(video)
    runs.until_state(WORKER, lost_worker, "success")
    assert airflow.xcom(WORKER, lost_worker, "create")["videoId"] == video

    # Its execution times out: likewise.
    video = runs.video("timed out [hold]")
    until(lambda: runs.task(IN_TIME, timed_out)["try_number"] > 1)
    sandbox.release(video)
    runs.until_state(IN_TIME, timed_out, "success")
    assert airflow.xcom(IN_TIME, timed_out, "create")["videoId"] == video

    # The one that was cleared on its worker has submitted again.
    until(lambda: runs.videos("cleared [hold]") == 2)
    again = runs.ids("cleared [hold]")[-1]
    sandbox.release(again)
    runs.until_state(WORKER, cleared, "success")

    # A triggerer is lost: the next one resumes. Tasks with the same prompt have a video each.
    until(lambda: runs.videos("submitted twice [hold]") == 2)
    until(lambda: airflow.states(EACH, twice, "create")["deferred"] == 2)
    video = runs.video("lost triggerer [hold]")
    runs.until_state(TRIGGERER, lost_triggerer, "deferred")
    held = [video, *runs.ids("submitted twice [hold]")]
    airflow.replace("triggerer", meanwhile=lambda: [sandbox.release(one) for one in held])
    runs.until_state(TRIGGERER, lost_triggerer, "success")
    assert airflow.xcom(TRIGGERER, lost_triggerer, "create")["videoId"] == video
    until(lambda: airflow.states(EACH, twice, "create")["success"] == 2)

    # One that ends well in the triggerer takes one start of a worker; any other end, and an outlet, take another.
    for dag_id, run_id, state, starts in (
        (ONE_START, one_start, "success", 1),
        (OUTLET, outlet, "success", 2),
        (ONE_START, moderated, "failed", 2),
    ):
        runs.until_state(dag_id, run_id, state)
        # On a slow machine the scheduler may still lose an attempt.
        is_lost = runs.task(dag_id, run_id)["try_number"] > 1
        assert is_lost or airflow.worker_starts(dag_id, run_id)["create"] == starts
    made = airflow.xcom(ONE_START, one_start, "create")
    assert made["videoId"] == runs.ids("one start")[0]
    assert airflow.links(ONE_START, one_start, "create") == {"Open media": made["url"]}
    (event,) = airflow.get("assets/events")["asset_events"]
    assert event["source_run_id"] == outlet

    runs.until_state(CAPACITY, no_capacity, "success")
    runs.until_state(TRIGGERER, cleared_success, "success")
    submitted_for = {
        "no capacity": 1,
        "submitted twice [hold]": 2,
        "lost triggerer [hold]": 1,
        "one start": 1,
        "an outlet": 1,
        "moderated [moderate]": 1,
        "marked while deferred [hold]": 1,
        "cleared while deferred [hold]": 2,
        "cleared after success": 3,
        "timed out [hold]": 1,
        "marked [hold]": 1,
        "cleared [hold]": 2,
        "lost worker [hold]": 1,
    }
    assert {prompt: runs.videos(prompt) for prompt in submitted_for} == submitted_for
    assert sandbox.stats.creates["videos"] == sum(submitted_for.values())
    assert sandbox.stats.count(CANCEL) == 4
