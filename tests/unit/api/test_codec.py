"""JSON in both directions, without loss."""

from __future__ import annotations

import json

import pytest

from airflow_provider_minimax.api.codec import dumps, loads


@pytest.mark.parametrize(
    "value",
    [
        {"userID": 923847293472394123, "big": 2**80, "negative": -(2**70)},
        {"desc": "Grüße, 日本語, 🦊"},
        {"desc": "one\ntwo\r\nthree\u2028four"},
        {"desc": "cut \ud83e"},
        {"\udd8a": ["\ud83e", {"deep": 2**60}]},
        [None, True, False, 0.1, "", {}, []],
    ],
    ids=["integers", "text", "newlines", "half an emoji", "half an emoji as a key", "the rest"],
)
def test_what_is_written_is_read_back(value: object) -> None:
    line = dumps(value)
    assert b"\n" not in line
    assert loads(line) == value
    assert json.loads(line) == value


def test_the_order_of_fields_is_kept() -> None:
    assert dumps({"b": 1, "a": 2}) == b'{"b":1,"a":2}'


def test_half_an_emoji_from_the_service_is_read() -> None:
    assert loads(rb'{"desc":"x\ud83e"}') == {"desc": "x\ud83e"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff\xfe\x00", b"{'a':1}", b'"\xff"'])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the decoder's own
        loads(body)
