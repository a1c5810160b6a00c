"""What a task does that has nothing to work on."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.validation import empty_result
from airflow_provider_minimax.compat import AirflowSkipException


def test_an_empty_list_is_returned() -> None:
    assert empty_result("return", "nothing to do") == []


@pytest.mark.parametrize(
    ("on_empty", "error", "raised", "words"),
    [
        ("skip", None, AirflowSkipException, "nothing to do"),
        ("skip", MiniMaxError("look again"), AirflowSkipException, "nothing to do"),
        ("fail", None, MiniMaxBadRequestError, "nothing to do"),
        ("fail", MiniMaxError("look again"), MiniMaxError, "look again"),
    ],
)
def test_a_task_may_be_skipped_or_fail_instead(on_empty: Any, error: Any, raised: type[Exception], words: str) -> None:
    with pytest.raises(raised) as caught:
        empty_result(on_empty, "nothing to do", error)
    assert (type(caught.value), str(caught.value)) == (raised, words)
