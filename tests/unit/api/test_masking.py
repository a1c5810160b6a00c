"""The token in what the service says, in any spelling, and nothing else."""

from __future__ import annotations

import html
import json
import logging
import time
from urllib.parse import quote

import pytest
from requests_mock import Mocker

from airflow_provider_minimax.api.masking import Mask
from tests.unit.api.support import IMAGE, answer_all, client, error_of

TOKEN = "user:1234-Ab/9+x_Q-z=7.k~Lm5"
SECRET = TOKEN.removeprefix("user:1234-")

SPELLINGS = {
    "as it is": TOKEN,
    "the secret part alone": SECRET,
    "slashes escaped": TOKEN.replace("/", r"\/"),
    "slashes escaped twice": TOKEN.replace("/", r"\\/"),
    "signs by number": TOKEN.replace("+", r"\u002b").replace("=", r"\u003D").replace("/", r"\u002F"),
    "everything by number": "".join(f"\\u{ord(char):04x}" for char in TOKEN),
    "everything by number, twice": "".join(f"\\\\u{ord(char):04x}" for char in TOKEN),
    "in an address": quote(TOKEN),
    "in an address, all of it": quote(TOKEN, safe=""),
    "in an address, twice": quote(quote(TOKEN, safe=""), safe=""),
    "in HTML": html.escape(TOKEN),
    "in HTML by number": "".join(f"&#{ord(char)};" for char in TOKEN),
    "in HTML by hexadecimal number": "".join(f"&#x{ord(char):02X};" for char in TOKEN),
    "in HTML by name": TOKEN.replace("+", "&plus;")
    .replace("/", "&sol;")
    .replace("=", "&equals;")
    .replace(":", "&colon;"),
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_token_is_hidden_in_any_spelling(spelled: str) -> None:
    body = f"before {spelled} after".encode()
    assert Mask(TOKEN).hide(body) == b"before *** after"


IN_JSON = {
    name: spelled
    for name, spelled in SPELLINGS.items()
    if name not in ("in HTML by number", "in HTML by hexadecimal number")
}


@pytest.mark.parametrize("spelled", IN_JSON.values(), ids=IN_JSON)
def test_json_that_may_hold_the_token_is_noticed_and_stays_json(spelled: str) -> None:
    body = f'{{"a\\\\{spelled}": ["x {spelled}\\n", "\\\\", "{spelled}\\\\"]}}'.encode()
    mask = Mask(TOKEN)
    assert mask.may_be_in(body)
    read = json.loads(mask.hide(body))
    # A backslash before the token may be taken for a part of its spelling.
    assert read in ({before: ["x ***\n", "\\", "***\\"]} for before in ("a\\***", "a***"))


@pytest.mark.parametrize(
    "text",
    [
        IMAGE,
        "user:1234-minimax:42-image:5",
        "user:1234-",
        "user:12345-Ab/9",
        SECRET[:-1],
        TOKEN[:-1],
        TOKEN.upper(),
        r"caf\u00e9 \/ \u4e2d",
        "",
    ],
)
def test_what_is_not_the_token_stays(text: str) -> None:
    assert Mask(TOKEN).hide(text.encode()) == text.encode()


def test_a_page_without_the_token_is_not_searched() -> None:
    page = json.dumps({"images": [{"imageId": IMAGE, "desc": 'a "caf\u00e9" \u4e2d'}] * 50}).encode()
    assert not Mask(TOKEN).may_be_in(page)


@pytest.mark.parametrize(
    ("token", "text", "hidden"),
    [
        ("user:1-abc", "abc user:1-abc", "abc ***"),
        ("user:1-abcdefgh", "abcdefgh user:1-abcdefgh", "*** ***"),
        ("plain", "a plain word", "a *** word"),
        ("user:1-", "user:1-", "***"),
        ("::::", "a::::b", "a***b"),
        ('user:1-a"b\\c123', json.dumps('user:1-a"b\\c123'), '"***"'),
    ],
)
def test_the_secret_part_alone_is_hidden_where_it_is_no_word(token: str, text: str, hidden: str) -> None:
    mask = Mask(token)
    assert mask.may_be_in(text.encode())
    assert mask.hide_in_text(text) == hidden


JSON_SPELLINGS = {
    "as it is": TOKEN,
    "slashes escaped": TOKEN.replace("/", r"\/"),
    "signs by number": TOKEN.replace("+", r"\u002b"),
    "letters by number": TOKEN.replace("A", r"\u0041").replace("x", r"\u0078"),
    "the secret part": SECRET,
}


@pytest.mark.parametrize("text", JSON_SPELLINGS.values(), ids=JSON_SPELLINGS)
def test_no_field_of_a_job_holds_the_token(requests_mock: Mocker, text: str) -> None:
    body = f'{{"imageId": "{IMAGE}", "status": 3, "message": "bad token {text}", "{text}": [{{"{text}": "{text}"}}]}}'
    answer_all(requests_mock, text=body)
    job = client(token=TOKEN).get_image(IMAGE)
    assert job == {"imageId": IMAGE, "status": 3, "message": "bad token ***", "***": [{"***": "***"}]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-16-be"])
def test_a_body_in_another_encoding_is_not_guessed(requests_mock: Mocker, encoding: str) -> None:
    answer_all(requests_mock, content=f'{{"message": "{TOKEN}"}}'.encode(encoding))
    assert "not JSON" in str(error_of(lambda: client(token=TOKEN, max_attempts=1).get_image(IMAGE)))


PAGES = {
    "JSON": f'{{"error": "bad token {TOKEN}"}}',
    "JSON, escaped": '{"error": "bad token ' + TOKEN.replace("/", r"\/").replace("+", r"\u002b") + '"}',
    "JSON, an object": f'{{"error": {{"message": "bad token {SECRET}"}}}}',
    "a page": f"<html><title>bad token {TOKEN}</title>",
    "a page, escaped": f"<html><title>bad token {quote(TOKEN, safe='')}</title>",
    "a page, by number": f"<html><title>bad token {SPELLINGS['in HTML by number']}</title>",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_no_error_holds_the_token(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture, page: str, status: int
) -> None:
    answer_all(requests_mock, status_code=status, text=page)
    with caplog.at_level(logging.DEBUG):
        error = error_of(lambda: client(token=TOKEN, max_attempts=2).list_images())
    if status != 200 or page.startswith("<"):
        assert "bad token ***" in str(error)
    shown = f"{error} {error!r} {caplog.text}"
    assert [text for text in (SECRET, "Lm5", quote(SECRET, safe="")) if text in shown] == []


def test_a_message_is_cut_after_the_token_was_hidden(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=401, json={"error": "x" * 290 + TOKEN})
    error = error_of(lambda: client(token=TOKEN).list_images())
    assert "x***" in str(error)


NESTED = {
    "HTML in JSON that escapes its ampersands": TOKEN.replace("+", r"\u0026#43;"),
    "a URL in JSON that escapes its percent signs": TOKEN.replace("+", r"\u00252b"),
    "a URL, all of it": "".join(f"%{ord(char):02x}" for char in TOKEN),
    "HTML without semicolons": TOKEN.replace("+", "&#43"),
    "a form, where a plus is a blank": TOKEN.replace("+", " "),
}


@pytest.mark.parametrize("spelled", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("status", [200, 500])
def test_a_spelling_within_a_spelling_is_hidden_once_it_is_decoded(
    requests_mock: Mocker, spelled: str, status: int
) -> None:
    body = f'{{"imageId": "{IMAGE}", "status": 3, "message": "bad {spelled}", "error": "bad {spelled}"}}'
    answer_all(requests_mock, status_code=status, text=body)
    small = client(token=TOKEN, max_attempts=1)
    shown = small.get_image(IMAGE)["message"] if status == 200 else str(error_of(lambda: small.get_image(IMAGE)))
    assert "bad ***" in shown


def test_a_body_of_backslashes_takes_linear_time() -> None:
    mask = Mask(TOKEN)

    def seconds(size: int) -> float:
        def once() -> float:
            started = time.process_time()
            mask.hide(b"\\" * size)
            return time.process_time() - started

        return min(once() for _ in range(3))

    mask.hide(b"")
    # Sixteen times as much would take 256 times as long if each backslash were compared with all that follow.
    assert seconds(320_000) < 64 * seconds(20_000)
