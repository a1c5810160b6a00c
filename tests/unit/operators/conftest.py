"""Fixtures of the tests of operators."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_minimax.api import backoff
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.support import add_earlier_videos


@pytest.fixture
def fast_creates(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Poll and repeat fast, on an account that has made a video before."""
    add_earlier_videos(sandbox)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.02)
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(backoff, "FIRST_DELAY_AT_CAPACITY", 0.01)
