"""How a wait ended, as the trigger tells the task. No other module knows the form of an event.

Airflow logs, sends and stores events, so they hold compact jobs and messages only: no secret, and nothing that Airflow
cannot send.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.serialization import to_plain_json
from airflow_provider_minimax.compat import AirflowSensorTimeout

Payload = dict[str, Any]

#: The verdict on jobs at a time-out.
NOT_FINAL: Final = "Not final"
#: Jobs in one event: Airflow logs and stores it, and a job may carry a prompt of some thousand characters.
_MAX_JOBS: Final = 100


def success_event(jobs: list[dict[str, Any]]) -> Payload:
    """Return the payload of a wait that has succeeded."""
    return _payload("completed", jobs=jobs)


def failure_event(error: errors.MiniMaxError) -> Payload:
    """Return the payload of a wait that has failed."""
    return _payload(
        "failed", error=type(error).__name__, message=str(error), status=error.status, retry_after=error.retry_after
    )


def timed_out(pending: str) -> Payload:
    """Return the payload of a wait whose deadline has passed."""
    return _payload("timed out", message=pending)


def resume_on_worker() -> Payload:
    """Return the payload of a wait that a worker has to start, or to end."""
    return _payload("left to a worker")


def back_on_worker_event(ids: Sequence[str], deadline: float, fresh_until: float) -> Payload:
    """Return the payload of a wait that the triggerer cannot run: the worker continues it and does not defer again."""
    # A test run of a DAG passes nothing but the event to the task, and a paid job must not be lost.
    carried = list(ids) if len(ids) <= _MAX_JOBS else []
    return _payload("left to this worker", ids=carried, deadline=deadline, fresh_until=fresh_until)


def fit_event(payload: Payload) -> Payload:
    """Return the payload to send: if it has too many jobs for an event, the worker requests them again."""
    return resume_on_worker() if len(payload.get("jobs", ())) > _MAX_JOBS else payload


def resumes_on_worker(event: Any) -> bool:
    """Return whether the worker that reads the event has to poll the jobs itself."""
    return isinstance(event, dict) and event.get("end") == "left to a worker"


def is_back_on_worker(event: Any) -> TypeGuard[Payload]:
    """Return whether the worker that reads the event has to wait itself, and must not defer again."""
    return isinstance(event, dict) and event.get("end") == "left to this worker"


def has_ended_task(event: Any) -> bool:
    """Return whether the trigger has pushed the result and ended the task."""
    return isinstance(event, str) and event == "success"


def jobs_of(event: Any, timeout: float, next_step: str = "", verdict: str = NOT_FINAL) -> list[dict[str, Any]]:
    """Return the compact jobs of an event.

    :param timeout: seconds that the wait had, for the message.
    :param next_step: what to do after a time-out, for the message.
    :param verdict: of a time-out, likewise.
    :raises MiniMaxError: the error that ended the wait, by its own class.
    :raises AirflowSensorTimeout: the deadline has passed.
    """
    match event:
        case {"end": "completed", "jobs": [*jobs]}:
            return jobs
        case {"end": "timed out", "message": str(pending)}:
            raise timeout_error(timeout, pending, next_step, verdict)
        case {"end": "failed", "error": str(name), "message": str(message)}:
            kind = getattr(errors, name, None)
            if not (isinstance(kind, type) and issubclass(kind, errors.MiniMaxError)):
                kind = errors.MiniMaxError
            raise kind(message, status=event.get("status"), retry_after=event.get("retry_after"))
        case _:
            raise errors.MiniMaxUpstreamError(
                f"The trigger sent an event that this version does not know ({type(event).__name__}). "
                "A retry waits again."
            )


def timeout_error(timeout: float, pending: str, next_step: str = "", verdict: str = NOT_FINAL) -> AirflowSensorTimeout:
    """Return the error of a wait that has timed out; Airflow does not retry it."""
    return AirflowSensorTimeout(f"{verdict} within {round(timeout, 1):g} s: {pending} {next_step}".rstrip())


def _payload(end: str, **carried: Any) -> Payload:
    return {"end": end, **to_plain_json(carried)}
