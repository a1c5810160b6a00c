"""Ids in each form in which Airflow passes them from task to task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, overload

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, parse_id_list, parse_one_id, read_id
from airflow_provider_minimax.api.jobs import KNOWN_LABELS, check_labels, compact
from airflow_provider_minimax.api.validation import optional_count

A, B, C = (f"user:1-minimax:2-image:{number}" for number in (1, 2, 3))
VIDEO = "user:1-minimax:2-video:4"
FILE = "user:1-minimax:2-file:5"


def image(image_id: str) -> dict[str, Any]:
    """A compact image, as a create or a list returns it; its prompt has what could confuse a parser of text."""
    return compact({"imageId": image_id, "fileID": FILE, "status": 2, "desc": 'it\'s [a] "lamp"\n{{ x }}'})


FORMS = [
    pytest.param(A, [A], True, id="id"),
    pytest.param(image(A), [A], True, id="compact dict"),
    pytest.param({"imageId": A}, [A], True, id="dict with the id alone"),
    pytest.param([A, B], [A, B], False, id="list of ids"),
    pytest.param((A, B), [A, B], False, id="tuple"),
    pytest.param([image(A), image(B)], [A, B], False, id="list of compact dicts, as create.output"),
    pytest.param([[image(A), image(B)], [image(C)]], [A, B, C], False, id="list of lists, as of a mapped create"),
    pytest.param([[A], B, [[C]]], [A, B, C], False, id="mixed"),
    pytest.param([A, A], [A, A], False, id="twice the same"),
    pytest.param([], [], False, id="empty"),
    pytest.param([[], []], [], False, id="lists of nothing"),
]


@pytest.mark.parametrize(("value", "ids", "single"), FORMS)
def test_each_form_of_an_id_is_read(value: object, ids: list[str], single: bool) -> None:
    assert parse_id_list(value, "image_id", "image") == (ids, single)


@pytest.mark.parametrize("render", [str, json.dumps, lambda value: f"\n {value}  "], ids=["Python", "JSON", "blanks"])
@pytest.mark.parametrize(("value", "ids", "single"), [form for form in FORMS if form.id not in ("id", "tuple")])
def test_the_text_that_a_template_renders_of_it_is_read(
    value: object, ids: list[str], single: bool, render: Any
) -> None:
    assert parse_id_list(render(value), "image_id", "image") == (ids, single)


def test_lists_of_texts_are_flat() -> None:
    """As ids=["{{ ti.xcom_pull('a') }}", "{{ ti.xcom_pull('b') }}"] renders."""
    assert parse_id_list([str([image(A)]), str(image(B)), C], "ids") == ([A, B, C], False)


def test_images_and_videos_are_told_by_their_field() -> None:
    assert parse_id_list([image(A), {"videoId": VIDEO}], "ids") == ([A, VIDEO], False)


class Lazy(Sequence[object]):
    """Airflow's results of a mapped task: each member is a request, and so is a slice."""

    def __init__(self, values: list[object]) -> None:
        self.values, self.requests = values, 0

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, key: int) -> object: ...
    @overload
    def __getitem__(self, key: slice) -> list[object]: ...

    def __getitem__(self, key: Any) -> Any:
        self.requests += 1
        return self.values[key]


def test_the_results_of_a_mapped_task_are_read_in_one_request() -> None:
    results = Lazy([[image(A)], [image(B)]] * 50)
    assert parse_id_list(results, "image_id", "image") == ([A, B] * 50, False)
    assert results.requests == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[oops", "image_id: '[oops' is not a list of ids"),
        ("{'imageId': ", "image_id: \"{'imageId': \" is not a list of ids"),
        ("{[]: 1}", "is not a list of ids"),
        ("[" * 100_000, "is not a list of ids"),
        (
            {"videoId": VIDEO, "statusLabel": "pending"},
            f"image_id: the dict of videoId {VIDEO} (pending) has no imageId",
        ),
        ({"imageId": None, "fileID": FILE}, f"image_id: the dict of fileID {FILE} has no imageId"),
        ([{"id": "x"}], "image_id: the dict {'id': 'x'} has no imageId"),
        ({}, "image_id: the dict {} has no imageId"),
        ({"text": "x" * 10_000}, "... has no imageId"),
    ],
)
def test_what_holds_no_id_is_refused_by_the_name_of_the_parameter(value: object, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        parse_id_list(value, "image_id", "image")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, None), (FILE, FILE), (f" {FILE} ", FILE), (image(A), FILE), ([image(A)], FILE), (str([[image(A)]]), FILE)],
)
def test_one_file_id_is_read_from_each_form(value: object, found: str | None) -> None:
    assert parse_one_id(value, "file_id", "file") == found


@pytest.mark.parametrize("kind", ["image", "video", "file"])
def test_one_id_out_of_several_is_not_guessed(kind: Kind) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=f"file_id takes one {kind} id, and got a list of 2: name one"):
        parse_one_id([A, B], "file_id", kind)


# Labels and counts


@pytest.mark.parametrize(
    "text",
    ["['completed', 'failed']", '["completed", "failed"]', "('completed', 'failed')", " ['failed','completed'] "],
)
def test_labels_may_be_the_text_of_their_list(text: str) -> None:
    assert check_labels("statuses", text, KNOWN_LABELS) == {"completed", "failed"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("completed", "statuses takes a list of status labels, such as ['completed'], not 'completed'"),
        ("completed, failed", "such as [\"completed\"], not 'completed, failed'"),
        ("None", "statuses takes a list"),
        ("['completed'", "is not a list of status labels"),
        ("{'completed': 1}", "statuses takes a list"),
        ({"completed": 1}, "statuses takes a list"),
        (5, 'statuses takes a list of status labels, such as ["completed"], not 5'),
        ([["completed"]], "unknown status label \"['completed']\""),
        ("['done']", "unknown status label 'done'"),
    ],
)
def test_labels_of_another_form_are_refused(labels: Any, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        check_labels("statuses", labels, KNOWN_LABELS)
    assert words in str(caught.value)


@pytest.mark.parametrize(("value", "count"), [(5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), ("5.0", 5), (None, None)])
def test_a_count_may_be_text(value: object, count: int | None) -> None:
    assert optional_count("limit", value) == count


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "limit must be an integer of at least 1, not 0"),
        ("-1", "limit must be an integer of at least 1, not -1"),
        ("many", "limit takes a whole number, not 'many'"),
        (1.5, "limit takes a whole number"),
        (True, "limit takes a whole number"),
        ("", "limit was rendered to ''"),
        ("None", "limit was rendered to 'None'"),
        ([5], "limit takes text"),
    ],
)
def test_what_is_no_count_is_refused(value: object, words: str) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        optional_count("limit", value)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [A, f" {A}\n", image(A), [image(A)], [[A]], str(image(A)), json.dumps([image(A)])])
def test_one_id_is_parsed_in_each_form(value: object) -> None:
    assert read_id(value, "image").full == A


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([A, B], "image id takes one image id, and got a list of 2"),
        ([], "got an empty list"),
        ({"videoId": VIDEO}, f"image id: the dict of videoId {VIDEO} has no imageId"),
        ({}, "the dict {} has no imageId"),
        ([None], "image id"),
        (f"[{A}", "is not an id"),
        (7, r"No image id was given \(got 7\)"),
    ],
)
def test_what_holds_no_single_id_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=message):
        read_id(value, "image")
