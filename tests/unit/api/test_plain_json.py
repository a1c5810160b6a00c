"""What Airflow can send, held against the encoder by which it sends."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from airflow.sdk.execution_time.comms import _RequestFrame

from airflow_provider_minimax.api.errors import MiniMaxModeratedError
from airflow_provider_minimax.api.jobs import compact
from airflow_provider_minimax.api.serialization import loads, to_plain_json
from airflow_provider_minimax.polling.events import failure_event, success_event, timed_out

HALF_AN_EMOJI = "a lamp \ud83d"
ODD_JOB = rb'{"imageId":"a","status":2,"createTime":99999999999999999999999,"desc":"a lamp \ud83d","modelID":"\u0000"}'


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        pytest.param("ü 🪔\n", "ü 🪔\n", id="text"),
        pytest.param(HALF_AN_EMOJI, "a lamp ?", id="half an emoji"),
        pytest.param("a\0b", "a?b", id="NUL, which PostgreSQL refuses"),
        pytest.param(2**64 - 1, 2**64 - 1, id="the largest integer"),
        pytest.param(2**64, "18446744073709551616", id="one more"),
        pytest.param(-(2**63), -(2**63), id="the smallest integer"),
        pytest.param(-(2**63) - 1, "-9223372036854775809", id="one less"),
        pytest.param(math.nan, None, id="not a number"),
        pytest.param(math.inf, None, id="infinity"),
        pytest.param(0.1, 0.1, id="a fraction"),
        pytest.param([True, False, None], [True, False, None], id="constants"),
        pytest.param({"\ud83d": [{"a": HALF_AN_EMOJI}]}, {"?": [{"a": "a lamp ?"}]}, id="deep inside"),
    ],
)
def test_what_cannot_be_sent_is_replaced(value: Any, sent: Any) -> None:
    assert to_plain_json(value) == sent
    assert _RequestFrame(id=1, body={"value": to_plain_json(value)}).as_bytes()


@pytest.mark.parametrize(
    "event",
    [
        success_event([compact(loads(ODD_JOB))]),
        success_event([dict(loads(ODD_JOB))]),
        failure_event(MiniMaxModeratedError(HALF_AN_EMOJI, status=422, retry_after=math.inf)),
        timed_out(f"image 5 ({HALF_AN_EMOJI})"),
    ],
    ids=lambda event: event["end"],
)
def test_airflow_can_send_and_store_every_event(event: dict[str, Any]) -> None:
    assert _RequestFrame(id=1, body=event).as_bytes()
    assert json.dumps(event, allow_nan=False, ensure_ascii=False).encode()


def test_airflow_can_send_what_goes_into_an_xcom() -> None:
    job = compact(loads(ODD_JOB))
    assert (job["createTime"], job["desc"], job["modelID"]) == ("99999999999999999999999", "a lamp ?", "?")
    assert _RequestFrame(id=1, body=job).as_bytes()


def test_an_error_that_quotes_the_service_can_be_logged() -> None:
    assert str(MiniMaxModeratedError(HALF_AN_EMOJI)).encode()
