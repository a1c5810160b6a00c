"""What each operation makes of failures: repeat or not, which error, and what the error never says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_mock import Mocker

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from tests.unit.api.support import BASE, FILE, IMAGE, TOKEN, VIDEO, Sleeps, answer_all, client, error_of

Operation = Callable[[MiniMaxClient], Any]

READS: dict[str, Operation] = {
    "list_images": lambda caller: caller.list_images(),
    "get_image": lambda caller: caller.get_image(IMAGE),
    "get_video": lambda caller: caller.get_video(VIDEO),
    "list_videos": lambda caller: caller.list_videos(),
    "list_accounts": lambda caller: caller.list_accounts(),
    "get_features": lambda caller: caller.get_features(),
    "cancel_video": lambda caller: caller.cancel_video(VIDEO),
}
CREATES: dict[str, Operation] = {
    "create_image": lambda caller: caller.create_image("p"),
    "create_video": lambda caller: caller.create_video("p", file_id=FILE),
}
ALL = READS | CREATES

reads = pytest.mark.parametrize("operation", READS.values(), ids=READS)
creates = pytest.mark.parametrize("operation", CREATES.values(), ids=CREATES)
everything = pytest.mark.parametrize("operation", ALL.values(), ids=ALL)

REFUSALS = {
    400: errors.MiniMaxBadRequestError,
    401: errors.MiniMaxAuthError,
    402: errors.MiniMaxAuthError,
    403: errors.MiniMaxAuthError,
    412: errors.MiniMaxOutOfCreditsError,
    422: errors.MiniMaxModeratedError,
    596: errors.MiniMaxAccountOnHoldError,
}
FAULTS = [408, 500, 502, 503, 504, 522]
#: What is not documented to make no job: it may come from somebody in between.
UNDOCUMENTED = [300, 301, 302, 303, 304, 307, 308, 404, 405, 407, 409, 410, 411, 413, 414, 415, 425, 451, 600]


def fail(operation: Operation, caller: MiniMaxClient) -> errors.MiniMaxError:
    return error_of(lambda: operation(caller))


# Statuses


@everything
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_asked_once(requests_mock: Mocker, operation: Operation, status: int) -> None:
    answer_all(requests_mock, status_code=status, json={"error": "the reason"})
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (REFUSALS[status], status)
    assert "the reason" in str(error)
    assert (requests_mock.call_count, sleeps) == (1, [])


@reads
def test_what_is_not_found_is_asked_for_once(requests_mock: Mocker, operation: Operation) -> None:
    answer_all(requests_mock, status_code=404, json={"error": "the reason"})
    error = fail(operation, client())
    assert (type(error), error.status, requests_mock.call_count) == (errors.MiniMaxNotFoundError, 404, 1)


@reads
@pytest.mark.parametrize("status", FAULTS)
def test_a_read_is_repeated_after_a_fault_until_the_attempts_are_used_up(
    requests_mock: Mocker, operation: Operation, status: int
) -> None:
    answer_all(requests_mock, status_code=status, text="<html><title>Bad Gateway</title>")
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, status)
    assert (requests_mock.call_count, len(sleeps)) == (5, 4)
    assert all(0 <= seconds <= 1 * 2**n for n, seconds in enumerate(sleeps))


@creates
@pytest.mark.parametrize("status", FAULTS + UNDOCUMENTED)
def test_a_create_is_sent_once_where_a_fault_may_hide_a_job(
    requests_mock: Mocker, operation: Operation, status: int
) -> None:
    answer_all(requests_mock, status_code=status, text="<html>")
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, status)
    assert (requests_mock.call_count, sleeps) == (1, [])


@everything
def test_a_full_queue_is_asked_again_by_every_call(requests_mock: Mocker, operation: Operation) -> None:
    answer_all(requests_mock, status_code=429, json={"error": "busy"})
    sleeps = Sleeps()
    error = fail(operation, client(sleeps, max_attempts=3))
    assert (type(error), error.status) == (errors.MiniMaxCapacityError, 429)
    assert (requests_mock.call_count, len(sleeps)) == (3, 2)
    assert all(0 <= seconds <= 5 * 2**n for n, seconds in enumerate(sleeps))


def test_an_upload_costs_nothing_and_is_repeated_like_a_read(requests_mock: Mocker, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    answer_all(requests_mock, status_code=502, text="<html>")
    error = fail(lambda caller: caller.upload_file(tmp_path / "a.png"), client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUpstreamError, 5)


def test_a_client_without_repeats_tries_once(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=429)
    sleeps = Sleeps()
    fail(READS["get_image"], client(sleeps, account="42").without_retries())
    assert (requests_mock.call_count, sleeps) == (1, [])


# Answers that are not the contract's


NO_JSON = {
    "HTML": {"text": "<html><title>Login</title>"},
    "nothing": {"text": ""},
    "half": {"text": '{"images": [{"id"'},
    "garbage": {"content": b"\x00\xff\xfe"},
}
no_json = pytest.mark.parametrize("answer", NO_JSON.values(), ids=NO_JSON)


@pytest.mark.parametrize("name", [name for name in READS if name != "cancel_video"])
@no_json
def test_a_read_that_gets_no_json_is_repeated(requests_mock: Mocker, name: str, answer: dict[str, Any]) -> None:
    answer_all(requests_mock, **answer)
    error = fail(READS[name], client(max_attempts=3))
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)
    assert requests_mock.call_count == 3


@creates
@no_json
def test_a_create_that_gets_no_json_is_sent_once(
    requests_mock: Mocker, operation: Operation, answer: dict[str, Any]
) -> None:
    answer_all(requests_mock, **answer)
    error = fail(operation, client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)


@pytest.mark.parametrize(
    "answer", [[], ["x"], {}, {"images": None}, {"images": {}}, {"images": "x"}, {"images": ["x"]}, None, 5, "x"]
)
def test_a_page_without_a_list_of_images_is_an_error_of_the_service(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(READS["list_images"], client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)
    assert "GET /images/" in str(error)


@pytest.mark.parametrize("answer", [{}, {"videos": None}, ["x"], [1], None, "x", {"images": []}])
def test_a_page_without_a_list_of_videos_is_an_error_of_the_service(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(READS["list_videos"], client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


@pytest.mark.parametrize(
    "operation", [READS[name] for name in ("get_image", "get_video", "list_accounts", "get_features")]
)
@pytest.mark.parametrize("answer", [[], [{}], None, "x", 5])
def test_a_read_that_gets_no_object_is_an_error_of_the_service(
    requests_mock: Mocker, operation: Operation, answer: Any
) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(operation, client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


@pytest.mark.parametrize(
    "answer",
    [{}, [], None, {"imageIds": []}, {"imageIds": None}, {"imageIds": IMAGE}, {"imageIds": [1]}, {"imageIds": [""]}],
)
def test_a_create_of_images_without_ids_leaves_its_outcome_unknown(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(CREATES["create_image"], client())
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, 200)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("answer", [{}, [], None, {"videoId": ""}, {"videoId": None}, {"videoId": 7}])
def test_a_create_of_a_video_without_an_id_leaves_its_outcome_unknown(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(CREATES["create_video"], client())
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, 200)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("answer", [{}, [], {"fileID": ""}, {"fileID": 7}])
def test_an_upload_without_a_file_id_is_an_error_of_the_service(
    requests_mock: Mocker, tmp_path: Path, answer: Any
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    answer_all(requests_mock, json=answer)
    error = fail(lambda caller: caller.upload_file(tmp_path / "a.png"), client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


MALFORMED = [
    "900001",
    "user:1234-minimax:42",
    VIDEO.replace("-video:", "-film:"),
    f"{IMAGE}/../x",
    "https://elsewhere.test/",
    5,
    ["x"],
    {"id": "x"},
    True,
]


@pytest.mark.parametrize("found", [*MALFORMED, VIDEO])
def test_malformed_ids_of_images_that_may_be_paid_for_are_quoted(requests_mock: Mocker, found: Any) -> None:
    answer_all(requests_mock, json={"imageIds": [IMAGE, found]})
    error = fail(CREATES["create_image"], client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)
    assert "paid for" in str(error)
    assert repr(IMAGE) in str(error), "what can be looked up"
    assert repr(found) in str(error)


@pytest.mark.parametrize("found", [*MALFORMED, IMAGE])
def test_a_malformed_id_of_a_video_that_may_be_paid_for_is_quoted(requests_mock: Mocker, found: Any) -> None:
    answer_all(requests_mock, json={"videoId": found})
    error = fail(CREATES["create_video"], client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)
    assert "paid for" in str(error)
    assert repr(found) in str(error)


@pytest.mark.parametrize("create", ["create_image", "create_video"])
@pytest.mark.parametrize(
    "answer",
    [
        {"imageIds": IMAGE, "videoId": ""},
        {"imageIds": {"id": IMAGE}},
        {"ids": [IMAGE]},
        {"imageIds": [], "videoId": None, "jobs": [IMAGE]},
        [IMAGE],
        IMAGE,
        {},
    ],
)
def test_what_a_create_answers_in_another_form_is_quoted(requests_mock: Mocker, create: str, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(CREATES[create], client())
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, 200)
    assert f"accepted, but the response names no {create.removeprefix('create_')} id: {answer!r}" in str(error)
    assert "paid for" in str(error)


def test_what_is_quoted_of_an_answer_in_another_form_is_bounded_and_has_no_token(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"token": TOKEN, "imageIds": "x" * 10**6})
    error = fail(CREATES["create_image"], client())
    assert "{'token': '***', 'imageIds': 'xxx" in str(error)
    assert len(str(error)) < 1000


def test_what_is_quoted_of_malformed_ids_is_bounded_and_has_no_token(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={"imageIds": [TOKEN, "x" * 10**6]})
    error = fail(CREATES["create_image"], client())
    assert "['***', 'xxx" in str(error)
    assert len(str(error)) < 1000


# No answer


@reads
@pytest.mark.parametrize(
    "fault", [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError]
)
def test_a_read_that_gets_no_answer_is_repeated(
    requests_mock: Mocker, operation: Operation, fault: type[Exception]
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client(max_attempts=3))
    assert (type(error), error.status, requests_mock.call_count) == (errors.MiniMaxUpstreamError, None, 3)


@creates
@pytest.mark.parametrize(
    "fault", [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError]
)
def test_a_create_that_gets_no_answer_is_sent_once(
    requests_mock: Mocker, operation: Operation, fault: type[Exception]
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client())
    assert (type(error), error.status, requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, None, 1)


# What an error carries, and what it does not


def test_an_error_says_which_id_it_is_about(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=404, json={"error": "Not found.", "code": 404})
    assert str(fail(READS["get_image"], client())).startswith(f"Not found (404): Not found. GET /images/{IMAGE}. ")


@everything
def test_a_service_that_quotes_the_token_does_not_get_it_into_error_or_log(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture, operation: Operation
) -> None:
    answer_all(
        requests_mock,
        {"status_code": 429, "json": {"error": f"busy, Bearer {TOKEN}"}},
        {"status_code": 401, "json": {"error": {"message": f"bad token {TOKEN}"}}},
    )
    with caplog.at_level(logging.DEBUG):
        fail(operation, client())
    assert "s3cr3t" not in caplog.text


def test_every_try_of_every_call_goes_to_the_origin_of_the_settings(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=502)
    for operation in ALL.values():
        fail(operation, client(max_attempts=2))
    assert {(request.scheme, request.netloc) for request in requests_mock.request_history} == {("https", "api.test")}
    assert all(request.url.startswith(BASE) for request in requests_mock.request_history)
