"""When Airflow should retry a task of this provider: a policy for ``retry_policy=``, from Airflow 3.3 on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_minimax.api.errors import (
    MiniMaxAccountOnHoldError,
    MiniMaxCapacityError,
    MiniMaxError,
    MiniMaxUnknownOutcomeError,
    MiniMaxUpstreamError,
)

try:
    from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision, RetryPolicy
except ImportError as error:
    raise ImportError(
        "MiniMaxRetryPolicy needs Airflow 3.3 or newer: older versions know no retry policies."
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


class MiniMaxRetryPolicy(RetryPolicy):
    """Retries soon what passes soon, and late what takes hours.

    What a retry cannot mend (a bad token, a moderated prompt, no credits, ...) never reaches a policy: Airflow
    does not retry those errors at all. Any other exception is left to the task's own ``retry_delay``. The number
    of retries stays the task's.

    :param capacity: seconds after a 429, where the service does not say (``Retry-After``).
    :param on_hold: seconds after a 596: the account is on hold, perhaps for hours.
    :param unknown_outcome: seconds until a lost create is looked for again.
    :param upstream: seconds after another fault of the service.
    """

    def __init__(
        self, capacity: float = 120, on_hold: float = 2 * 3600, unknown_outcome: float = 60, upstream: float = 30
    ) -> None:
        self._delays = {
            "capacity": float(capacity),
            "on_hold": float(on_hold),
            "unknown_outcome": float(unknown_outcome),
            "upstream": float(upstream),
        }

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow passes it
        max_tries: int,  # noqa: ARG002 - Airflow passes it
        context: Context | None = None,  # noqa: ARG002 - Airflow passes it
    ) -> RetryDecision:
        """Decide when the task is retried."""
        for kind, name in _DELAYS:
            if isinstance(exception, kind):
                seconds = self._delays[name]
                if exception.retry_after is not None:
                    # A service that asks to come back at once is not asked at once by many tasks.
                    seconds = (
                        max(exception.retry_after, 1.0) if name == "capacity" else max(exception.retry_after, seconds)
                    )
                return RetryDecision(
                    RetryAction.RETRY, timedelta(seconds=seconds), f"{type(exception).__name__}: retry in {seconds:g} s"
                )
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the delays."""
        return dict(self._delays)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Return the policy with these delays."""
        return cls(**data)
