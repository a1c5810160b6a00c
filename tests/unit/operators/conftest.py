"""Fixtures of the tests of operators."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.support import skip_retry_delays
from tests.unit.operators.support import add_earlier_videos
from tests.unit.submission.service import FakeService, fake_services


@pytest.fixture
def fast_creates(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Repeat requests at once, on an account that has made a video before."""
    add_earlier_videos(sandbox)
    caplog.set_level(logging.INFO)
    skip_retry_delays(monkeypatch)


@pytest.fixture(scope="session")
def _fake_services() -> Iterator[Callable[[], FakeService]]:
    with fake_services() as start:
        yield start


@pytest.fixture
def service(
    _fake_services: Callable[[], FakeService], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> FakeService:
    """A fake service as new, reached by the connection ``minimax_default``; requests to it are repeated at once."""
    caplog.set_level(logging.INFO)
    skip_retry_delays(monkeypatch)
    service = _fake_services()
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", service.connection)
    return service


@pytest.fixture
def kill() -> Iterator[list[Any]]:
    """Let SIGUSR1 do what Airflow's handler of SIGTERM does, to the operator in this list."""
    operators: list[Any] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: operators[0].on_kill())
    yield operators
    signal.signal(signal.SIGUSR1, before)
