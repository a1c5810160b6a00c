"""JSON in both directions, without loss."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from airflow_provider_minimax.api.serialization import SentNumber, dump_lines, dumps, loads, to_plain_json


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


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a":', b"\xff\xfe\x00", b"{'a':1}", b'"\xff"', b"NaN", b"[Infinity]", b"[-Infinity]"]
)
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the decoder's own
        loads(body)


HALF = rb'"x\ud83e"'


@pytest.mark.parametrize("other", [b"1", HALF], ids=["msgspec", "the standard library"])
@pytest.mark.parametrize(
    "number",
    [
        *(
            b"1e400",
            b"-1e400",
            b"1E+400",
            b"1e-400",
            b"-1e-400",
            b"0.1234567890123456789",
            b"12345678901234567890123.5",
        ),
        *(b"1e99999999999999999999", b"1e-99999999999999999999", b"1" * 5000, b"-" + b"1" * 5000),
        *(b"0.1", b"1.0", b"-0.0", b"2.5", b"1742173334234", b"1208925819614629174706176"),
    ],
)
def test_a_number_is_written_as_it_came(number: bytes, other: bytes) -> None:
    body = b'{"n":' + number + b',"deep":[{"n":' + number + b'}],"other":' + other + b"}"
    assert dumps(loads(body)) == body
    assert dump_lines([loads(body)]) == body + b"\n"


@pytest.mark.parametrize(
    ("sent", "number"),
    [(b"1e5", 1e5), (b"1E2", 100.0), (b"0.10", 0.1), (b"0e400", 0.0), (b"-0.000", 0.0), (b"1e0", 1.0)],
)
def test_a_number_that_a_float_holds_is_a_plain_one(sent: bytes, number: float) -> None:
    found = loads(sent)
    assert type(found) is float
    assert found == number
    assert loads(dumps(found)) == number


def test_a_number_that_no_float_holds_is_the_nearest_one_to_whoever_calculates() -> None:
    large, long, small = loads(b"[1e400, 0.1234567890123456789, 1e-400]")
    assert (large, long, small) == (float("inf"), 0.12345678901234568, 0.0)
    for twin in (copy.deepcopy(large), pickle.loads(pickle.dumps(large))):
        assert isinstance(twin, SentNumber)
        assert twin.text == "1e400"


def test_it_is_sent_between_processes_as_a_plain_number() -> None:
    found = to_plain_json(loads(b'{"a": [0.1234567890123456789, 1e400]}'))
    assert found == {"a": [0.12345678901234568, None]}
    assert type(found["a"][0]) is float


def test_what_is_no_json_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="object is no JSON"):
        dumps(object())
