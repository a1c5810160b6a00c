"""What the errors of an operator add to those of its wait: what becomes of the jobs, and what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_minimax.api.errors import MiniMaxModeratedError
from airflow_provider_minimax.compat import AirflowSensorTimeout


def explain_timeout(error: AirflowSensorTimeout) -> AirflowSensorTimeout:
    """Add to a timeout what happens to the jobs."""
    return AirflowSensorTimeout(
        f"{error} A job that is not final continues at the service and is billed: collect it with a sensor and its id. "
        "Airflow does not retry a timeout; clear the task to submit a new job."
    )


@contextmanager
def explained_moderation() -> Iterator[None]:
    """Add to the error of a moderated job what helps: Airflow does not retry it."""
    try:
        yield
    except MiniMaxModeratedError as error:
        raise MiniMaxModeratedError(f"{error} Change the prompt and clear the task.", status=error.status) from None
