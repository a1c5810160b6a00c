"""When Airflow should retry a task of this provider: a policy for ``retry_policy=``, from Airflow 3.3 on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_minimax.api.errors import (
    MiniMaxAccountOnHoldError,
    MiniMaxBadRequestError,
    MiniMaxCapacityError,
    MiniMaxError,
    MiniMaxUnknownOutcomeError,
    MiniMaxUpstreamError,
)

try:
    from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision, RetryPolicy
except ImportError as error:
    raise ImportError(
        "MiniMaxRetryPolicy needs Airflow 3.3 or newer: older versions have no retry policies."
    ) from error

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Seconds until a retry, by what went wrong; the first that fits.
_DELAYS: Final[tuple[tuple[type[MiniMaxError], str], ...]] = (
    (MiniMaxCapacityError, "capacity"),
    (MiniMaxAccountOnHoldError, "on_hold"),
    (MiniMaxUnknownOutcomeError, "unknown_outcome"),
    (MiniMaxUpstreamError, "upstream"),
)
_MAX_SECONDS: Final = 365 * 86_400


class MiniMaxRetryPolicy(RetryPolicy):
    """Retries transient faults soon, and those that take hours late.

    Errors that a retry cannot fix (a bad token, a moderated prompt, no credits, ...) never reach a policy: Airflow
    does not retry them at all. Any other exception uses the task's own ``retry_delay``, and the number of retries
    is always the task's.

    :param capacity: seconds after a 429, if the service does not say (``Retry-After``).
    :param on_hold: seconds after a 596: the account is on hold, perhaps for hours.
    :param unknown_outcome: seconds until the next search for a lost create.
    :param upstream: seconds after another fault of the service.
    :param max_delay: the most seconds to honour of a ``Retry-After``. The delays above hold even if they are longer.
    :raises MiniMaxBadRequestError: one of them is not a number of seconds from 0 to a year.
    """

    def __init__(
        self,
        capacity: float = 120,
        on_hold: float = 2 * 3600,
        unknown_outcome: float = 60,
        upstream: float = 30,
        max_delay: float = 3600.0,
    ) -> None:
        delays = {"capacity": capacity, "on_hold": on_hold, "unknown_outcome": unknown_outcome, "upstream": upstream}
        self._delays = {name: _seconds(name, seconds) for name, seconds in delays.items()}
        self._max_delay = _seconds("max_delay", max_delay)

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow passes it
        max_tries: int,  # noqa: ARG002 - Airflow passes it
        context: Context | None = None,  # noqa: ARG002 - Airflow passes it
    ) -> RetryDecision:
        """Return whether and when to retry the task."""
        for kind, name in _DELAYS:
            if isinstance(exception, kind):
                seconds = self._delays[name]
                if exception.retry_after is not None:
                    asked = min(exception.retry_after, self._max_delay)
                    # A `Retry-After` of 0 must not bring all tasks back at once.
                    seconds = max(asked, 1.0 if name == "capacity" else seconds)
                return RetryDecision(
                    RetryAction.RETRY, timedelta(seconds=seconds), f"{type(exception).__name__}: retry in {seconds:g} s"
                )
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the delays."""
        return {**self._delays, "max_delay": self._max_delay}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Return the policy with these delays."""
        return cls(**data)


def _seconds(parameter: str, value: float) -> float:
    # Airflow adds a delay to the time of day, in the scheduler: a date beyond the calendar would break it.
    if not 0 <= value <= _MAX_SECONDS:
        raise MiniMaxBadRequestError(f"{parameter} must be a number of seconds from 0 to a year, not {value!r}.")
    return float(value)
