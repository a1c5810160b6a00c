"""Creates that are paid once: each try of a task against the sandbox, fault for fault."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from airflow_provider_minimax.api import backoff, errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow_provider_minimax.operators import create, job_wait
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.polling import events, timing
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission import submitter
from airflow_provider_minimax.submission.job_lists import JobLists
from airflow_provider_minimax.submission.record_store import KEY
from tests.conftest import ROOT, connect
from tests.unit.operators.support import CREATE, IMAGES, VIDEOS, MemoryStore, Task, add_earlier_videos

KINDS = ("image", "video")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(timing, "SHORTEST_INTERVAL", 0.02)
    monkeypatch.setattr(backoff, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(backoff, "FIRST_PAUSE_AT_CAPACITY", 0.01)


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """The sandbox of all tests, whose account has made a video before."""
    add_earlier_videos(sandbox)
    return sandbox


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


def lose_worker(monkeypatch: pytest.MonkeyPatch, task: Task, operator: Any) -> None:
    """Run a try whose process ends when it begins to wait, as far as code that only sees exceptions can tell."""

    def dying(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job_wait.JobWait, "wait_until", dying)
        with pytest.raises(KeyboardInterrupt):
            task.run(operator)


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


def test_fewer_images_than_were_ordered(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MiniMaxClient.submit
    monkeypatch.setattr(MiniMaxClient, "submit", lambda *args: real(*args)[:2])
    assert len(Task().run(image(quantity=4, require="any"))) == 2
    task = Task()
    for _ in range(2):
        with pytest.raises(errors.MiniMaxJobFailedError, match=r"4 images were requested.*only these: user:"):
            task.run(image(quantity=4))
    assert posts(sandbox, "image") == 2


def test_the_replies_pass_through(sandbox: Sandbox) -> None:
    Task().run(video(prompt="a boat [hold]", reply_ref="mine", reply_url="https://r", wait_for_completion=False))
    (running,) = [entry for entry in sandbox_running(sandbox) if entry.get("replyRef") == "mine"]
    assert running["replyUrl"] == "https://r"


def sandbox_running(sandbox: Sandbox) -> list[dict[str, Any]]:
    from airflow_provider_minimax.hooks.minimax import MiniMaxHook

    return MiniMaxHook().get_conn().list_running()


def test_a_time_out_says_what_becomes_of_the_job(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"user:.*continues at the service and is billed"):
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


def test_how_long_a_wait_is_follows_from_what_is_made() -> None:
    waits = [image(poke_interval=None), video(poke_interval=None), video(timeout=timedelta(hours=2))]
    assert [(wait.poke_interval, wait.timeout) for wait in waits] == [(10.0, 1800.0), (30.0, 3600.0), (0.02, 7200.0)]


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
        lambda: video(file_id=""),
        lambda: video(prompt="None"),
        lambda: image(model="None"),
        lambda: image(account="None"),
        lambda: video(max_jobs=11),
        lambda: video(reference_file_ids=["user:1-minimax:2-file:3"], model="Veo-3.1-S2V"),
    ],
)
def test_templates_are_checked_before_anything_is_sent(sandbox: Sandbox, build: Callable[[], Any]) -> None:
    task = Task()
    with pytest.raises(errors.MiniMaxBadRequestError):
        task.run(build())
    assert not sandbox.calls
    assert task.store.values == {}


def test_what_templates_render_to_is_read(sandbox: Sandbox) -> None:
    pictures = Task().run(image(prompt=1984, quantity="2"))
    assert [picture["desc"] for picture in pictures] == ["1984", "1984"]
    found = Task().run(video(model="Seedance-2.0", duration="5", resolution="4k", prompt_optimization="False"))
    assert found["statusLabel"] == "completed"
    first, second = (picture["fileID"] for picture in pictures)
    found = Task().run(video(model="Veo-3.1-S2V", prompt=None, file_id=first, reference_file_ids=str([second])))
    assert found["statusLabel"] == "completed"
    assert found["desc"] == ""


# Later tries


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_takes_up_a_job_that_runs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
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
def test_a_cleared_task_orders_anew(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    task.clear()
    assert jobs(task.run(make(kind))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert f"The task was cleared: submitting a new job. The earlier job was {jobs(first)[0]}" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_other_inputs_order_anew(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    task = Task()
    first = task.run(make(kind))
    assert jobs(task.run(make(kind, prompt="a tin boat"))) != jobs(first)
    assert posts(sandbox, kind) == 2
    assert "The inputs changed since the earlier attempt" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("marker", ["[fail]", "[moderate]"])
def test_what_cannot_succeed_any_more_is_ordered_anew(
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


def test_a_video_that_is_gone_is_ordered_anew_but_not_at_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task()
    with pytest.raises(AirflowSensorTimeout, match="not found yet"):
        task.run(video(prompt="a boat [gone]", timeout=0.4))
    assert posts(sandbox, "video") == 1
    monkeypatch.setattr("airflow_provider_minimax.operators.job_wait.GRACE", 0.0)
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


def done_at_once(sandbox: Sandbox, **config: Any) -> None:
    """Let jobs end at once: the scheduler does not show them."""
    sandbox.reset(replace(sandbox.config, step_seconds=0.0, **config))
    add_earlier_videos(sandbox)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_in_the_list_when_the_scheduler_has_let_go(sandbox: Sandbox, kind: str) -> None:
    done_at_once(sandbox)
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
        record = task.store.get(KEY)
        for word in ("'a paper boat'", record["reply_ref"], "on each account", "created between", "creates nothing"):
            assert word in str(raised.value)
        assert not isinstance(raised.value, AirflowFailException)
    assert posts(sandbox, kind) == 1
    assert made(sandbox, kind) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_look_may_find_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = Task()
    sandbox.fail("accepted-504", CREATE[kind])
    with monkeypatch.context() as patch:
        patch.setattr(submitter.Submitter, "_search_once", lambda _, record: (record, None))
        with pytest.raises(errors.MiniMaxUnknownOutcomeError):
            task.run(make(kind))
    assert jobs(task.run(make(kind)))
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_resubmit_creates_again_once_a_try(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    sandbox.fail("504", CREATE[kind])
    assert jobs(Task().run(make(kind, on_unknown_outcome="resubmit")))
    assert posts(sandbox, kind) == 2
    assert "resubmitting" in caplog.text
    sandbox.fail("504", CREATE[kind], times=0)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(make(kind, on_unknown_outcome="resubmit"))
    assert posts(sandbox, kind) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_resubmit_does_not_when_it_is_found(sandbox: Sandbox, kind: str) -> None:
    sandbox.fail("accepted-504", CREATE[kind])
    Task().run(make(kind, on_unknown_outcome="resubmit"))
    assert posts(sandbox, kind) == 1


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen right after a create has been sent."""
    real = MiniMaxClient.submit

    def send(*args: Any) -> Any:
        monkeypatch.setattr(MiniMaxClient, "submit", real)
        try:
            return real(*args)
        finally:
            act()

    monkeypatch.setattr(MiniMaxClient, "submit", send)


def test_two_batches_that_fit_are_no_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=0.0))
    sandbox.fail("accepted-504", IMAGES)
    meanwhile(monkeypatch, lambda: sandbox.create_image("a paper boat"))
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(image())
    assert posts(sandbox, "image") == 1


def test_the_video_of_another_file_is_not_taken(sandbox: Sandbox) -> None:
    pictures = Task().run(image(prompt="pictures", quantity=2))
    first, second = (video(prompt="go", file_id=picture["fileID"]) for picture in pictures)
    sandbox.fail("504", VIDEOS)
    task = Task()
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(first)
    Task().run(second)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(first)
    assert made(sandbox, "video") == 1


def test_the_video_of_a_later_run_is_not_taken(sandbox: Sandbox) -> None:
    sandbox.fail("504", VIDEOS)
    task = Task()
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video())
    record, week = task.store.get(KEY), 7 * 86_400_000
    task.store.set(KEY, record | {name: record[name] - week for name in ("sent_after", "sent_before")})
    Task().run(video())
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video())


def test_what_ran_beside_a_lost_create_is_remembered(sandbox: Sandbox) -> None:
    task, sibling = Task(), Task()
    # The same is ordered twice: once it has finished, nothing but the memory tells whose it is.
    other = sibling.run(video(prompt="same [hold]", wait_for_completion=False))["videoId"]
    sandbox.fail("504", VIDEOS)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video(prompt="same [hold]"))
    assert task.store.get(KEY)["foreign_ids"] == [other]
    sandbox.finish(other)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video(prompt="same [hold]"))


def test_the_image_of_another_model_is_not_taken(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.fail("504", IMAGES)
    meanwhile(monkeypatch, lambda: sandbox.create_image("a paper boat"))
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(image(model="nano-banana-pro", aspect_ratio="16:9"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cleared_task_never_gets_its_old_job_back(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    task.run(make(kind))
    task.clear()
    sandbox.fail("504", CREATE[kind])
    # What was there before could not be asked for: the record itself still knows.
    sandbox.fail("400", f"GET /{kind}s/", times=1)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(make(kind))


def test_a_search_by_the_list_alone_says_so(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.fail("accepted-504", VIDEOS)
    Task().run(video())
    assert "by its replyRef" in caplog.text
    done_at_once(sandbox)
    sandbox.fail("accepted-504", VIDEOS)
    Task().run(video())
    assert "by prompt, inputs, account and time alone" in caplog.text


def test_a_video_is_found_behind_many_others(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    done_at_once(sandbox, max_jobs=1000)
    sandbox.fail("accepted-504", VIDEOS)
    meanwhile(monkeypatch, lambda: [sandbox.create_video(f"video {number}") for number in range(35)])
    assert Task().run(video(prompt="needle"))["desc"] == "needle"
    assert posts(sandbox, "video") == 1


def test_too_many_others_are_no_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter, "JobLists", partial(JobLists, max_pages=1))
    done_at_once(sandbox, max_jobs=1000)
    sandbox.fail("accepted-504", VIDEOS)
    meanwhile(monkeypatch, lambda: [sandbox.create_video(f"video {number}") for number in range(29)])
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(video(prompt="needle"))


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_account_the_search_goes_through_all(sandbox: Sandbox, kind: str) -> None:
    done_at_once(sandbox, accounts=3, accounts_in_error=(1,))
    sandbox.fail("accepted-504" if kind == "video" else "504", CREATE[kind])
    if kind == "video":
        assert Task().run(video())["statusLabel"] == "completed"
    else:
        with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="on each account of the connection"):
            Task().run(image())
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["401", "wrong-shape"])
def test_a_search_that_fails_loses_sight_of_nothing(sandbox: Sandbox, kind: str, fault: str) -> None:
    task = Task()
    sandbox.fail("accepted-504", CREATE[kind])
    sandbox.fail(fault, "GET /scheduler/", times=5)
    with pytest.raises(
        errors.MiniMaxUnknownOutcomeError, match="The search for its job failed: GET /scheduler/"
    ) as raised:
        task.run(make(kind, on_unknown_outcome="resubmit"))
    assert not isinstance(raised.value, AirflowFailException)
    for word in ("'a paper boat'", task.store.get(KEY)["reply_ref"], "answered 504", "creates nothing"):
        assert word in str(raised.value)
    sandbox.clear_faults()
    assert jobs(task.run(make(kind)))
    assert posts(sandbox, kind) == 1


def test_the_looks_hold_the_worker_for_seconds_only(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(submitter.time, "sleep", slept.append)
    sandbox.fail("504", VIDEOS)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(video(deferrable=True, poke_interval=600))
    assert slept == [10.0, 10.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["400", "500"])
def test_a_create_does_not_depend_on_the_list(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str, fault: str
) -> None:
    sandbox.fail(fault, f"GET /{kind}s/", times=5)
    assert jobs(Task().run(make(kind)))
    assert "would be harder to find" in caplog.text
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_cannot_be_read_orders_nothing(sandbox: Sandbox, kind: str) -> None:
    task = Task()
    (job_id,) = jobs(task.run(make(kind)))
    task.store.set(KEY, task.store.get(KEY) | {"version": 99})
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match=f"it names {job_id}.*'a paper boat'"):
        task.run(make(kind))
    assert posts(sandbox, kind) == 1
    assert jobs(task.run(make(kind, on_unknown_outcome="resubmit"))) != [job_id]
    assert posts(sandbox, kind) == 2


def test_a_shared_reply_ref_alone_proves_nothing(sandbox: Sandbox) -> None:
    Task().run(video(prompt="another boat [hold]", reply_ref="mine", wait_for_completion=False))
    sandbox.fail("504", VIDEOS)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        Task().run(video(reply_ref="mine"))


def test_a_shared_reply_ref_does_not_hand_over_a_video_of_another_file(sandbox: Sandbox) -> None:
    pictures = Task().run(image(prompt="pictures", quantity=2))
    options = {"prompt": "go [hold]", "reply_ref": "mine", "wait_for_completion": False}
    sandbox.fail("504", VIDEOS)
    task = Task()
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video(file_id=pictures[0]["fileID"], **options))
    Task().run(video(file_id=pictures[1]["fileID"], **options))
    with pytest.raises(errors.MiniMaxUnknownOutcomeError):
        task.run(video(file_id=pictures[0]["fileID"], **options))


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
    assert deferred.method_name == "submit_again"
    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_minimax.triggers.timer.MiniMaxTimerTrigger"
    operator = make(kind)
    assert jobs(operator.submit_again(task.context(), kwargs["carry"]))
    assert made(sandbox, kind) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_asking_for_room_ends_with_the_time_out(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """After the first minute each asking is one request: a worker is held for no longer."""
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


def test_a_pause_that_the_service_asks_for_is_kept(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "LONGEST_PAUSE", 0.0)
    sandbox.fail("429", VIDEOS, times=5, retry_after=600)
    begun = time.time()
    with pytest.raises(AirflowRescheduleException) as raised:
        Task().run(video())
    assert moment_of(raised.value) > begun + 600


def test_room_is_waited_for_after_a_job_that_failed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(timing, "MOST_FAILURES", 2)
    sandbox.fail("500", "GET /images/*", times=0)
    with pytest.raises(errors.MiniMaxUpstreamError) as raised:
        Task(store=None).run(image())
    assert isinstance(raised.value, AirflowFailException)


def test_without_a_store_a_deferred_wait_that_breaks_off_is_final(sandbox: Sandbox) -> None:
    task = Task(store=None)
    task.deferral(video(prompt="a boat [hold]", deferrable=True))
    # The task goes on in another process.
    with pytest.raises(errors.MiniMaxUpstreamError, match="it is not retried") as raised:
        video().execute_complete(task.context(), events.ended_badly(errors.MiniMaxUpstreamError("ten rounds")))
    assert isinstance(raised.value, AirflowFailException)
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"The trigger failed.*it is not retried") as raised:
        video().resume_execution("__fail__", {"error": "Trigger failure"}, task.context())
    assert isinstance(raised.value, AirflowFailException)


def test_with_a_store_it_is_taken_up(sandbox: Sandbox) -> None:
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
    event = events.left_to_this_worker(stored["ids"], stored["deadline"], stored["fresh_until"])
    # In another process, that would defer.
    assert jobs(make(kind, deferrable=True).execute_complete(task.context(), event)) == stored["ids"]
    assert posts(sandbox, kind) == 1


def test_its_deadline_stays_and_a_person_can_still_end_it(sandbox: Sandbox) -> None:
    (video_id,) = jobs(Task().run(video(prompt="a boat [stuck]", wait_for_completion=False)))
    event = events.left_to_this_worker([video_id], time.time() - 1.0, 0.0)
    with pytest.raises(AirflowSensorTimeout, match="continues at the service and is billed"):
        video(timeout=1800).execute_complete(Task().context(), event)
    operator = video(timeout=1800, poke_interval=3600)
    operator._is_killed_by_user = True
    event = events.left_to_this_worker([video_id], time.time() + 1800, 0.0)
    with pytest.raises(AirflowFailException, match="A user ended the task"):
        operator.execute_complete(Task().context(), event)
    assert sandbox.stats.count("POST /videos/cancel") == 1
    assert posts(sandbox, "video") == 1


# The time that Airflow gives a task


def timed_out(operator: Any, task: Task, how: str) -> Any:
    if how == "by the trigger":
        return operator.execute_complete(task.context(), events.timed_out("it."))
    return operator.resume_execution("__fail__", {"error": "Trigger timeout"}, task.context())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["by the trigger", "by Airflow"])
def test_a_job_that_is_completed_after_all_is_not_thrown_away(sandbox: Sandbox, kind: str, how: str) -> None:
    task = Task()
    task.deferral(make(kind, prompt="a boat [hold]", deferrable=True))
    (job_id,) = task.store.get(KEY)["ids"]
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


def test_a_last_try_promises_no_retry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task(max_tries=0)
    operator = video(prompt="a boat [hold]")
    lose_worker(monkeypatch, task, operator)
    operator.on_kill()
    assert "the task has no retry left" in caplog.text
    assert "a retry resumes it" not in caplog.text


def test_a_worker_that_is_ending_orders_nothing(sandbox: Sandbox) -> None:
    operator = video()
    operator.on_kill()
    with pytest.raises(errors.MiniMaxUpstreamError, match="Nothing was created"):
        Task().run(operator)
    assert posts(sandbox, "video") == 0


# The table of the docs

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
    page = (ROOT / "docs" / "creating.md").read_text(encoding="utf-8")
    for status, count in POSTS:
        if status.isdigit():
            row = next(line for line in page.splitlines() if line.startswith(f"| {status} |"))
            assert row.split("|")[2].strip().split()[0] == str(count)


def test_a_normalised_word_is_sent_and_is_the_same_input(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    real = MiniMaxClient.submit

    def submit(client: MiniMaxClient, kind: Any, body: Any) -> list[str]:
        sent.append(body["resolution"])
        return real(client, kind, body)

    monkeypatch.setattr(MiniMaxClient, "submit", submit)
    task = Task()
    first = task.run(video(model="Seedance-2.0", resolution="4k"))
    assert task.run(video(model="Seedance-2.0", resolution="4K")) == first
    assert sent == ["4K"]
