"""Creates without capacity, and the choice of an account."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowRescheduleException,
    TaskDeferred,
)
from airflow_provider_minimax.operators import create
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission.record_store import KEY
from tests.support import connect
from tests.unit.operators.creates import KINDS, image, jobs, lose_worker, made, make, posts, video
from tests.unit.operators.support import CREATE, IMAGES, VIDEOS, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

# Capacity


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_without_capacity_releases_its_worker(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    sandbox.fail("429", CREATE[kind], times=5)
    with pytest.raises(AirflowRescheduleException) as raised:
        task.run(make(kind))
    assert raised.value.reschedule_date.timestamp() > 0
    assert posts(sandbox, kind) == 5
    task.try_number -= 1  # Airflow does not count a reschedule.
    assert jobs(task.run(make(kind)))
    assert posts(sandbox, kind) == 6
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_deferrable_task_waits_for_capacity_in_the_triggerer(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    sandbox.fail("429", CREATE[kind], times=5)
    deferred = task.deferral(make(kind, deferrable=True))
    assert deferred.method_name == "submit_again"
    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_minimax.triggers.timer.MiniMaxTimerTrigger"
    operator = make(kind)
    assert jobs(operator.submit_again(task.context(), kwargs["carry"]))
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_capacity_ends_with_the_timeout(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """After the first minute each submit is one request: a worker is held for no longer."""
    clock = time.time()
    monkeypatch.setattr(create.time, "time", lambda: clock)
    sandbox.fail("429", IMAGES, times=0)
    task, operator = Task(), image(timeout=100, deferrable=deferrable)
    since = clock
    for sent in (5, 6):
        with pytest.raises((TaskDeferred, AirflowRescheduleException)) as raised:
            ask(task, operator, since)
        task.try_number = 0  # Airflow does not count a reschedule.
        assert posts(sandbox, "image") == sent
        clock = moment_of(raised.value)
    assert clock == pytest.approx(since + 100)
    with pytest.raises(errors.MiniMaxCapacityError):
        ask(task, operator, since)
    assert posts(sandbox, "image") == 7


def ask(task: Task, operator: Any, since: float) -> Any:
    """Run a task as Airflow does when it comes back, or for the first time."""
    if task.store.values and operator.deferrable:
        return operator.submit_again(task.context(), {"since": since})
    return task.run(operator)


def moment_of(raised: Any) -> float:
    if isinstance(raised, TaskDeferred):
        return float(raised.trigger.moment)
    return float(raised.reschedule_date.timestamp())


def test_a_delay_that_the_service_asks_for_is_kept(sandbox: Sandbox) -> None:
    sandbox.fail("429", VIDEOS, times=5, retry_after=600)
    begun = time.time()
    with pytest.raises(AirflowRescheduleException) as raised:
        Task().run(video())
    assert moment_of(raised.value) > begun + 600


def test_capacity_is_waited_for_after_a_failed_job(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task()
    lose_worker(monkeypatch, task, video(prompt="a boat [hold]"))
    sandbox.finish(task.store.get(KEY)["ids"][0], 3)
    sandbox.fail("429", VIDEOS, times=0)
    with pytest.raises(AirflowRescheduleException):
        task.run(video(prompt="a boat [hold]"))


def test_without_a_store_nor_a_triggerer_the_retries_ask_for_room(sandbox: Sandbox) -> None:
    sandbox.fail("429", IMAGES, times=0)
    with pytest.raises(errors.MiniMaxCapacityError) as raised:
        Task(store=None).run(image())
    assert not isinstance(raised.value, AirflowFailException)


# Accounts


@pytest.mark.parametrize("kind", KINDS)
def test_auto_takes_the_account_with_capacity(sandbox: Sandbox, kind: str) -> None:
    sandbox.reset(replace(sandbox.config, accounts=3, max_jobs=2, accounts_in_error=(2,)))
    first, second, _ = sandbox.accounts
    sandbox.create_video("[hold]", account=first)
    (job_id,) = jobs(Task().run(make(kind, account="auto")))
    assert f"minimax:{second}-" in job_id


@pytest.mark.parametrize("kind", KINDS)
def test_auto_moves_on_when_the_credits_are_out(sandbox: Sandbox, kind: str) -> None:
    sandbox.reset(replace(sandbox.config, accounts=3, accounts_without_credits=(0, 1)))
    (job_id,) = jobs(Task().run(make(kind, account="auto")))
    assert f"minimax:{sandbox.accounts[2]}-" in job_id
    assert posts(sandbox, kind) == 3
    sandbox.reset(replace(sandbox.config, accounts=2, accounts_without_credits=(0, 1)))
    with pytest.raises(errors.MiniMaxOutOfCreditsError):
        Task().run(make(kind, account="auto"))
    assert posts(sandbox, kind) == 2


def test_auto_stays_on_the_account_of_the_file(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    second = sandbox.accounts[1]
    (picture,) = Task().run(image(account=second))
    found = Task().run(video(account="auto", file_id=picture["fileID"]))
    assert f"minimax:{second}-" in found["videoId"]


def test_auto_without_any_account_in_order(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2, accounts_in_error=(0, 1)))
    with pytest.raises(errors.MiniMaxAccountOnHoldError, match="The accounts are in error"):
        Task().run(video(account="auto"))
    assert posts(sandbox, "video") == 0


def test_auto_asks_again_when_all_are_full(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=1, max_jobs=1))
    sandbox.create_video("[hold]")
    with pytest.raises(AirflowRescheduleException):
        Task().run(video(account="auto"))
    assert posts(sandbox, "video") == 0


def test_auto_waits_for_an_account_that_is_only_busy(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2, max_jobs=1, accounts_without_credits=(1,)))
    sandbox.create_video("[hold]", account=sandbox.accounts[0])
    with pytest.raises(AirflowRescheduleException):
        Task().run(video(account="auto"))
    assert posts(sandbox, "video") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("faults", [("596", "412"), ("412", "596")])
def test_auto_is_not_out_of_credits_while_an_account_is_on_hold(
    sandbox: Sandbox, kind: str, faults: tuple[str, ...]
) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    for fault in faults:
        sandbox.fail(fault, CREATE[kind])
    with pytest.raises(errors.MiniMaxAccountOnHoldError):
        Task().run(make(kind, account="auto"))


@pytest.mark.parametrize("kind", KINDS)
def test_auto_moves_on_when_a_queue_is_full(sandbox: Sandbox, kind: str) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    sandbox.fail("429", CREATE[kind])
    assert jobs(Task().run(make(kind, account="auto")))
    assert posts(sandbox, kind) == 2
    sandbox.fail("429", CREATE[kind], times=0)
    with pytest.raises(AirflowRescheduleException):
        Task().run(make(kind, account="auto"))
    assert posts(sandbox, kind) == 4


def test_auto_lets_the_service_judge_a_number_of_jobs_of_ones_own(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=1, max_jobs=1))
    sandbox.create_video("[hold]")
    assert Task().run(video(account="auto", max_jobs="5"))["statusLabel"] == "completed"


def test_ids_of_another_account_are_not_lost(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    astray = sandbox.create_image("a paper boat", account=second)
    monkeypatch.setattr("airflow_provider_minimax.api.client.MiniMaxClient.submit", lambda *_: astray)
    assert jobs(Task().run(image(account=first))) == astray
    assert f"{astray[0]} is not on account {first}" in caplog.text


def test_the_account_of_the_connection_does_not_stand_in_the_way(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    connect(monkeypatch, sandbox.url, sandbox.token, account=first)
    assert f"minimax:{first}-" in jobs(Task().run(image()))[0]
    assert f"minimax:{second}-" in jobs(Task().run(image(account=second)))[0]
