"""The failed rounds of a rescheduled sensor, which is a new process at each poke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from airflow.sdk import Context

_KEY: Final = "minimax_failures"


def load_failures(context: Context) -> int:
    """Return the rounds that have failed in a row in earlier processes of this attempt.

    0 before Airflow 3.3, which has no ``task_state_store``: there, passing failures end the sensor by time-out only.
    """
    store: Any = context.get("task_state_store")
    record = store.get(_KEY) if store is not None else None
    if not isinstance(record, dict) or record.get("try_number") != context["ti"].try_number:
        return 0
    failures = record.get("failures")
    return failures if isinstance(failures, int) else 0


def save_failures(context: Context, failures: int) -> None:
    """Store the rounds that have failed in a row for the next process."""
    store: Any = context.get("task_state_store")
    if store is not None:
        store.set(_KEY, {"try_number": context["ti"].try_number, "failures": failures})
