"""When Airflow retries, by what went wrong."""

from __future__ import annotations

import json
import math
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
        (errors.MiniMaxCapacityError("full", retry_after=86_400), 3600),
        (errors.MiniMaxUpstreamError("503", retry_after=86_400), 3600),
        (errors.MiniMaxUnknownOutcomeError("lost", retry_after=86_400), 3600),
        (errors.MiniMaxAccountOnHoldError("held", retry_after=86_400), 7200),
        *(
            (errors.MiniMaxCapacityError("full", retry_after=garbage), 120)
            for garbage in (1_768_010_602, 1_768_010_602_355, -1, math.inf, -math.inf, math.nan, 1e300, 10**400)
        ),
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


def test_the_most_that_the_service_can_ask_for_is_a_parameter() -> None:
    policy = MiniMaxRetryPolicy(max_delay=10, upstream=20)
    busy, broken = errors.MiniMaxCapacityError("", retry_after=60), errors.MiniMaxUpstreamError("", retry_after=60)
    assert [policy.evaluate(error, 1, 3).retry_delay for error in (busy, broken)] == [
        timedelta(seconds=10),
        timedelta(seconds=20),
    ]


def test_a_policy_that_was_stored_before_there_was_a_bound_has_the_default() -> None:
    policy = MiniMaxRetryPolicy.deserialize({"capacity": 1, "on_hold": 2, "unknown_outcome": 3, "upstream": 4})
    assert policy.serialize()["max_delay"] == 3600


@pytest.mark.parametrize("name", ["capacity", "on_hold", "unknown_outcome", "upstream", "max_delay"])
@pytest.mark.parametrize("value", [-1, math.inf, math.nan, 1e12])
def test_a_delay_that_no_calendar_holds_is_refused(name: str, value: float) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"{name} must be a number of seconds"):
        MiniMaxRetryPolicy(**{name: value})
