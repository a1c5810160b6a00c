"""When Airflow retries, by what went wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_minimax.api import errors

pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="Airflow knows no retry policies before 3.3")

from airflow.sdk.definitions.retry_policy import RetryAction

from airflow_provider_minimax.retry_policy import MiniMaxRetryPolicy


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.MiniMaxCapacityError("full"), 120),
        (errors.MiniMaxCapacityError("full", retry_after=7), 7),
        (errors.MiniMaxCapacityError("full", retry_after=0), 1),
        (errors.MiniMaxAccountOnHoldError("held"), 7200),
        (errors.MiniMaxAccountOnHoldError("held", retry_after=5), 7200),
        (errors.MiniMaxAccountOnHoldError("held", retry_after=9000), 7200),
        (errors.MiniMaxUnknownOutcomeError("lost"), 60),
        (errors.MiniMaxUpstreamError("502"), 30),
        (errors.MiniMaxUpstreamError("503", retry_after=90), 90),
    ],
)
def test_each_error_has_its_delay(error: errors.MiniMaxError, seconds: float) -> None:
    decision = MiniMaxRetryPolicy().evaluate(error, 1, 3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=seconds)
    assert type(error).__name__ in str(decision.reason)


@pytest.mark.parametrize("error", [ValueError("other"), errors.MiniMaxError("nothing special")])
def test_other_errors_are_left_to_the_task(error: Exception) -> None:
    assert MiniMaxRetryPolicy().evaluate(error, 1, 3).action is RetryAction.DEFAULT


def test_the_delays_are_the_users_and_survive_storage() -> None:
    policy = MiniMaxRetryPolicy(capacity=1, on_hold=2, unknown_outcome=3, upstream=4, max_delay=5)
    stored = json.loads(json.dumps(policy.serialize()))
    again = MiniMaxRetryPolicy.deserialize(stored)
    assert (
        again.serialize()
        == stored
        == {"capacity": 1, "on_hold": 2, "unknown_outcome": 3, "upstream": 4, "max_delay": 5}
    )
