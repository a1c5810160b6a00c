"""What later attempts and resumed waits do with a job that was submitted."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
)
from airflow_provider_minimax.operators.costs import COST_KEY
from airflow_provider_minimax.polling import events
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission.record_store import KEY
from tests.support import at_pace
from tests.unit.operators.creates import KINDS, image, jobs, lose_worker, make, posts, video
from tests.unit.operators.support import CREATE, MemoryStore, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

# Retries


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_resumes_a_running_job(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = Task()
    lose_worker(monkeypatch, task, make(kind))
    assert len(jobs(task.run(make(kind)))) == 1
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_after_the_result_finds_the_same(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    assert task.run(make(kind)) == first
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_cleared_task_submits_a_new_job(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    task.clear()
    assert jobs(task.run(make(kind))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert f"The task was cleared: submitting a new job. The earlier job was {jobs(first)[0]}" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_changed_inputs_submit_a_new_job(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    assert jobs(task.run(make(kind, prompt="a tin boat"))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert "The inputs changed since the earlier attempt" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("marker", ["[fail]", "[moderate]"])
def test_a_failed_job_is_followed_by_a_new_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str, marker: str
) -> None:
    task = Task()
    lose_worker(monkeypatch, task, make(kind, prompt=f"a boat {marker}"))
    (job_id,) = task.store.get(KEY)["ids"]
    sandbox.finish(job_id, 3 if marker == "[fail]" else 5)
    with pytest.raises((errors.MiniMaxJobFailedError, errors.MiniMaxModeratedError)):
        task.run(make(kind, prompt=f"a boat {marker}"))
    assert posts(sandbox, kind) == 2
    assert f"Job {job_id} from attempt 1 failed; submitting a new one" in caplog.text


def test_a_missing_video_is_resubmitted_only_after_the_grace_period(sandbox: Sandbox) -> None:
    task = Task()
    with pytest.raises(AirflowSensorTimeout, match="not found yet"):
        task.run(video(prompt="a boat [gone]", timeout=0.4))
    assert posts(sandbox, "video") == 1
    task.age(seconds=60)
    with pytest.raises(AirflowSensorTimeout, match="not found yet"):
        task.run(video(prompt="a boat [gone]", timeout=0.4))
    assert posts(sandbox, "video") == 2
    late = events.back_on_worker_event(task.store.get(KEY)["ids"], time.time() + 30, 0.0)
    with pytest.raises(errors.MiniMaxNotFoundError):
        video().execute_complete(task.context(), late)


def test_not_found_right_after_a_create_is_not_yet_found(sandbox: Sandbox) -> None:
    sandbox.fail("404", "GET /videos/{id}", times=2)
    sandbox.fail("400", "GET /videos/", skip=1, times=0)
    assert Task().run(video())["statusLabel"] == "completed"


# Without a store: Airflow before 3.3


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_store_a_lost_create_is_final(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    sandbox.fail("504", CREATE[kind])
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="it is not retried") as raised:
        Task(store=None).run(make(kind))
    assert isinstance(raised.value, AirflowFailException)
    assert "a retry pays again" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_store_a_lost_create_is_still_found(sandbox: Sandbox, kind: str) -> None:
    sandbox.fail("accepted-504", CREATE[kind])
    assert jobs(Task(store=None).run(make(kind)))
    assert posts(sandbox, kind) == 1


def test_without_a_store_a_wait_that_breaks_off_is_final(sandbox: Sandbox) -> None:
    sandbox.fail("500", "GET /images/*", times=0)
    with pytest.raises(errors.MiniMaxUpstreamError) as raised:
        Task(store=None).run(at_pace(image(), 0.0005))
    assert isinstance(raised.value, AirflowFailException)


def test_without_a_store_a_deferred_wait_that_breaks_off_is_final(sandbox: Sandbox) -> None:
    task = Task(store=None)
    task.deferral(video(prompt="a boat [hold]", deferrable=True))
    # The task goes on in another process.
    with pytest.raises(errors.MiniMaxUpstreamError, match="it is not retried") as raised:
        video().execute_complete(task.context(), events.failure_event(errors.MiniMaxUpstreamError("ten rounds")))
    assert isinstance(raised.value, AirflowFailException)
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"The trigger failed.*it is not retried") as raised:
        video().resume_execution("__fail__", {"error": "Trigger failure"}, task.context())
    assert isinstance(raised.value, AirflowFailException)


def test_with_a_store_a_retry_resumes_it(sandbox: Sandbox) -> None:
    task = Task()
    task.deferral(video(deferrable=True))
    with pytest.raises(errors.MiniMaxUpstreamError, match="A retry resumes") as raised:
        video().resume_execution("__fail__", {"error": "Trigger failure"}, task.context())
    assert not isinstance(raised.value, AirflowFailException)
    assert jobs(task.run(video(deferrable=False)))
    assert posts(sandbox, "video") == 1


def test_a_store_that_breaks_after_the_create_loses_nothing(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse

    class Broken(MemoryStore):
        def set(self, key: str, value: Any) -> None:
            if value.get("ids"):
                raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={}))
            super().set(key, value)

    task = Task(store=Broken())
    first = task.run(image(prompt="a boat"))
    assert "could not be stored" in caplog.text
    assert task.run(image(prompt="a boat")) == first
    assert posts(sandbox, "image") == 1


# A wait that the triggerer cannot take on


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("store", ["with a store", "without a store"])
def test_a_wait_that_is_left_to_this_worker_goes_on_here_and_creates_nothing(
    sandbox: Sandbox, kind: str, store: str
) -> None:
    task = Task() if store == "with a store" else Task(store=None)
    deferral = task.deferral(make(kind, deferrable=True))
    stored = deferral.trigger.serialize()[1]
    event = events.back_on_worker_event(stored["ids"], stored["deadline"], stored["fresh_until"])
    # In another process, that would defer.
    assert jobs(make(kind, deferrable=True).execute_complete(task.context(), event)) == stored["ids"]
    assert posts(sandbox, kind) == 1


def test_its_deadline_stays_and_a_person_can_still_end_it(sandbox: Sandbox, kill: list[Any]) -> None:
    (video_id,) = jobs(Task().run(video(prompt="a boat [stuck]", wait_for_completion=False)))
    event = events.back_on_worker_event([video_id], time.time() - 1.0, 0.0)
    with pytest.raises(AirflowSensorTimeout, match="continues at the service and is billed"):
        video(timeout=1800).execute_complete(Task().context(), event)
    operator = video(timeout=1800, poke_interval=3600)
    kill.append(operator)

    def end(*_: object) -> None:
        sandbox.on_call = None
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    sandbox.on_call = end
    event = events.back_on_worker_event([video_id], time.time() + 1800, 0.0)
    with pytest.raises(AirflowFailException, match="A user ended the task"):
        operator.execute_complete(Task(state="failed").context(), event)
    assert sandbox.stats.count("POST /videos/cancel") == 1
    assert posts(sandbox, "video") == 1


# Timeouts and kills


def timed_out(operator: Any, task: Task, how: str) -> Any:
    if how == "by the trigger":
        return operator.execute_complete(task.context(), events.timed_out("it."))
    return operator.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["by the trigger", "by Airflow"])
@pytest.mark.parametrize("has_store", [True, False])
def test_a_job_that_is_completed_after_all_is_not_thrown_away(
    sandbox: Sandbox, kind: str, how: str, has_store: bool
) -> None:
    task = Task() if has_store else Task(store=None)
    task.deferral(make(kind, prompt="a boat [hold]", deferrable=True))
    (job_id,) = task.xcoms[COST_KEY]["jobs"]
    with pytest.raises(AirflowSensorTimeout, match="continues at the service and is billed"):
        timed_out(make(kind, prompt="a boat [hold]"), task, how)
    sandbox.finish(job_id)
    assert jobs(timed_out(make(kind, prompt="a boat [hold]"), task, how)) == [job_id]
    sandbox.finish(job_id, 3)
    with pytest.raises(errors.MiniMaxJobFailedError):
        timed_out(make(kind, prompt="a boat [hold]"), task, how)


def test_without_a_store_a_time_out_still_says_what_goes_on(sandbox: Sandbox) -> None:
    task = Task(store=None)
    task.deferral(video(prompt="a boat [hold]", deferrable=True))
    # Not even the XCom of the process that submitted is left, or can be read.
    nothing: tuple[Any, ...] = ({}, None)
    for xcoms in nothing:
        task.xcoms = xcoms
        for how in ("by the trigger", "by Airflow"):
            with pytest.raises(AirflowSensorTimeout, match="continues at the service and is billed"):
                timed_out(video(), task, how)


def test_an_execution_timeout_leaves_the_video_to_the_retry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task()
    operator = video(prompt="a boat [hold]")
    lose_worker(monkeypatch, task, operator)
    # As Airflow's task runner does then: to Airflow the task is still running.
    operator.on_kill()
    (video_id,) = task.store.get(KEY)["ids"]
    assert sandbox.stats.count("POST /videos/cancel") == 0
    assert f"the task does not: {video_id} continues and is billed" in caplog.text
    sandbox.release(video_id)
    assert task.run(video(prompt="a boat [hold]"))["videoId"] == video_id
    assert posts(sandbox, "video") == 1


def test_a_last_attempt_promises_no_retry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(max_tries=0)
    operator = video(prompt="a boat [hold]")
    lose_worker(monkeypatch, task, operator)
    operator.on_kill()
    assert "the task has no retry left" in caplog.text
    assert "a retry resumes it" not in caplog.text


def test_a_worker_that_ends_submits_nothing(sandbox: Sandbox) -> None:
    operator = video()
    operator.on_kill()
    with pytest.raises(errors.MiniMaxUpstreamError, match="Nothing was created"):
        Task().run(operator)
    assert posts(sandbox, "video") == 0
