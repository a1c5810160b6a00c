"""How many creates are sent, which job is adopted, and how the attempt ends: scenario by scenario.

Each row is run for images and for videos, and under both policies for a create whose outcome is unknown.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.unit.operators.paid_once import (
    DAY,
    MODERATED,
    TEN_MINUTES,
    UNKNOWN,
    clock,
    earlier_jobs_without_times,
    run,
    two_earlier_jobs,
)
from tests.unit.operators.support import Task
from tests.unit.submission.service import FakeService

# What the service is like before the create


def no_jobs(_: FakeService, __: str) -> None:
    pass


def empty_twice(service: FakeService, kind: str) -> None:
    two_earlier_jobs(service, kind)
    service.empty_lists = 2


def empty_once(service: FakeService, kind: str) -> None:
    two_earlier_jobs(service, kind)
    service.empty_lists = 1


def newest_deleted(service: FakeService, kind: str) -> None:
    """The newest jobs are deleted during the create, so that the list ends with yesterday's of the same prompt."""
    service.stored_time = None
    service.add_job(kind, "a paper boat", age=DAY)
    for number in range(31):
        service.add_job(kind, f"boat {number}", age=DAY / 2)

    def delete() -> None:
        if service.creates:
            service.jobs = [job for job in service.jobs if not job.row["desc"].startswith("boat ")]

    service.before_list = delete


def another_runs_without_ref(service: FakeService, kind: str) -> None:
    """A user submits the same prompt in the browser, at the same moment."""
    two_earlier_jobs(service, kind)

    def begin() -> None:
        if service.creates and len(service.jobs) == 2:
            service.final_status = None
            service.add_job(kind, "a paper boat")
            service.final_status = 2

    service.before_list = begin


def empty_while_recovering(service: FakeService, kind: str) -> None:
    """The lists are empty while the attempt searches for its job."""
    two_earlier_jobs(service, kind)

    def forget() -> None:
        if service.creates:
            service.empty_lists = 1

    service.before_list = forget


def all_jobs_end(status: int) -> Callable[[FakeService, str], None]:
    def arrange(service: FakeService, kind: str) -> None:
        two_earlier_jobs(service, kind)
        service.final_status = status

    return arrange


#: The job of the first create that made one, and so on.
FIRST = 0


@dataclass
class Row:
    """A scenario, and for each policy: creates sent, and the job or the error that the attempt ends with."""

    name: str
    outcomes: tuple[str, ...]
    fail: tuple[int, int | str]
    resubmit: tuple[int, int | str]
    arrange: Callable[[FakeService, str], None] = two_earlier_jobs


TABLE = [
    Row("a response", (), (1, FIRST), (1, FIRST)),
    Row("the response is lost", ("lost",), (1, FIRST), (1, FIRST)),
    Row("the response is lost, no times", ("lost",), (1, FIRST), (1, FIRST), earlier_jobs_without_times),
    Row("no job was made", ("void",), (1, UNKNOWN), (2, FIRST)),
    Row("no job is ever made", ("void",) * 9, (1, UNKNOWN), (2, UNKNOWN)),
    Row("the second response is lost", ("void", "lost"), (1, UNKNOWN), (2, FIRST)),
    # The jobs from before.
    Row("two empty lists, no job was made", ("void",), (1, UNKNOWN), (2, FIRST), empty_twice),
    Row("one empty list, no job was made", ("void",), (1, UNKNOWN), (2, FIRST), empty_once),
    Row("one empty list", ("lost",), (1, FIRST), (1, FIRST), empty_once),
    Row("the newest jobs are deleted", ("void",), (1, UNKNOWN), (2, FIRST), newest_deleted),
    Row("the first job of an account", ("lost",), (1, FIRST), (1, FIRST), no_jobs),
    Row("all lists are empty after the create", ("lost",), (1, UNKNOWN), (1, UNKNOWN), empty_while_recovering),
    # A job of another user.
    Row("a job in the scheduler without a replyRef", ("void",), (1, UNKNOWN), (2, FIRST),
        another_runs_without_ref),
    # One create after an unknown outcome, whatever its own outcome.
    Row("the second is moderated", ("void",), (1, UNKNOWN), (2, MODERATED), all_jobs_end(5)),
    Row("the second fails", ("void",), (1, UNKNOWN), (2, "MiniMaxJobFailedError"), all_jobs_end(3)),
    Row("the first was made, and was moderated", ("lost",), (1, MODERATED), (1, MODERATED), all_jobs_end(5)),
    Row("504 and 429 in turn", ("void", "429") * 9, (1, UNKNOWN), (2, UNKNOWN)),
    Row("no room, then 504 and 429 in turn", ("429",) * 5 + ("void", "429") * 9, (6, UNKNOWN), (7, UNKNOWN)),
    Row("504, and out of credits", ("void", "412"), (1, UNKNOWN), (2, UNKNOWN)),
    Row("504, and on hold", ("void", "596"), (1, UNKNOWN), (2, UNKNOWN)),
    # The clock of the service.
    *(Row(f"clock {skew:+.0f} s", ("lost",), (1, FIRST), (1, FIRST), clock(skew, skew))
      for skew in (-TEN_MINUTES, TEN_MINUTES)),
    Row("clock -30 s, without Date", ("lost",), (1, FIRST), (1, FIRST), clock(-30, None)),
    Row("invalid ids", ("garbled",), (1, FIRST), (1, FIRST)),
    Row("ids under an unknown key", ("elsewhere",), (1, FIRST), (1, FIRST)),
]  # fmt: skip


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_one_attempt(service: FakeService, row: Row, kind: str, policy: str) -> None:
    row.arrange(service, kind)
    before = {job.id for job in service.jobs}
    service.outcomes = deque(row.outcomes)
    end = run(Task(), kind, on_unknown_outcome=policy)
    sent, expected = row.fail if policy == "fail" else row.resubmit
    made = [job.id for job in reversed(service.jobs) if job.id not in before and job.ref]
    assert service.sent == sent
    assert end == ([made[expected]] if isinstance(expected, int) else expected)
    # At most one create after an unknown outcome, whatever its own outcome.
    assert service.maybe_billed <= (1 if policy == "fail" else 2)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_first_job_of_an_account_logs_no_warning(
    service: FakeService, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    assert run(Task(), kind) == [service.jobs[0].id]
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []
    if kind == "video":
        assert "is then recovered by its replyRef only" in caplog.text
