"""What a retry of a create sends: after each final status of a job, and after each create whose outcome is unknown."""

from __future__ import annotations

from collections import deque

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.paid_once import MODERATED, UNKNOWN, make, run
from tests.unit.operators.support import Task
from tests.unit.submission.service import FakeService

# After each final status of a job


@pytest.mark.parametrize(
    ("status", "label", "sent", "end"),
    [
        (3, "failed", 2, None),
        (5, "moderated", 2, None),
        (7, "moderated", 2, None),
        (14, "moderated", 2, None),
        (99, "Failed", 2, None),
        (99, "taken under review", 1, "MiniMaxJobFailedError"),
        (99, None, 1, "MiniMaxJobFailedError"),
        (10, "appeal approved", 1, "MiniMaxJobFailedError"),
        (2, "completed", 1, None),
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_what_a_retry_sends_after_each_final_status(
    service: FakeService, kind: str, status: int, label: str | None, sent: int, end: str | None
) -> None:
    task = Task()
    run(task, kind, wait_for_completion=False)
    service.jobs[0].row |= {"status": status, "statusLabel": label, "downloadURL": ""}
    found = run(task, kind)
    assert service.sent == sent
    assert found == (end or [service.jobs[0].id])


def test_one_of_several_images_with_an_unknown_final_status(service: FakeService) -> None:
    task = Task()
    run(task, "image", wait_for_completion=False)
    record = task.store.get(KEY)
    other = service.add_job("image", "a paper boat")
    task.store.set(KEY, record | {"ids": [*record["ids"], other]})
    service.jobs[0].row |= {"status": 5, "statusLabel": "moderated"}
    service.jobs[1].row |= {"status": 99, "statusLabel": "taken under review", "downloadURL": ""}
    operator = make("image")
    with pytest.raises(errors.MiniMaxError, match=r"Unknown final status of .*status 99.*clear the task"):
        task.run(operator)
    assert service.sent == 1


@pytest.mark.parametrize(("missing", "sent"), [(1, 1), (99, 2)])
def test_a_job_is_gone_when_it_is_missing_twice(service: FakeService, missing: int, sent: int) -> None:
    task = Task()
    run(task, "image", wait_for_completion=False)
    task.age(seconds=120)
    # Only a request by its id can find it.
    service.missing_jobs = missing
    service.before_list = lambda: setattr(service, "empty_lists", 1)
    end = run(task, "image", wait_for_completion=False)
    assert service.sent == sent
    assert end == [service.jobs[0].id]


# After creates whose outcome is unknown


@pytest.mark.parametrize(("outcome", "quoted"), [("garbled", "'not an id'"), ("elsewhere", "'what came'")])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_invalid_ids_are_quoted_in_each_attempt(service: FakeService, kind: str, outcome: str, quoted: str) -> None:
    service.outcomes = deque([outcome])
    service.stored_prompt = lambda _: "what nobody asked for"
    task = Task()
    for _ in range(2):
        with pytest.raises(errors.MiniMaxUnknownOutcomeError, match=rf"{quoted}.*is paid for.*'a paper boat'"):
            task.run(make(kind, on_unknown_outcome="resubmit"))
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("second", ["429", "412", "596", "void"])
def test_auto_sends_one_create_after_an_unknown_outcome(service: FakeService, kind: str, second: str) -> None:
    service.accounts = ("41", "42", "43")
    service.outcomes = deque(["void", second])
    assert run(Task(), kind, account="auto", on_unknown_outcome="resubmit") == UNKNOWN
    assert service.sent == 2


@pytest.mark.parametrize("kind", ["image", "video"])
def test_each_attempt_resubmits_once_under_that_policy(service: FakeService, kind: str) -> None:
    service.outcomes = deque(["void"] * 9)
    task = Task()
    for sent in (2, 3, 4):
        assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
        assert service.sent == sent
    # A job that was lost first and appears later is the task's own, too.
    refs = task.store.get(KEY)["earlier_refs"]
    assert len(refs) == 3
    service.final_status = None
    late = service.add_job(kind, "a paper boat", ref=refs[0])
    service.final_status = 2
    service.jobs[0].row |= {"status": 2, "statusLabel": "completed", "statusFinal": True}
    assert run(task, kind, on_unknown_outcome="resubmit") == [late]
    assert service.sent == 4


@pytest.mark.parametrize(("status", "end"), [(5, MODERATED), (3, "MiniMaxJobFailedError")])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_resubmitted_job_that_fails_at_once_ends_the_attempt(
    service: FakeService, kind: str, status: int, end: str
) -> None:
    task = Task()
    service.outcomes = deque(["void"])
    assert run(task, kind) == UNKNOWN
    service.final_status = status
    assert run(task, kind, on_unknown_outcome="resubmit") == end
    assert service.sent == 2


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_recovered_job_that_has_failed_is_followed_by_one_create(service: FakeService, kind: str) -> None:
    task = Task()
    service.outcomes = deque(["void", "void", "void"])
    assert run(task, kind) == UNKNOWN
    record = task.store.get(KEY)
    service.final_status = None
    late = service.add_job(kind, "a paper boat", ref=record["reply_ref"])
    service.jobs[0].row |= {"status": 3, "statusLabel": "failed", "statusFinal": True}
    # The job recovered by its replyRef has failed; the create that follows is lost and ends the attempt.
    assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
    assert service.sent == 2
    assert late in task.store.get(KEY)["foreign_ids"]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_refused_second_create_does_not_hide_the_first(service: FakeService, kind: str) -> None:
    task = Task()
    service.outcomes = deque(["void", "429"])
    assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
    # The refusal of the second says nothing about the first.
    assert run(task, kind, on_unknown_outcome="fail") == UNKNOWN
    assert service.sent == 2
