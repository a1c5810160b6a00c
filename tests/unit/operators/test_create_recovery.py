"""Creates whose response is lost: recovered, resubmitted, or reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.compat import (
    AirflowFailException,
)
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission import submitter
from airflow_provider_minimax.submission.job_lists import JobLists
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.creates import KINDS, image, jobs, made, make, posts, video
from tests.unit.operators.support import CREATE, IMAGES, VIDEOS, Task, add_earlier_videos

pytestmark = pytest.mark.usefixtures("fast_creates")

# Lost answers

LOST = ("502", "502-html", "504", "500", "503", "408", "522", "reset", "truncated", "not-json", "wrong-shape")
ACCEPTED = ("accepted-502", "accepted-504", "accepted-reset", "truncated")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ACCEPTED)
@pytest.mark.parametrize("quantity", [1, 4])
def test_a_create_whose_response_is_lost_is_recovered(sandbox: Sandbox, kind: str, fault: str, quantity: int) -> None:
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
def test_a_later_search_may_recover_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    task = Task()
    sandbox.fail("accepted-504", CREATE[kind])
    with monkeypatch.context() as patch:
        patch.setattr(submitter.Submitter, "_search_once", lambda _, record, **__: (record, None))
        with pytest.raises(errors.MiniMaxUnknownOutcomeError):
            task.run(make(kind))
    assert jobs(task.run(make(kind)))
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_resubmit_creates_once_more_per_attempt(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str) -> None:
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


def test_two_matching_batches_are_ambiguous(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_too_many_new_jobs_are_ambiguous(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
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
        errors.MiniMaxUnknownOutcomeError, match=r"The search for its job failed: .*GET /scheduler/"
    ) as raised:
        task.run(make(kind, on_unknown_outcome="resubmit"))
    assert not isinstance(raised.value, AirflowFailException)
    for word in ("'a paper boat'", task.store.get(KEY)["reply_ref"], "(504)", "creates nothing"):
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
def test_an_unreadable_record_submits_nothing(sandbox: Sandbox, kind: str) -> None:
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
