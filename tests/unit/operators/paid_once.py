"""Attempts of a create on the fake service, and what the service is like before one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowRescheduleException
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from tests.support import at_pace
from tests.unit.operators.support import Task
from tests.unit.submission.service import FakeService

DAY = 86_400.0
#: Seconds: far beyond what two clocks may differ by unnoticed.
TEN_MINUTES = 600.0
UNKNOWN, MODERATED = "MiniMaxUnknownOutcomeError", "MiniMaxModeratedError"


def make(kind: str, **options: Any) -> Any:
    operator = MiniMaxCreateImageOperator if kind == "image" else MiniMaxCreateVideoOperator
    given = {"prompt": "a paper boat", "timeout": 20, "deferrable": False, "account": "42"} | options
    return at_pace(operator(task_id="create", **given), 0.02)


def ids_of(value: Any) -> list[str]:
    rows = value if isinstance(value, list) else [value]
    return [row if isinstance(row, str) else row.get("imageId") or row["videoId"] for row in rows]


def run(task: Task, kind: str, **options: Any) -> list[str] | str:
    """Run an attempt to its end, over each reschedule; return the ids that it ends with, or the name of its error."""
    for _ in range(10):
        try:
            return ids_of(task.run(make(kind, **options)))
        except AirflowRescheduleException:
            task.try_number -= 1  # Airflow does not count a reschedule.
        except errors.MiniMaxError as error:
            return type(error).__name__
    raise AssertionError("the attempt does not end")


def two_earlier_jobs(service: FakeService, kind: str) -> None:
    service.add_job(kind, "a paper boat", age=DAY)
    service.add_job(kind, "a tin boat", age=DAY / 2)


def earlier_jobs_without_times(service: FakeService, kind: str) -> None:
    service.stored_time = None
    two_earlier_jobs(service, kind)


def clock(skew: float, date_skew: float | None) -> Callable[[FakeService, str], None]:
    def arrange(service: FakeService, kind: str) -> None:
        service.skew, service.date_skew = skew, date_skew
        two_earlier_jobs(service, kind)

    return arrange
