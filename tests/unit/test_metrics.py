"""Metrics never raise, and cost little where Airflow sends them nowhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_minimax import metrics
from airflow_provider_minimax.compat import get_stats


@pytest.mark.parametrize("report", [metrics.count, metrics.gauge, metrics.timing])
def test_a_backend_that_fails_fails_no_task(
    report: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    for name in ("incr", "gauge", "timing"):
        monkeypatch.setattr(get_stats(), name, fail)
    caplog.set_level(logging.DEBUG)
    report(metrics.WAITS, 3.0, kind="image")
    assert "Metric minimax.waits could not be sent: OSError('no route to host')" in caplog.messages


@pytest.mark.parametrize(("number", "sent"), [(1, 1), (4.0, 4), (2.5, 2.5), (float("nan"), None)])
def test_what_a_counter_is_sent(number: float, sent: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[Any] = []
    monkeypatch.setattr(get_stats(), "incr", lambda name, count, tags: received.append((name, count, tags)))
    metrics.count(metrics.CREDITS, number, kind="image", account=None)
    assert received == ([] if sent is None else [("minimax.credits", sent, {"kind": "image"})])
    assert all(type(count) is type(sent) for _, count, _ in received)


def test_a_metric_without_a_backend_takes_microseconds() -> None:
    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        for _ in range(2000):
            work()
        return time.perf_counter() - began

    def dictionaries() -> object:
        return [{"kind": "image", "account": "1"} for _ in range(200)]

    metrics.count(metrics.POLLS, kind="image")
    least = min(seconds(lambda: metrics.count(metrics.POLLS, kind="image")) for _ in range(3))
    assert least < min(seconds(dictionaries) for _ in range(3)), "less than two hundred small dictionaries"
