"""What templates render to, read before anything is paid for."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.operators.rendering import fields


@pytest.mark.parametrize(
    ("parameter", "value", "found"),
    [
        ("model", "02", "02"),
        ("model", 2, "2"),
        ("model", None, None),
        ("resolution", 480, "480"),
        ("reply_ref", 123, "123"),
        ("duration", 5, 5),
        ("duration", "5", 5),
        ("duration", " 5 ", 5),
        ("duration", "5.0", 5),
        ("duration", None, None),
        ("quantity", 2.0, 2),
        ("max_jobs", "10", 10),
        ("prompt_optimization", False, False),
        ("prompt_optimization", "False", False),
        ("prompt_optimization", "true", True),
        ("prompt_optimization", None, None),
        ("file_id", "user:1-minimax:2-file:3", "user:1-minimax:2-file:3"),
        ("file_id", None, None),
        ("reference_file_ids", ["a", "b"], ["a", "b"]),
        ("reference_file_ids", ("a",), ["a"]),
        ("reference_file_ids", "['a', 'b']", ["a", "b"]),
        ("reference_file_ids", [], []),
        ("reference_file_ids", None, None),
    ],
)
def test_what_a_field_may_be_rendered_to(parameter: str, value: Any, found: Any) -> None:
    read = fields({parameter: value})[parameter]
    assert read == found
    assert type(read) is type(found)


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("model", "None", "is not there"),
        ("model", " None ", "is not there"),
        ("model", "", "is not there"),
        ("model", " ", "is not there"),
        ("model", True, "takes text"),
        ("model", ["02"], "takes text"),
        ("duration", "None", "is not there"),
        ("duration", "", "is not there"),
        ("prompt_optimization", "", "is not there"),
        ("duration", "five", "takes a whole number"),
        ("duration", 5.5, "takes a whole number"),
        ("duration", "nan", "takes a whole number"),
        ("duration", "inf", "takes a whole number"),
        ("quantity", True, "takes a whole number"),
        ("prompt_optimization", "maybe", "true or false"),
        ("prompt_optimization", 1, "true or false"),
        ("file_id", "", "is not there"),
        ("file_id", "None", "is not there"),
        ("file_id", ["a"], "takes text"),
        ("reference_file_ids", "a", "takes a list"),
        ("reference_file_ids", "", "takes a list"),
        ("reference_file_ids", 5, "takes a list"),
        ("reference_file_ids", ["a", None], "is not there"),
        ("reference_file_ids", "['a', None]", "is not there"),
        ("reference_file_ids", ["a", ""], "is not there"),
        ("reference_file_ids", "[broken", "is not a list"),
    ],
)
def test_what_it_may_not(parameter: str, value: Any, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=words):
        fields({parameter: value})
