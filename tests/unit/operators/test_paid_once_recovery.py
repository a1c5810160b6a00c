"""Which job a create whose outcome is unknown recovers: by the jobs from before, the times, and the prompt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.paid_once import (
    DAY,
    TEN_MINUTES,
    UNKNOWN,
    clock,
    earlier_jobs_without_times,
    make,
    run,
    two_earlier_jobs,
)
from tests.unit.operators.support import Task
from tests.unit.submission.service import FakeService

LONG = "a paper boat on a quiet river, " * 10

# The jobs from before the create, under either policy


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("outcome", ["void", "lost"])
def test_lists_that_are_empty_for_a_moment_are_not_taken_for_the_jobs_from_before(
    service: FakeService, kind: str, outcome: str
) -> None:
    # The service counts no images, twice: that is believed, so an image would have to show its time.
    service.stored_time = int if kind == "image" else None
    two_earlier_jobs(service, kind)
    service.empty_lists = 2
    service.outcomes = deque([outcome])
    end = run(Task(), kind)
    assert service.sent == 1
    if outcome == "void" or kind == "video":
        assert end == UNKNOWN
    else:
        assert end == [service.jobs[0].id]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_account_that_was_in_error_and_is_back(service: FakeService, kind: str) -> None:
    service.accounts = ("41", "42")
    service.broken_accounts = {"41"}
    service.stored_time = None
    service.add_job(kind, "a paper boat", account="41", age=DAY)
    service.add_job(kind, "a tin boat", account="42", age=DAY)
    service.outcomes = deque(["void"])

    def mend() -> None:
        if service.creates:
            service.broken_accounts = set()

    service.before_list = mend
    task = Task()
    for _ in range(2):
        assert run(task, kind, account=None) == UNKNOWN
    assert service.sent == 1
    assert list(task.store.get(KEY)["known_ids"]) == ["42"]


# The clock of the service


@pytest.mark.parametrize("skew", [-TEN_MINUTES, TEN_MINUTES])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_wrong_clock_adopts_no_job_of_another_run(service: FakeService, kind: str, skew: float) -> None:
    clock(skew, skew)(service, kind)
    service.outcomes = deque(["void"])
    task = Task()
    assert run(task, kind) == UNKNOWN
    # Made ten minutes later or earlier than ours, it shows the time that our own clock had then.
    service.add_job(kind, "a paper boat", age=skew)
    assert run(task, kind) == UNKNOWN
    assert service.sent == 1


# A worker that dies between the intent and the create


def die_before_the_create(monkeypatch: pytest.MonkeyPatch, task: Task, kind: str, seconds: float) -> None:
    """Run an attempt that dies once its intent is stored, as if that had been some seconds ago."""

    def dying(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MiniMaxClient, "submit", dying)
        with pytest.raises(KeyboardInterrupt):
            task.run(make(kind))
    task.age(seconds)


@pytest.mark.parametrize(
    ("kind", "ago", "age", "is_adopted"),
    [
        # A create leaves within 60 seconds and the time to connect, 10; two clocks that were compared differ by 15.
        ("image", TEN_MINUTES, TEN_MINUTES - 60, True),
        ("image", TEN_MINUTES, TEN_MINUTES - 80, True),
        ("image", TEN_MINUTES, TEN_MINUTES - 90, False),
        ("image", TEN_MINUTES, TEN_MINUTES - 240, False),
        # Without times: the same, the task's own delay of 300 seconds and two minutes.
        ("video", 480, 0, True),
        ("video", 500, 0, False),
    ],
)
def test_the_job_that_another_run_makes_after_a_dead_worker(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, kind: str, ago: float, age: float, is_adopted: bool
) -> None:
    service.stored_time = int if kind == "image" else None
    two_earlier_jobs(service, kind)
    task = Task()
    die_before_the_create(monkeypatch, task, kind, ago)
    job = service.add_job(kind, "a paper boat", age=age)
    assert run(task, kind) == ([job] if is_adopted else UNKNOWN)
    assert service.sent == 0


# After an attempt that has searched without success


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
def test_a_video_that_appears_after_the_searches_is_not_adopted(service: FakeService, policy: str) -> None:
    earlier_jobs_without_times(service, "video")
    service.outcomes = deque(["void"] * 9)
    task = Task()
    assert run(task, "video", on_unknown_outcome=policy) == UNKNOWN
    # The next run makes the same within the retry delay.
    service.add_job("video", "a paper boat")
    assert run(task, "video", on_unknown_outcome=policy) == UNKNOWN
    assert service.sent == (1 if policy == "fail" else 3)


@pytest.mark.parametrize(("age", "is_adopted"), [(TEN_MINUTES / 2, False), (TEN_MINUTES, True)])
def test_an_image_that_was_made_between_two_creates_is_not_adopted(
    service: FakeService, age: float, is_adopted: bool
) -> None:
    """The task's own job was made while one of its creates was in flight."""
    two_earlier_jobs(service, "image")
    service.outcomes = deque(["void"] * 9)
    task = Task()
    assert run(task, "image") == UNKNOWN
    task.age(TEN_MINUTES)

    def list_late() -> None:
        if service.sent == 2 and len(service.jobs) == 2:
            service.add_job("image", "a paper boat", age=age)

    service.before_list = list_late
    assert run(task, "image", on_unknown_outcome="resubmit") == ([service.jobs[0].id] if is_adopted else UNKNOWN)
    assert service.sent == 2


def test_a_video_that_runs_under_our_ref_is_recovered_after_the_searches(service: FakeService) -> None:
    earlier_jobs_without_times(service, "video")
    service.outcomes = deque(["void"])
    task = Task()
    assert run(task, "video") == UNKNOWN
    assert task.store.get(KEY)["closed"]
    service.final_status = None
    late = service.add_job("video", "a paper boat", ref=task.store.get(KEY)["reply_ref"])
    service.jobs[0].row |= {"status": 2, "statusLabel": "completed", "statusFinal": True}
    assert run(task, "video") == [late]


def test_an_attempt_whose_last_search_fails_leaves_the_record_open(service: FakeService) -> None:
    earlier_jobs_without_times(service, "video")
    service.outcomes = deque(["lost"])
    service.before_list = lambda: setattr(service, "empty_lists", 1 if service.creates else 0)
    task = Task()
    assert run(task, "video") == UNKNOWN
    service.before_list = lambda: None
    service.empty_lists = 0
    assert run(task, "video") == [service.jobs[0].id]
    assert service.sent == 1


# The prompt and the time, as the service may have stored them


@pytest.mark.parametrize(
    ("prompt", "stored_prompt", "stored_time"),
    [
        ("a paper\r\nboat", lambda text: text.replace("\r\n", "\n"), int),
        ("a  paper \n boat ", lambda text: " ".join(text.split()), int),
        ("un caf\u00e9", lambda text: text.replace("\u00e9", "e\u0301"), int),
        (LONG, lambda text: text[:200], int),
        (LONG, lambda text: text[:200] + "...", int),
        ("a paper boat", str, lambda moment: moment // 1000),
        ("a paper boat", str, str),
        ("a paper boat", str, lambda moment: str(moment // 1000)),
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_lost_create_is_recovered_in_each_form_of_prompt_and_time(
    service: FakeService,
    kind: str,
    prompt: str,
    stored_prompt: Callable[[str], str],
    stored_time: Callable[[int], Any],
) -> None:
    service.stored_prompt, service.stored_time = stored_prompt, stored_time
    two_earlier_jobs(service, kind)
    service.outcomes = deque(["lost"])
    assert run(Task(), kind, prompt=prompt) == [service.jobs[0].id]
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_truncated_prompt_is_ambiguous(service: FakeService, kind: str) -> None:
    service.stored_prompt = lambda text: text[:200]
    service.add_job(kind, f"{LONG} at dawn", age=DAY)
    service.outcomes = deque(["lost"])
    assert run(Task(), kind, prompt=f"{LONG} at noon") == UNKNOWN
    assert service.sent == 1


@pytest.mark.parametrize("map_index", [0, 7])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_truncated_prompt_is_ambiguous_among_mapped_siblings(service: FakeService, kind: str, map_index: int) -> None:
    """A fan-out over the ends of one long prompt, whose first create made no job."""
    service.stored_prompt = lambda text: text[:200]
    two_earlier_jobs(service, kind)
    service.outcomes = deque(["void"])

    def make_the_siblings_job() -> None:
        if service.creates and len(service.jobs) == 2:
            service.add_job(kind, f"{LONG} at dawn")

    service.before_list = make_the_siblings_job
    task = Task(map_index=map_index)
    for _ in range(2):
        assert run(task, kind, prompt=f"{LONG} at noon") == UNKNOWN
    assert service.sent == 1
