"""A create when the store of its record fails, holds a damaged record, or is missing."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.polling import events
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.paid_once import ids_of, make, run, two_earlier_jobs
from tests.unit.operators.support import MemoryStore, Task
from tests.unit.submission.service import FakeService


class Failing(MemoryStore):
    """A ``state_store_backend`` that raises an error of its own."""

    def __init__(self, *phases: str) -> None:
        super().__init__()
        self.phases = phases

    def set(self, key: str, value: Any) -> None:
        if value.get("phase") in self.phases:
            raise OSError("the bucket is gone")
        super().set(key, value)


class Unreadable(MemoryStore):
    def get(self, key: str, default: Any = None) -> Any:
        raise ConnectionError("the bucket is gone")


@pytest.mark.parametrize("stored_time", [int, None])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_ids_outlive_any_error_of_the_store(service: FakeService, kind: str, stored_time: Any) -> None:
    service.stored_time = stored_time
    two_earlier_jobs(service, kind)
    task = Task(store=Failing("created"))
    (job,) = run(task, kind)
    assert task.store.get(KEY)["phase"] == "intent"
    # Its retry begins after Airflow's default delay.
    task.age(seconds=299)
    service.jobs[0].row |= {"createTime": task.store.get(KEY)["sent_after"]} if stored_time else {}
    assert run(task, kind) == [job]
    assert service.sent == 1


@pytest.mark.parametrize("phase", ["intent", "created"])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_damaged_record_submits_nothing(service: FakeService, kind: str, phase: str) -> None:
    task = Task()
    run(task, kind)
    task.store.set(KEY, task.store.get(KEY) | {"phase": phase, "ids": [], "foreign_ids": [1] * (phase == "intent")})
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="is unreadable; it names replyRef"):
        task.run(make(kind))
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
def test_nothing_is_sent_without_a_record(service: FakeService, kind: str) -> None:
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"the bucket is gone.*Nothing was submitted"):
        Task(store=Failing("intent")).run(make(kind))
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"the bucket is gone.*Nothing was submitted"):
        Task(store=Unreadable()).run(make(kind))
    assert service.sent == 0


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_result_of_a_trigger_outlives_an_unreadable_store(service: FakeService, kind: str) -> None:
    rows = [{f"{kind}Id": service.add_job(kind, "a paper boat")}]
    task = Task(store=Unreadable())
    assert ids_of(make(kind).execute_complete(task.context(), events.success_event(rows))) == ids_of(rows)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_without_a_store_an_unknown_outcome_is_not_retried(service: FakeService, kind: str, deferrable: bool) -> None:
    service.outcomes = deque(["void", "429"])
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="it is not retried"):
        Task(store=None).run(make(kind, on_unknown_outcome="resubmit", deferrable=deferrable))
    assert service.sent == 2
