"""Fixtures of the tests of operators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_minimax.api import backoff
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.support import add_earlier_videos
from tests.unit.submission.service import FakeService, fake_services


@pytest.fixture
def fast_creates(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Poll and repeat fast, on an account that has made a video before."""
    add_earlier_videos(sandbox)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.02)
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(backoff, "FIRST_DELAY_AT_CAPACITY", 0.01)


@pytest.fixture(scope="session")
def _fake_services() -> Iterator[Callable[[], FakeService]]:
    with fake_services() as start:
        yield start


@pytest.fixture
def service(
    _fake_services: Callable[[], FakeService], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> FakeService:
    """A fake service as new, reached by the connection ``minimax_default``; creates on it poll and repeat fast."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.02)
    monkeypatch.setattr(backoff, "FIRST_DELAY_AT_CAPACITY", 0.01)
    service = _fake_services()
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", service.connection)
    return service
