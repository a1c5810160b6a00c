"""How a wait ended, as a trigger tells it to the task: written there, read here, and nowhere else.

Events are logged, sent and stored, so they hold compact jobs and messages, never a secret, and nothing that Airflow
cannot send.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.sendable import sendable
from airflow_provider_minimax.compat import AirflowSensorTimeout

Payload = dict[str, Any]

#: Airflow logs and stores an event, and a job may carry a prompt of some thousand characters.
_MOST_JOBS: Final = 100


def ended_well(jobs: list[dict[str, Any]]) -> Payload:
    """Return the payload for a wait that ended with success."""
    return _payload("completed", jobs=jobs)


def ended_badly(error: errors.MiniMaxError) -> Payload:
    """Return the payload for a wait that ended with an error."""
    return _payload(
        "failed", error=type(error).__name__, message=str(error), status=error.status, retry_after=error.retry_after
    )


def timed_out(pending: str) -> Payload:
    """Return the payload for a wait whose deadline passed."""
    return _payload("timed out", message=pending)


def left_to_a_worker() -> Payload:
    """Return the payload for a wait that cannot begin, or end, in the triggerer."""
    return _payload("left to a worker")


def left_to_this_worker(ids: Sequence[str], deadline: float, fresh_until: float) -> Payload:
    """Return the payload for a wait that the triggerer cannot take on: the worker goes on with it, and stays.

    :param ids: full ids. A test run of a DAG hands the task nothing but the event, and a paid job must not be lost.
    :param deadline: seconds since the epoch; it stays as it is.
    :param fresh_until: seconds since the epoch until which "not found" may only mean "not yet".
    """
    carried = list(ids) if len(ids) <= _MOST_JOBS else []
    return _payload("left to this worker", ids=carried, deadline=deadline, fresh_until=fresh_until)


def for_an_event(payload: Payload) -> Payload:
    """Return what to send of a payload: with more jobs than an event should carry, the worker asks for them again."""
    return left_to_a_worker() if len(payload.get("jobs", ())) > _MOST_JOBS else payload


def is_left_to_a_worker(event: Any) -> bool:
    """Tell whether the worker that reads the event has to ask for the jobs."""
    return isinstance(event, dict) and event.get("end") == "left to a worker"


def is_left_to_this_worker(event: Any) -> TypeGuard[Payload]:
    """Tell whether the worker that reads the event has to wait itself, and must not defer again."""
    return isinstance(event, dict) and event.get("end") == "left to this worker"


def is_ended_already(event: Any) -> bool:
    """Tell whether the trigger has pushed the result and ended the task."""
    return isinstance(event, str) and event == "success"


def result_of(event: Any, timeout: float) -> list[dict[str, Any]]:
    """Return the compact jobs that an event carries.

    :param timeout: seconds that the wait was given, for the message.
    :raises MiniMaxError: the error that ended the wait, by its own class.
    :raises AirflowSensorTimeout: the deadline passed.
    """
    match event:
        case {"end": "completed", "jobs": [*jobs]}:
            return jobs
        case {"end": "timed out", "message": str(pending)}:
            raise timeout_error(timeout, pending)
        case {"end": "failed", "error": str(name), "message": str(message)}:
            kind = getattr(errors, name, None)
            if not (isinstance(kind, type) and issubclass(kind, errors.MiniMaxError)):
                kind = errors.MiniMaxError
            raise kind(message, status=event.get("status"), retry_after=event.get("retry_after"))
        case _:
            raise errors.MiniMaxUpstreamError(
                f"The trigger sent an event that this version does not know ({type(event).__name__}). "
                "A retry waits anew."
            )


def timeout_error(timeout: float, pending: str) -> AirflowSensorTimeout:
    """Return the error for a wait that took too long; Airflow does not retry it."""
    return AirflowSensorTimeout(f"Not final within {timeout:g} s: {pending}")


def _payload(end: str, **carried: Any) -> Payload:
    return {"end": end, **sendable(carried)}
