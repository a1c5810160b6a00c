"""How a wait ended, from the trigger to the task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowSensorTimeout
from airflow_provider_minimax.polling.events import failure_event, jobs_of, success_event, timed_out, timeout_error

ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MiniMaxError)]


def carried(event: dict[str, Any]) -> Any:
    """Return an event as it is after the journey through the database."""
    return json.loads(json.dumps(event))


def test_the_jobs_of_a_successful_wait_arrive_in_order() -> None:
    jobs: list[dict[str, Any]] = [{"imageId": "b", "createTime": 2**60}, {"imageId": "a", "desc": "ü\n"}]
    assert jobs_of(carried(success_event(jobs)), 60.0) == jobs


@pytest.mark.parametrize("kind", ERRORS)
def test_the_error_of_a_failed_wait_arrives_with_its_class(kind: type[errors.MiniMaxError]) -> None:
    event = carried(failure_event(kind("what happened", status=429, retry_after=2.5)))
    with pytest.raises(errors.MiniMaxError) as caught:
        jobs_of(event, 60.0)
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.status, caught.value.retry_after) == ("what happened", 429, 2.5)


def test_an_error_without_a_response_arrives_without_a_status() -> None:
    with pytest.raises(errors.MiniMaxUpstreamError) as caught:
        jobs_of(carried(failure_event(errors.MiniMaxUpstreamError("x"))), 60.0)
    assert (caught.value.status, caught.value.retry_after) == (None, None)


def test_a_passed_deadline_is_a_sensor_timeout_that_names_the_pending_jobs() -> None:
    with pytest.raises(AirflowSensorTimeout) as caught:
        jobs_of(carried(timed_out("image 5 (queued).")), 1800.0)
    assert str(caught.value) == "Not final within 1800 s: image 5 (queued)."


@pytest.mark.parametrize(("seconds", "shown"), [(1.99999, "2"), (0.5, "0.5"), (3600.0, "3600"), (1799.96, "1800")])
def test_a_timeout_is_shown_as_a_person_would_write_it(seconds: float, shown: str) -> None:
    assert str(timeout_error(seconds, "image 5 (queued).")).startswith(f"Not final within {shown} s: ")


@pytest.mark.parametrize("name", ["MiniMaxErrorOfTomorrow", "AirflowFailException", "annotations", "", "__name__"])
def test_an_error_with_an_unknown_name_is_still_a_minimax_error(name: str) -> None:
    event = carried(failure_event(errors.MiniMaxError("what happened", status=418))) | {"error": name}
    with pytest.raises(errors.MiniMaxError, match="what happened") as caught:
        jobs_of(event, 60.0)
    assert (type(caught.value), caught.value.status) == (errors.MiniMaxError, 418)


@pytest.mark.parametrize(
    "event",
    [
        None, "completed", 5, [], {}, {"status": "success"}, {"end": "paused"}, {"end": None}, {"end": "completed"},
        {"end": "completed", "jobs": None}, {"end": "failed"}, {"end": ["completed"]},
    ],
    ids=str,
)  # fmt: skip
def test_an_unknown_event_is_an_error_that_a_retry_may_mend(event: object) -> None:
    with pytest.raises(errors.MiniMaxUpstreamError, match="does not know"):
        jobs_of(event, 60.0)
