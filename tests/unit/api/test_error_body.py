"""The service's own words in the body of an error: quoted, bounded, on one line."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.error_body import MAX_QUOTED, error_in, message_of, one_line, redirect_target
from airflow_provider_minimax.api.masking import Mask
from airflow_provider_minimax.api.responses import error_for
from tests.unit.api.support import IMAGE, TOKEN, VIDEO, settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("busy", "busy"),
        (" a\r\n\tb ", "a b"),
        ("a\x00b", "a b"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\u202eevil\u2066", "evil"),
        ("a\u2028b\x85c", "a b c"),
        ("\ud83d cut", "cut"),
        ("Łódź 東京 🎈", "Łódź 東京 🎈"),
        ("", ""),
        ("x" * 1000, "x" * MAX_QUOTED),
    ],
)
def test_a_text_becomes_one_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "a", "message": "b", "detail": "c"}, "a"),
        ({"message": "b.", "detail": "c"}, "b"),
        ({"error": None, "detail": "c"}, "c"),
        ({"error": {"message": "deep"}}, "deep"),
        ({"error": {}, "message": "b"}, "b"),
        ({"detail": {"status": "UNAVAILABLE"}}, "UNAVAILABLE"),
        ("Unauthorized", "Unauthorized"),
    ],
)
def test_words_stand_under_several_names(document: Any, words: str) -> None:
    assert message_of(document, json.dumps(document).encode()) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"upstream timed out\n", "not JSON but the text 'upstream timed out'", id="text"),
        pytest.param("überlastet".encode("latin-1"), "not JSON but the text '\ufffdberlastet'", id="latin text"),
        pytest.param(b" \r\n ", "not JSON", id="blanks"),
        pytest.param(
            b"<!DOCTYPE html><title>Blocked &amp; logged</title><body><script>var a = 1;</script><p>By a firewall</p>",
            "not JSON but a page titled 'Blocked & logged' that says 'By a firewall'",
            id="page",
        ),
        pytest.param(
            b"<HTML><HEAD></HEAD><BODY>no title</BODY>", "not JSON but a page that says 'no title'", id="body"
        ),
        pytest.param(b"<html></html>", "not JSON but a page", id="empty page"),
    ],
)
def test_what_is_not_json_is_quoted_as_what_it_is(body: bytes, words: str) -> None:
    assert message_of(None, body) == words


@pytest.mark.parametrize(
    "unit", [b"<", b"<title", b"<script", b"<!--", b"<html><title><body><script><style><!--", b"&#", b"\x1b[0"]
)
def test_a_hostile_page_takes_no_time_that_grows_with_its_length(unit: bytes) -> None:
    def seconds(body: bytes) -> float:
        started = time.perf_counter()
        message = message_of(None, b"<html>" + body)
        assert len(message) < 1000
        return time.perf_counter() - started

    # A quadratic expression would take 256 times as long, or minutes.
    first = min(seconds(unit * (2**16 // len(unit))) for _ in range(3))
    assert seconds(unit * (2**20 // len(unit))) < 10 * first + 1.0


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "paused"}, "paused"),
        ({"error": {"message": "paused"}, "code": 503}, "paused"),
        ({"message": "paused", "success": False}, "paused"),
        ({}, None),
        ({"code": 200}, None),
        ({"error": ""}, None),
        ({"imageId": "user:1", "message": "Rendering"}, None),
        ({"42": {"error": "on hold"}}, None),
        ({"images": [], "error": None}, None),
    ],
)
def test_a_document_that_is_nothing_but_an_error_is_told_from_a_job(
    document: dict[str, Any], words: str | None
) -> None:
    assert error_in(document) == words


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://login.example/a?next=secret#secret", "https://login.example/a"),
        ("https://me:secret@login.example:8443/a", "https://login.example:8443/a"),
        ("/login?secret", "/login"),
        ("//other.example/a", "//other.example/a"),
        ("http://[", "a malformed address"),
        ("", "no address"),
        ("https://x/" + "a" * 1000, "https://x/" + "a" * (MAX_QUOTED - 10)),
    ],
)
def test_the_target_of_a_redirect_is_shown_without_what_may_be_secret(location: str, target: str) -> None:
    assert redirect_target(location) == target


def error(operation: str, status: int, body: bytes, **given: Any) -> errors.MiniMaxError:
    return error_for(operation, status, {}, body, billable=False, now=NOW, settings=settings(conn_id="c", **given))


NOT_FOUND = b'{"error": "Not found", "code": 404}'


@pytest.mark.parametrize(
    ("operation", "body", "advice"),
    [
        (f"GET /images/{IMAGE}", NOT_FOUND, "A retry will not help: the id is unknown."),
        (f"GET /videos/{VIDEO}", NOT_FOUND, "the id is unknown, or moderation has removed the video."),
        ("GET /features/", NOT_FOUND, 'account is unknown, or "Base URL" (https://api.test/v1/minimax) is not the'),
        (f"GET /images/{IMAGE}", b"<html>404", 'on the way refused the request, or "Base URL" (https://api.test'),
    ],
)
def test_a_404_says_what_may_be_unknown(operation: str, body: bytes, advice: str) -> None:
    found = error(operation, 404, body)
    assert type(found) is errors.MiniMaxNotFoundError
    assert str(found).startswith("Not found (404): ")
    assert f"{operation} of connection 'c'" in str(found)
    assert advice in str(found)
    assert ("video" in str(found)) is ("/videos/" in operation)


@pytest.mark.parametrize(("token", "has_hint"), [(TOKEN, False), (TOKEN.removeprefix("user:"), True)])
def test_a_401_names_the_connection_and_hints_at_a_token_that_is_cut(token: str, has_hint: bool) -> None:
    message = str(error("GET /accounts", 401, b'{"error": "Unauthorized"}', token=token))
    assert message.startswith("The API token is refused (401): Unauthorized. GET /accounts of connection 'c'. ")
    assert ("begin with 'user:'" in message) is has_hint


def test_the_token_is_removed_from_whatever_the_service_quotes() -> None:
    mask = Mask(TOKEN)
    pages = [
        f"<html><title>{TOKEN}</title><body>&#117;ser:1234-s3cr3tT0kenValue".encode(),
        f"the text {TOKEN}".encode(),
        json.dumps({"detail": f"bad {TOKEN}"}).encode(),
    ]
    # Where the quote is cut, the token stands.
    headers = {"Location": f"https://x/{'a' * (MAX_QUOTED - 30)}{TOKEN}"}
    for page in pages:
        found = error_for(
            "GET /", 302, headers, mask.hide(page), billable=False, now=NOW, mask=mask.hide_in_document,
            settings=settings(),
        )  # fmt: skip
        assert "s3cr3t" not in str(found)
        assert "***" in str(found)
