"""What is refused of a parameter."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.validation import at_least_one, one_of


@pytest.mark.parametrize("value", [1, 2, 10**9])
def test_a_number_of_things_is_taken(value: int) -> None:
    at_least_one("limit", value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, float("nan")])
def test_what_is_no_number_of_things_is_refused_by_name(value: object) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=f"limit must be an integer of at least 1, not {value!r}"):
        at_least_one("limit", value)


def test_a_word_is_one_of_those_that_are_known() -> None:
    one_of("mode", "sync", ("snapshot", "sync"))
    with pytest.raises(MiniMaxBadRequestError, match="mode must be one of snapshot, sync, not 'copy'"):
        one_of("mode", "copy", ("snapshot", "sync"))
