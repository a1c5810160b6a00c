"""The split of errors by whether a retry can help."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowException, AirflowFailException

FINAL = [
    errors.MiniMaxAuthError,
    errors.MiniMaxBadRequestError,
    errors.MiniMaxNotFoundError,
    errors.MiniMaxOutOfCreditsError,
    errors.MiniMaxModeratedError,
    errors.MiniMaxJobFailedError,
    errors.MiniMaxScanLimitError,
]
PASSING = [
    errors.MiniMaxCapacityError,
    errors.MiniMaxAccountOnHoldError,
    errors.MiniMaxUpstreamError,
    errors.MiniMaxShortListError,
    errors.MiniMaxUnknownOutcomeError,
]
ALL = [errors.MiniMaxError, *FINAL, *PASSING]


def test_every_error_of_the_module_is_sorted_here() -> None:
    defined = {kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__}
    assert defined == set(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_an_airflow_exception_of_ours(kind: type[errors.MiniMaxError]) -> None:
    assert issubclass(kind, errors.MiniMaxError)
    assert issubclass(kind, AirflowException)


@pytest.mark.parametrize("kind", ALL)
def test_airflow_fails_at_once_only_where_no_retry_helps(kind: type[errors.MiniMaxError]) -> None:
    assert issubclass(kind, AirflowFailException) == (kind in FINAL)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_copy_of_an_error_keeps_what_it_says(kind: type[errors.MiniMaxError], twin: object) -> None:
    error = kind("what happened", status=429, retry_after=2.5)
    again = twin(error)  # type: ignore[operator]
    assert type(again) is kind
    assert (str(again), again.status, again.retry_after) == ("what happened", 429, 2.5)


def test_an_error_without_an_answer_has_neither_status_nor_time() -> None:
    error = errors.MiniMaxError("x")
    assert (error.status, error.retry_after) == (None, None)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (0, 0.0),
        (2.5, 2.5),
        (604_800, 604_800.0),
        (604_801, None),
        (1_768_010_602, None),
        (1_768_010_602_355, None),
        (10**400, None),
        (-1, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ("7", None),
        (True, None),
        ([], None),
    ],
)
def test_an_error_carries_no_time_that_makes_no_sense(asked: Any, seconds: float | None) -> None:
    assert errors.MiniMaxCapacityError("x", retry_after=asked).retry_after == seconds
