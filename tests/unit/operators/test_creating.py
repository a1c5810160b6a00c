"""Creates that are paid once: each try of a task against the sandbox, fault for fault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout
from airflow.sdk.exceptions import AirflowRescheduleException

from airflow_provider_minimax.api import errors, retries
from airflow_provider_minimax.operators import waiting
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.ordering import ledger, orders
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.waiting import pacing
from tests.conftest import ROOT, connect
from tests.unit.operators.support import CREATE, IMAGES, VIDEOS, MemoryStore, Task

KINDS = ("image", "video")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(pacing, "SHORTEST_INTERVAL", 0.02)
    monkeypatch.setattr(retries, "FIRST_PAUSE_AT_CAPACITY", 0.01)
    monkeypatch.setattr(ledger, "CLOCK_SKEW", 50)


def image(**options: Any) -> MiniMaxCreateImageOperator:
    given = {"prompt": "a paper boat", "poke_interval": 0.02, "deferrable": False} | options
    return MiniMaxCreateImageOperator(task_id="create", **given)


def video(**options: Any) -> MiniMaxCreateVideoOperator:
    given = {"prompt": "a paper boat", "poke_interval": 0.02, "deferrable": False} | options
    return MiniMaxCreateVideoOperator(task_id="create", **given)


def make(kind: str, **options: Any) -> Any:
    return image(**options) if kind == "image" else video(**options)


def jobs(found: Any) -> list[str]:
    rows = found if isinstance(found, list) else [found]
    return [row["imageId"] if "imageId" in row else row["videoId"] for row in rows]


def posts(sandbox: Sandbox, kind: str) -> int:
    return sandbox.stats.count(CREATE[kind])


def made(sandbox: Sandbox, kind: str) -> int:
    return sandbox.stats.creates[f"{kind}s"]


def die(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> None:
    """Let a call end the process, as far as code that only sees exceptions can tell."""
    real = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, dying)


# One create


@pytest.mark.parametrize("quantity", [1, 4])
def test_images_are_created_and_waited_for(sandbox: Sandbox, quantity: int) -> None:
    found = Task().run(image(quantity=quantity, aspect_ratio="1:1"))
    assert len(found) == quantity
    assert {row["statusLabel"] for row in found} == {"completed"}
    assert {row["aspectRatio"] for row in found} == {"1:1"}
    assert posts(sandbox, "image") == 1


def test_a_video_is_created_and_waited_for(sandbox: Sandbox) -> None:
    found = Task().run(video())
    assert found["videoId"].startswith("user:")
    assert found["statusLabel"] == "completed"
    assert found["url"]
    assert posts(sandbox, "video") == 1


def test_without_waiting_the_ids_are_returned(sandbox: Sandbox) -> None:
    ids = Task().run(image(quantity=2, wait_for_completion=False))
    assert ids == [row["imageId"] for row in reversed(sandbox.all_images()[:2])]
    found = Task().run(video(wait_for_completion=False))
    assert found["videoId"].startswith("user:")
    assert not found["statusFinal"]


def test_the_file_id_of_an_image_becomes_a_video_on_its_account(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    second = sandbox.accounts[1]
    (picture,) = Task().run(image(account=second))
    found = Task().run(video(file_id=picture["fileID"]))
    assert f"minimax:{second}-" in found["videoId"]


def test_a_file_of_one_account_never_reaches_another(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    (picture,) = Task().run(image(account=first))
    before = sandbox.stats.count()
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"belongs to account {first}"):
        Task().run(video(file_id=picture["fileID"], account=second))
    assert sandbox.stats.count() == before


def test_require_any_returns_what_is_completed(sandbox: Sandbox) -> None:
    found = Task().run(image(prompt="a boat [moderate:5:1] [fail:2]", quantity=3, require="any"))
    assert len(found) == 1
    with pytest.raises(errors.MiniMaxJobFailedError):
        Task().run(image(prompt="a boat [moderate:5:1] [fail:2]", quantity=3))
    with pytest.raises(errors.MiniMaxModeratedError):
        Task().run(image(prompt="a boat [moderate]", quantity=3, require="any"))


def test_the_replies_pass_through(sandbox: Sandbox) -> None:
    Task().run(video(prompt="a boat [hold]", reply_ref="mine", reply_url="https://r", wait_for_completion=False))
    (running,) = [entry for entry in sandbox_running(sandbox) if entry.get("replyRef") == "mine"]
    assert running["replyUrl"] == "https://r"


def sandbox_running(sandbox: Sandbox) -> list[dict[str, Any]]:
    from airflow_provider_minimax.hooks.minimax import MiniMaxHook

    return MiniMaxHook().get_conn().list_running()


def test_a_time_out_says_what_becomes_of_the_job(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"user:.*goes on at the service and is paid for"):
        Task().run(image(prompt="a boat [stuck]", timeout=0.1))


# What is refused before anything is sent


@pytest.mark.parametrize(
    "build",
    [
        lambda: image(on_unknown_outcome="shrug"),
        lambda: image(require="some"),
        lambda: image(timeout=0),
        lambda: video(poke_interval="often"),
    ],
)
def test_constants_are_checked_when_the_dag_is_read(build: Callable[[], object]) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: image(prompt=""),
        lambda: image(quantity=5),
        lambda: image(quality="low"),
        lambda: image(aspect_ratio="3:2"),
        lambda: video(prompt=None),
        lambda: video(model="Seedance-2.0", duration=30),
        lambda: video(file_id="12345"),
    ],
)
def test_templates_are_checked_before_anything_is_sent(sandbox: Sandbox, build: Callable[[], Any]) -> None:
    task = Task()
    with pytest.raises(errors.MiniMaxBadRequestError):
        task.run(build())
    assert not sandbox.calls
    assert task.store.values == {}


# Later tries


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_takes_up_a_job_that_runs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = Task()
    with monkeypatch.context() as patch:
        die(patch, waiting.JobWait, "until")
        with pytest.raises(KeyboardInterrupt):
            task.run(make(kind))
    assert len(jobs(task.run(make(kind)))) == 1
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_after_the_result_finds_the_same(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    assert task.run(make(kind)) == first
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_cleared_task_orders_anew(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    task.clear()
    assert jobs(task.run(make(kind))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert f"The task was cleared: a new job is ordered. The earlier one was {jobs(first)[0]}" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_other_inputs_order_anew(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    assert jobs(task.run(make(kind, prompt="a tin boat"))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert "The inputs are not those of the earlier try" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("marker", ["[fail]", "[moderate]"])
def test_what_cannot_succeed_any_more_is_ordered_anew(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str, marker: str
) -> None:
    task = Task()
    with monkeypatch.context() as patch:
        die(patch, waiting.JobWait, "until")
        with pytest.raises(KeyboardInterrupt):
            task.run(make(kind, prompt=f"a boat {marker}"))
    (job_id,) = task.store.get(ledger.KEY)["ids"]
    sandbox.finish(job_id, 3 if marker == "[fail]" else 5)
    with pytest.raises((errors.MiniMaxJobFailedError, errors.MiniMaxModeratedError)):
        task.run(make(kind, prompt=f"a boat {marker}"))
    assert posts(sandbox, kind) == 2
    assert "cannot succeed any more: a new job is ordered" in caplog.text


def test_a_video_that_is_gone_is_ordered_anew_but_not_at_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task()
    with pytest.raises(AirflowSensorTimeout, match="not found yet"):
        task.run(video(prompt="a boat [gone]", timeout=0.4))
    assert posts(sandbox, "video") == 1
    monkeypatch.setattr("airflow_provider_minimax.operators.waiting.GRACE", 0.0)
    with pytest.raises(errors.MiniMaxNotFoundError):
        task.run(video(prompt="a boat [gone]"))
    assert posts(sandbox, "video") == 2


def test_not_found_right_after_a_create_is_not_yet_found(sandbox: Sandbox) -> None:
    sandbox.fail("404", "GET /videos/{id}", times=2)
    sandbox.fail("400", "GET /videos/", skip=1, times=0)
    assert Task().run(video())["statusLabel"] == "completed"


# Lost answers

LOST = ("502", "502-html", "504", "500", "503", "408", "522", "reset", "truncated", "not-json", "wrong-shape")
ACCEPTED = ("accepted-502", "accepted-504", "accepted-reset", "truncated")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ACCEPTED)
@pytest.mark.parametrize("quantity", [1, 4])
def test_a_create_whose_answer_is_lost_is_found(sandbox: Sandbox, kind: str, fault: str, quantity: int) -> None:
    sandbox.fail(fault, CREATE[kind])
    options = {"quantity": quantity} if kind == "image" else {}
    assert len(jobs(Task().run(make(kind, **options)))) == (quantity if kind == "image" else 1)
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_in_the_list_when_the_scheduler_has_let_go(sandbox: Sandbox, kind: str) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=0.0))
    sandbox.fail("accepted-504", CREATE[kind])
    assert jobs(Task().run(make(kind)))
    assert posts(sandbox, kind) == 1
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [fault for fault in LOST if fault != "truncated"])
def test_a_create_that_is_not_found_is_never_sent_again(sandbox: Sandbox, kind: str, fault: str) -> None:
    task = Task()
    sandbox.fail(fault, CREATE[kind])
    for _ in range(3):
        with pytest.raises(errors.MiniMaxUnknownOutcomeError) as raised:
            task.run(make(kind))
        record = task.store.get(ledger.KEY)
        for word in ("'a paper boat'", record["reply_ref"], "on account", "created between", "creates nothing"):
            assert word in str(raised.value)
        assert not isinstance(raised.value, AirflowFailException)
    assert posts(sandbox, kind) == 1
    assert made(sandbox, kind) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_look_may_find_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = Task()
    sandbox.fail("accepted-504", CREATE[kind])
    with monkeypatch.context() as patch:
        patch.setattr(orders.Orders, "_look", lambda *_: None)
        with pytest.raises(errors.MiniMaxUnknownOutcomeError):
            task.run(make(kind))
    assert jobs(task.run(make(kind)))
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_resubmit_creates_again_once_a_try(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    sandbox.fail("504", CREATE[kind])
    assert jobs(Task().run(make(kind, on_unknown_outcome="resubmit")))
    assert posts(sandbox, kind) == 2
    assert "orders anew" in caplog.text
    sandbox.fail("504", CREATE[kind], times=0)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(make(kind, on_unknown_outcome="resubmit"))
    assert posts(sandbox, kind) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_resubmit_does_not_when_it_is_found(sandbox: Sandbox, kind: str) -> None:
    sandbox.fail("accepted-504", CREATE[kind])
    Task().run(make(kind, on_unknown_outcome="resubmit"))
    assert posts(sandbox, kind) == 1


def test_two_batches_that_fit_are_no_answer(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=0.0))
    sandbox.fail("accepted-504", IMAGES)
    sandbox.create_image("a paper boat")
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(image())
    assert posts(sandbox, "image") == 1


def test_a_search_that_fails_creates_nothing(sandbox: Sandbox) -> None:
    task = Task()
    sandbox.fail("accepted-504", VIDEOS)
    sandbox.fail("401", "GET /scheduler/")
    with pytest.raises(errors.MiniMaxAuthError):
        task.run(video())
    assert jobs(task.run(video()))
    assert posts(sandbox, "video") == 1


def test_a_shared_reply_ref_alone_proves_nothing(sandbox: Sandbox) -> None:
    Task().run(video(prompt="another boat [hold]", reply_ref="mine", wait_for_completion=False))
    sandbox.fail("504", VIDEOS)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(video(reply_ref="mine"))


# Refusals


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "error", "final"),
    [
        ("400", errors.MiniMaxBadRequestError, True),
        ("401", errors.MiniMaxAuthError, True),
        ("402", errors.MiniMaxAuthError, True),
        ("403", errors.MiniMaxAuthError, True),
        ("412", errors.MiniMaxOutOfCreditsError, True),
        ("422", errors.MiniMaxModeratedError, True),
        ("596", errors.MiniMaxAccountOnHoldError, False),
    ],
)
def test_a_refusal_has_a_name_and_the_next_try_creates(
    sandbox: Sandbox, kind: str, fault: str, error: type[Exception], final: bool
) -> None:
    task = Task()
    sandbox.fail(fault, CREATE[kind])
    with pytest.raises(error) as raised:
        task.run(make(kind))
    assert isinstance(raised.value, AirflowFailException) is final
    assert posts(sandbox, kind) == 1
    assert jobs(task.run(make(kind)))
    assert made(sandbox, kind) == 1


# Room


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_without_room_lets_go_of_its_worker(sandbox: Sandbox, kind: str) -> None:
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
def test_a_deferrable_task_without_room_sleeps_in_the_triggerer(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    sandbox.fail("429", CREATE[kind], times=5)
    deferred = task.deferral(make(kind, deferrable=True))
    assert deferred.method_name == "ask_again"
    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_minimax.triggers.timer.MiniMaxTimerTrigger"
    operator = make(kind)
    assert jobs(operator.ask_again(task.context(), kwargs["carry"]))
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_asking_for_room_ends_with_the_time_out(sandbox: Sandbox, deferrable: bool) -> None:
    task = Task()
    sandbox.fail("429", IMAGES, times=0)
    with pytest.raises(errors.MiniMaxCapacityError):
        task.run(image(timeout=30, deferrable=deferrable))


def test_without_a_store_nor_a_triggerer_the_retries_ask_for_room(sandbox: Sandbox) -> None:
    sandbox.fail("429", IMAGES, times=0)
    with pytest.raises(errors.MiniMaxCapacityError) as raised:
        Task(store=None).run(image())
    assert not isinstance(raised.value, AirflowFailException)


# Accounts


@pytest.mark.parametrize("kind", KINDS)
def test_auto_takes_the_account_with_room(sandbox: Sandbox, kind: str) -> None:
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
    with pytest.raises(errors.MiniMaxAccountOnHoldError, match="All accounts are in error"):
        Task().run(video(account="auto"))
    assert posts(sandbox, "video") == 0


def test_auto_asks_again_when_all_are_full(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=1, max_jobs=1))
    sandbox.create_video("[hold]")
    with pytest.raises(AirflowRescheduleException):
        Task().run(video(account="auto"))
    assert posts(sandbox, "video") == 0


def test_ids_of_another_account_are_not_lost(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    astray = sandbox.create_image("a paper boat", account=second)
    monkeypatch.setattr("airflow_provider_minimax.api.client.MiniMaxClient.create_image", lambda *_, **__: astray)
    assert jobs(Task().run(image(account=first))) == astray
    assert f"Account {first} was asked for" in caplog.text


def test_the_account_of_the_connection_does_not_stand_in_the_way(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    connect(monkeypatch, sandbox.url, sandbox.token, account=first)
    assert f"minimax:{first}-" in jobs(Task().run(image()))[0]
    assert f"minimax:{second}-" in jobs(Task().run(image(account=second)))[0]


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


def test_without_a_store_a_wait_that_breaks_off_is_final(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "MOST_FAILURES", 2)
    sandbox.fail("500", "GET /images/*", times=0)
    with pytest.raises(errors.MiniMaxUpstreamError) as raised:
        Task(store=None).run(image())
    assert isinstance(raised.value, AirflowFailException)


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


# The time that Airflow gives a task


def test_an_execution_timeout_leaves_the_video_to_the_retry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task()
    operator = video(prompt="a boat [hold]")
    with monkeypatch.context() as patch:
        die(patch, waiting.JobWait, "until")
        with pytest.raises(KeyboardInterrupt):
            task.run(operator)
    # As Airflow's task runner does then: to Airflow the task is still running.
    operator.on_kill()
    (video_id,) = task.store.get(ledger.KEY)["ids"]
    assert sandbox.stats.count("POST /videos/cancel") == 0
    assert f"the task is not: {video_id} goes on and is paid for" in caplog.text
    sandbox.release(video_id)
    assert task.run(video(prompt="a boat [hold]"))["videoId"] == video_id
    assert posts(sandbox, "video") == 1


def test_a_worker_that_is_ending_orders_nothing(sandbox: Sandbox) -> None:
    operator = video()
    operator.on_kill()
    with pytest.raises(errors.MiniMaxUpstreamError, match="Nothing was created"):
        Task().run(operator)
    assert posts(sandbox, "video") == 0


# The table of the README

POSTS = [
    ("400", 1), ("401", 1), ("402", 1), ("403", 1), ("412", 1), ("422", 1), ("429", 5),
    ("500", 1), ("502", 1), ("503", 1), ("504", 1), ("596", 1), ("reset", 1),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fault", "count"), POSTS)
def test_how_many_creates_one_try_sends(sandbox: Sandbox, kind: str, fault: str, count: int) -> None:
    sandbox.fail(fault, CREATE[kind], times=0)
    with pytest.raises((errors.MiniMaxError, AirflowRescheduleException)):
        Task().run(make(kind))
    assert posts(sandbox, kind) == count
    assert made(sandbox, kind) == 0


def test_the_table_says_so() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for status, count in POSTS:
        if status.isdigit():
            row = next(line for line in readme.splitlines() if line.startswith(f"| {status} |"))
            assert row.split("|")[2].strip().split()[0] == str(count)
