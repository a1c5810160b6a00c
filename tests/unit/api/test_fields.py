"""The table of the fields of a create, and what templates may render to."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.fields import parameters, read_fields
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.payloads import ImageFields, VideoFields
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator


def kind_of(parameter: str) -> Kind:
    return "video" if parameter in parameters("video") else "image"


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
        ("file_id", {"imageId": "i", "fileID": "a"}, "a"),
        ("file_id", [{"imageId": "i", "fileID": "a"}], "a"),
        ("file_id", [["a"]], "a"),
        ("file_id", "[{'imageId': 'i', 'fileID': 'a', 'statusFinal': True}]", "a"),
        ("file_id", '{"fileID": "a", "createTime": null}', "a"),
        ("reference_file_ids", [{"fileID": "a"}, [{"fileID": "b"}]], ["a", "b"]),
        ("reference_file_ids", "[[{'fileID': 'a'}], ['b']]", ["a", "b"]),
        ("reference_file_ids", ["a", "b"], ["a", "b"]),
        ("reference_file_ids", {"fileID": "a"}, ["a"]),
        ("reference_file_ids", "{'fileID': 'a'}", ["a"]),
        ("reference_file_ids", "a", ["a"]),
        ("reference_file_ids", ("a",), ["a"]),
        ("reference_file_ids", "['a', 'b']", ["a", "b"]),
        ("reference_file_ids", [], []),
        ("reference_file_ids", None, None),
    ],
)
def test_what_a_field_may_be_rendered_to(parameter: str, value: Any, found: Any) -> None:
    read = read_fields(kind_of(parameter), {parameter: value})[parameter]
    assert read == found
    assert type(read) is type(found)


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("model", "None", "is missing"),
        ("model", " None ", "is missing"),
        ("model", "", "is missing"),
        ("model", " ", "is missing"),
        ("model", True, "takes text"),
        ("model", ["02"], "takes text"),
        ("duration", "None", "is missing"),
        ("duration", "", "is missing"),
        ("prompt_optimization", "", "is missing"),
        ("duration", "five", "takes a whole number"),
        ("duration", 5.5, "takes a whole number"),
        ("duration", "nan", "takes a whole number"),
        ("duration", "inf", "takes a whole number"),
        ("quantity", True, "takes a whole number"),
        ("prompt_optimization", "maybe", "true or false"),
        ("prompt_optimization", 1, "true or false"),
        ("file_id", "", "is missing"),
        ("file_id", "None", "is missing"),
        ("file_id", ["a", "b"], "takes one file id, and got a list of 2: name one of them"),
        ("file_id", [], "takes one file id, and got an empty list"),
        ("file_id", [None], "is missing"),
        ("file_id", {"videoId": "v", "statusLabel": "completed"}, r"the dict of videoId v \(completed\) has no fileID"),
        ("file_id", {"any": 1}, "the dict {'any': 1} has no fileID"),
        ("file_id", 5.5j, "takes text"),
        ("reference_file_ids", {"imageId": "a"}, "has no fileID"),
        ("reference_file_ids", "", "is missing"),
        ("reference_file_ids", True, "takes text"),
        ("reference_file_ids", ["a", None], "is missing"),
        ("reference_file_ids", "['a', None]", "is missing"),
        ("reference_file_ids", ["a", ""], "is missing"),
        ("reference_file_ids", "[broken", "is not a list"),
    ],
)
def test_any_other_value_is_refused(parameter: str, value: Any, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=words):
        read_fields(kind_of(parameter), {parameter: value})


@pytest.mark.parametrize(
    ("kind", "operator", "fields"),
    [("image", MiniMaxCreateImageOperator, ImageFields), ("video", MiniMaxCreateVideoOperator, VideoFields)],
)
def test_operator_and_hook_take_the_fields_of_the_table(kind: str, operator: Any, fields: Any) -> None:
    names = parameters(cast("Kind", kind))
    signature = inspect.signature(inspect.unwrap(operator.__init__)).parameters
    own = {"prompt", "require", "cancel_on_kill", "self", "kwargs"}
    assert [name for name in signature if name not in own] == list(names)
    assert set(fields.__annotations__) == set(names)
    for name in names:
        assert f":param {name}: " in operator.__doc__
