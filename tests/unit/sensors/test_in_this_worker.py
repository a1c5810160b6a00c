"""A sensor that waits in its worker: because the triggerer cannot, and until it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_minimax.polling import events
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.support import ROOT, TIMEOUT, at_pace, until

READ = "GET /images/{id}"


def sensor(image_id: object, **options: Any) -> MiniMaxImageSensor:
    return at_pace(MiniMaxImageSensor(task_id="wait", image_id=image_id, **options), 0.01)


def resume(waiting: MiniMaxImageSensor, seconds: float = 30.0) -> Any:
    """Resume a sensor whose trigger could not run the wait."""
    event = events.back_on_worker_event([], time.time() + seconds, 0.0)
    context: Any = {"ti": SimpleNamespace(try_number=1), "task_state_store": None}
    return waiting.resume_execution("execute_complete", {"event": event}, context)


# Continued in this worker


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize(
    "deferrable", [{"deferrable": True}, {"start_from_trigger": True}], ids=["deferred", "started"]
)
def test_a_wait_continues_in_the_worker_and_neither_defers_nor_reschedules_again(
    sandbox: Sandbox, mode: str, deferrable: dict[str, bool]
) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    assert resume(sensor(image_id, mode=mode, **deferrable))["imageId"] == image_id


@pytest.mark.parametrize(
    ("options", "end"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)], ids=["", "soft"]
)
def test_a_wait_that_continues_in_the_worker_keeps_its_deadline(
    sandbox: Sandbox, options: dict[str, Any], end: type[Exception]
) -> None:
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    with pytest.raises(end, match="Not final within 86400 s"):
        resume(sensor(image_id, timeout=86_400, deferrable=True, **options), seconds=0.3)


def test_a_wait_whose_deadline_has_passed_is_polled_once_more(sandbox: Sandbox) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    sandbox.finish(image_id, 2)
    assert resume(sensor(image_id, deferrable=True), seconds=-60.0)["imageId"] == image_id


# A list that is stale


def test_the_last_poke_requests_jobs_by_id(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [sandbox.create_image("a lamp")[0] for _ in range(3)]
    for image_id in ids:
        sandbox.finish(image_id, 2)
    real = Reader._record_page

    def take(self: Reader, page: Any, *args: Any) -> set[str]:
        return real(
            self, [{**job, "status": 1, "statusLabel": "processing", "statusFinal": False} for job in page], *args
        )

    monkeypatch.setattr(Reader, "_record_page", take)
    found = resume(sensor(ids, deferrable=True), seconds=0.3)
    assert [image["imageId"] for image in found] == ids
    assert sandbox.stats.count(READ) == 3


# A bug


@pytest.mark.parametrize(("silent", "end"), [(False, TypeError), (True, AirflowFailException)])
def test_a_bug_ends_a_sensor_at_once_even_a_silent_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, silent: bool, end: type[Exception]
) -> None:
    def broken(*_: object) -> Any:
        raise TypeError("a bug")

    monkeypatch.setattr(Reader, "read", broken)
    with pytest.raises(end, match="a bug") as caught:
        resume(sensor(sandbox.create_image("a lamp")[0], silent_fail=silent))
    assert not isinstance(caught.value, errors.MiniMaxError)


# Killed

#: A worker process, with the handler of signals that Airflow's task runner installs.
WORKER = """
import os, signal, sys
from types import SimpleNamespace
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

sensor = MiniMaxImageSensor(
    task_id="wait", image_id=sys.argv[1], poke_interval=3600, timeout=36000, never_fail=True
)
signal.signal(signal.SIGTERM, lambda *_: sensor.on_kill())
MiniMaxImageSensor.execute.__wrapped__(sensor, {"ti": SimpleNamespace(try_number=1)})
"""


@pytest.mark.parametrize("state", ["sleeping", "requesting"])
def test_a_killed_sensor_ends_at_once_and_sends_no_more_requests(sandbox: Sandbox, state: str) -> None:
    """Each of its two waits would take an hour."""
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    polled = threading.Event()
    if state == "sleeping":
        sandbox.on_call = lambda *_: polled.set()
    else:
        sandbox.fail("slow", operation=READ, delay=3600.0)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORKER, image_id]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        try:
            until(lambda: polled.is_set() if state == "sleeping" else sandbox.stats.requests[READ] > 0)
            worker.send_signal(signal.SIGTERM)
            _, log = worker.communicate(timeout=TIMEOUT)
        finally:
            sandbox.on_call = None
            worker.kill()
    assert "The worker was told to stop" in log
    assert worker.returncode == 1
    assert len(sandbox.calls) <= 1


def test_a_finished_sensor_ignores_a_kill(sandbox: Sandbox) -> None:
    """What Airflow does after the wait, such as pushing the result, goes on."""
    (image_id,) = sandbox.create_image("a lamp")
    sandbox.finish(image_id, 2)
    waiting = sensor(image_id)
    assert resume(waiting)["imageId"] == image_id
    waiting.on_kill()
