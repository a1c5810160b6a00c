"""How far the clock of the service is from ours."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
import requests_mock as mocking

from airflow_provider_minimax.api.clock import offset_of
from tests.unit.api.support import answer_all, client

NOON = 1_792_324_800.0


@pytest.mark.parametrize(
    ("date", "sent", "received", "offset"),
    [
        (formatdate(NOON, usegmt=True), NOON, NOON + 0.5, 0.0),
        (formatdate(NOON + 600, usegmt=True), NOON, NOON, 600.5),
        (formatdate(NOON - 600, usegmt=True), NOON, NOON, -599.5),
        (formatdate(NOON), NOON, NOON, 0.5),
        # Who took a minute may have said so at any moment of it.
        (formatdate(NOON, usegmt=True), NOON - 60, NOON, None),
        (formatdate(NOON, usegmt=True), NOON + 1, NOON, None),
        *((date, NOON, NOON, None) for date in (None, "", "soon", "0", "Sun, 31 Feb 2026 99:00:00 GMT", "Mon, ,")),
    ],
)
def test_the_table(date: str | None, sent: float, received: float, offset: float | None) -> None:
    assert offset_of(date, sent, received) == offset


def test_a_client_learns_it_from_whatever_is_answered(requests_mock: mocking.Mocker) -> None:
    asked = client()
    assert asked.clock_offset is None
    late = {"Date": formatdate(time.time() - 600, usegmt=True)}
    answer_all(requests_mock, {"json": []}, {"json": [], "headers": late}, {"json": [], "headers": {"Date": "?"}})
    asked.list_running()
    assert asked.clock_offset is None
    for _ in range(2):
        asked.list_running()
        assert asked.clock_offset == pytest.approx(-600, abs=30)
