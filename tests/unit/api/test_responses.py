"""From an answer to the error that it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.responses import error_for, meaning_of, message_of, not_the_contract, retry_after
from airflow_provider_minimax.compat import AirflowFailException

NOW = datetime(2026, 1, 1, tzinfo=UTC)

NAMED: dict[int, type[errors.MiniMaxError]] = {
    400: errors.MiniMaxBadRequestError,
    401: errors.MiniMaxAuthError,
    402: errors.MiniMaxAuthError,
    403: errors.MiniMaxAuthError,
    404: errors.MiniMaxNotFoundError,
    412: errors.MiniMaxOutOfCreditsError,
    422: errors.MiniMaxModeratedError,
    429: errors.MiniMaxCapacityError,
    596: errors.MiniMaxAccountOnHoldError,
}


#: The statuses that are documented to make no job.
NO_JOB = {400, 401, 402, 403, 412, 422, 429, 596}


def expected(status: int, billable: bool) -> type[errors.MiniMaxError]:
    if billable and status not in NO_JOB:
        return errors.MiniMaxUnknownOutcomeError
    if status in NAMED:
        return NAMED[status]
    if status < 400 or status == 408 or status >= 500:
        return errors.MiniMaxUpstreamError
    return errors.MiniMaxBadRequestError


@pytest.mark.parametrize("billable", [False, True], ids=["read", "create"])
def test_each_status_means_the_error_of_the_contract(billable: bool) -> None:
    statuses = [*range(100, 200), *range(300, 1000)]
    wrong = {s: meaning_of(s, billable=billable).error for s in statuses}
    assert {s: error for s, error in wrong.items() if error is not expected(s, billable)} == {}


@pytest.mark.parametrize("billable", [False, True], ids=["read", "create"])
def test_the_advice_promises_a_retry_exactly_where_airflow_makes_one(billable: bool) -> None:
    for status in range(300, 600):
        meaning = meaning_of(status, billable=billable)
        is_final = meaning.advice.startswith("A retry will not help")
        assert issubclass(meaning.error, AirflowFailException) == is_final, status


@pytest.mark.parametrize("status", [408, 500, 502, 504, 522])
def test_a_lost_create_says_that_it_is_not_sent_again(status: int) -> None:
    advice = meaning_of(status, billable=True).advice
    assert "may have been created and paid for" in advice
    assert "not sent again" in advice


def test_only_the_error_of_a_create_speaks_of_creating() -> None:
    speaking = [status for status in range(300, 1000) if "created" in meaning_of(status, billable=False).advice]
    assert speaking == []
    assert meaning_of(429, billable=True).advice == "Nothing was created. A retry will ask again."


def body(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(body({"error": "Not found.", "code": 404}), "Not found", id="string"),
        pytest.param(body({"error": "Not found."}), "Not found", id="no code"),
        pytest.param(
            body({"error": {"code": 8, "message": "Quota used up", "status": "X"}}), "Quota used up", id="object"
        ),
        pytest.param(body({"error": {"status": "UNAVAILABLE"}}), "UNAVAILABLE", id="object without message"),
        pytest.param(body({"error": {"message": {"deep": 1}}}), "JSON without an error message", id="deep object"),
        pytest.param(body({"error": {}}), "JSON without an error message", id="empty object"),
        pytest.param(body({"error": 5}), "JSON without an error message", id="number"),
        pytest.param(body({"error": "  "}), "JSON without an error message", id="blank"),
        pytest.param(body({"code": 500}), "JSON without an error message", id="no error"),
        pytest.param(body(["a"]), "JSON without an error message", id="list"),
        pytest.param(
            body({"errors": ["no room"]}), 'JSON without an error message: {"errors": ["no room"]}', id="unknown shape"
        ),
        pytest.param(b"", "an empty body", id="empty"),
        pytest.param(b"<html><head><title> 502 Bad Gateway\n</title>", "a page titled '502 Bad Gateway'", id="HTML"),
        pytest.param(b"<html><body>busy</body>", "a page that says 'busy'", id="HTML without title"),
        pytest.param(b"\x00\xff\xfe\x1f\x8b", "not JSON", id="garbage"),
        pytest.param(b"<title>\xff\xfe</title>", "a page titled", id="garbage title"),
        pytest.param(b'{"error": "cut', 'the text \'{"error": "cut\'', id="truncated JSON"),
        pytest.param(body({"error": "first\nsecond\r\n\tthird"}), "first second third", id="several lines"),
    ],
)
def test_the_services_words_are_found_in_any_body(raw: bytes, message: str) -> None:
    error = error_for("GET /images/X", 500, {}, raw, billable=False, now=NOW)
    assert f"The service failed (500): {message}" in str(error).replace("not JSON but ", "")
    assert "GET /images/X" in str(error)
    assert "\n" not in str(error)
    assert error.status == 500


def test_json_of_an_unknown_shape_is_quoted_in_a_bounded_line() -> None:
    message = message_of({"errors": ["\x1b[31mred\n" + "x" * 10_000]}, b"...")
    assert message.startswith('JSON without an error message: {"errors": ["')
    assert message.isprintable()
    assert len(message) < 400


def test_a_null_body_is_json_without_a_message() -> None:
    assert "JSON" in message_of(None, b"null")


def test_a_long_message_is_cut() -> None:
    message = message_of({"error": "x" * 10_000}, b"...")
    assert set(message) == {"x"}
    assert 100 < len(message) < 1000


def test_an_error_ends_with_what_a_retry_will_do() -> None:
    error = error_for("POST /images/create", 412, {}, body({"error": "No credits."}), billable=True, now=NOW)
    assert isinstance(error, errors.MiniMaxOutOfCreditsError)
    assert str(error) == (
        "Not enough credits (412): No credits. POST /images/create. "
        "A retry will not help until the Hailuo account has credits again."
    )


def test_an_answer_that_is_not_the_contracts_is_an_upstream_error_for_a_read() -> None:
    error = not_the_contract("GET /images/", 200, "the response is not an object", billable=False)
    assert type(error) is errors.MiniMaxUpstreamError
    assert str(error).startswith("The response is not an object (GET /images/). ")
    assert error.status == 200


def test_an_answer_that_is_not_the_contracts_leaves_a_create_unknown() -> None:
    assert type(not_the_contract("POST", None, "x", billable=True)) is errors.MiniMaxUnknownOutcomeError


@pytest.mark.parametrize(
    ("header", "document", "seconds"),
    [
        pytest.param("7", None, 7.0, id="seconds"),
        pytest.param(" 7 ", None, 7.0, id="seconds with blanks"),
        pytest.param("1.5", None, 1.5, id="float"),
        pytest.param("0", None, 0.0, id="zero"),
        pytest.param("86400", None, 86400.0, id="a day"),
        pytest.param("Thu, 01 Jan 2026 00:00:10 GMT", None, 10.0, id="HTTP date"),
        pytest.param("Thu, 01 Jan 2026 01:00:10 +0100", None, 10.0, id="date with offset"),
        pytest.param("Thu, 01 Jan 2026 00:00:10", None, 10.0, id="date without zone"),
        pytest.param("Wed, 31 Dec 2025 23:59:59 GMT", None, 0.0, id="past date"),
        pytest.param("-5", None, None, id="negative"),
        pytest.param("soon", None, None, id="garbage"),
        pytest.param("", None, None, id="empty"),
        pytest.param("1e3", None, None, id="exponent"),
        pytest.param("604800", None, 604_800.0, id="a week"),
        pytest.param("604801", None, None, id="more than a week"),
        pytest.param("1768010602", None, None, id="seconds since 1970"),
        pytest.param("1768010602355", None, None, id="milliseconds since 1970"),
        pytest.param("9" * 400, None, None, id="more than a float holds"),
        pytest.param("inf", None, None, id="infinite"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", None, None, id="the last date"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -2359", None, None, id="after the last date"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 +2359", None, 0.0, id="before the first date"),
        pytest.param(None, {"retryAfter": "9999-12-31T23:59:59-23:59"}, None, id="the last ISO time"),
        pytest.param(None, {"retryAfter": "0001-01-01T00:00:00+23:59"}, 0.0, id="the first ISO time"),
        pytest.param(None, {"retryAfter": 1768010602355}, None, id="milliseconds since 1970 in the body"),
        pytest.param("1768010602", {"retryAfter": "2026-01-01T00:00:10Z"}, None, id="garbage is not mended"),
        pytest.param("nan", None, None, id="nan"),
        pytest.param("Thu, 32 Foo 2026 99:00:00 GMT", None, None, id="a date that is none"),
        pytest.param("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None, None, id="a year without end"),
        pytest.param(None, None, None, id="nothing"),
        pytest.param(None, {"retryAfter": "2026-01-01T00:00:10Z"}, 10.0, id="ISO in the body"),
        pytest.param(None, {"retryAfter": "2026-01-01T00:00:10.500+00:00"}, 10.5, id="ISO with fractions"),
        pytest.param(None, {"retryAfter": "2026-01-01T00:00:10"}, 10.0, id="ISO without zone"),
        pytest.param(None, {"retryAfter": "2025-12-31T00:00:00Z"}, 0.0, id="ISO in the past"),
        pytest.param("3", {"retryAfter": "2026-01-01T00:00:10Z"}, 3.0, id="header first"),
        pytest.param("soon", {"retryAfter": "2026-01-01T00:00:10Z"}, 10.0, id="body after a header of garbage"),
        pytest.param(None, {"retryAfter": "soon"}, None, id="garbage in the body"),
        pytest.param(None, {"retryAfter": ["x"]}, None, id="list in the body"),
        pytest.param(None, ["retryAfter"], None, id="body that is a list"),
    ],
)
def test_how_long_the_service_asks_us_to_wait(header: str | None, document: Any, seconds: float | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    assert retry_after(headers, document, NOW) == seconds


def test_an_error_carries_the_time_to_wait_from_header_or_body() -> None:
    busy = body({"error": "busy", "retryAfter": "2026-01-01T00:01:00Z"})
    assert error_for("GET /", 429, {}, busy, billable=False, now=NOW).retry_after == 60.0
    assert error_for("GET /", 429, {"Retry-After": "2"}, busy, billable=False, now=NOW).retry_after == 2.0
