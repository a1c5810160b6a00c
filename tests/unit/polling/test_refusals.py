"""What an error in a round means, and when a refused id is requested again."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.polling.failures import errors_to_carry, round_failure
from airflow_provider_minimax.polling.poll_plan import is_due

#: Each kind of error: in a response, or without one.
OWN: dict[str, errors.MiniMaxError] = {
    "400": errors.MiniMaxBadRequestError("bad", status=400),
    "402": errors.MiniMaxAuthError("no subscription", status=402),
    "403": errors.MiniMaxAuthError("not yours", status=403),
    "412": errors.MiniMaxOutOfCreditsError("no credits", status=412),
    "422": errors.MiniMaxModeratedError("refused", status=422),
    "596": errors.MiniMaxAccountOnHoldError("on hold", status=596),
    "500": errors.MiniMaxUpstreamError("broken", status=500),
    "no JSON": errors.MiniMaxUpstreamError("not JSON", status=200),
    "not sent": errors.MiniMaxBadRequestError("no id"),
}
TO_ALL: dict[str, errors.MiniMaxError] = {
    "401": errors.MiniMaxAuthError("no token", status=401),
    "429": errors.MiniMaxCapacityError("busy", status=429),
    "no response": errors.MiniMaxUpstreamError("no connection"),
}


@pytest.mark.parametrize("name", TO_ALL)
def test_an_error_that_concerns_all_ends_the_round_as_itself(name: str) -> None:
    assert round_failure([TO_ALL[name]]) is TO_ALL[name]
    assert round_failure([OWN["400"], TO_ALL[name]]) is TO_ALL[name]


@pytest.mark.parametrize("name", OWN)
def test_one_or_two_refused_ids_do_not_end_the_round(name: str) -> None:
    assert round_failure([OWN[name]]) is None
    assert round_failure([OWN[name]] * 2) is None


@pytest.mark.parametrize(
    "names",
    [
        ["403", "403", "403"],
        ["402", "402", "402"],
        ["596", "596", "596"],
        ["500", "403", "403"],
        ["400", "400", "400"],
        ["422", "412", "400"],
        ["500", "no JSON", "500"],
    ],
    ids=", ".join,
)
def test_three_refused_ids_in_a_row_end_the_round_but_are_final_for_no_other_id(names: list[str]) -> None:
    failure = round_failure([OWN[name] for name in names])
    assert type(failure) is errors.MiniMaxUpstreamError
    assert str(OWN[names[-1]]) in str(failure)


@pytest.mark.parametrize(
    ("names", "counted"),
    [
        pytest.param(["403"] * 3, 2, id="after three in a row, one more ends the next round"),
        pytest.param(["403"] * 2, 0, id="no failure of all"),
        pytest.param(["403", "429"], 0, id="a failure of all needs no other"),
    ],
)
def test_refusals_in_a_row_count_in_the_next_round(names: list[str], counted: int) -> None:
    refusals = [(OWN | TO_ALL)[name] for name in names]
    assert errors_to_carry(refusals, round_failure(refusals)) == refusals[len(refusals) - counted :]


def test_the_failure_carries_status_and_retry_after() -> None:
    failure = round_failure([errors.MiniMaxUpstreamError("busy", status=503, retry_after=9.0)] * 3)
    assert failure is not None
    assert (failure.status, failure.retry_after) == (503, 9.0)


@pytest.mark.parametrize(
    ("refusals", "rounds"),
    [
        (0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (1, [2, 4, 6, 8, 10, 12]),
        (2, [4, 8, 12]),
        (3, [4, 8, 12]),
        (9999, [4, 8, 12]),
    ],
)
def test_an_id_that_is_refused_again_is_requested_less_often(refusals: int, rounds: list[int]) -> None:
    assert [number for number in range(1, 13) if is_due(number, refusals)] == rounds
