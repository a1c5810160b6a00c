"""What the tests of the triggers share."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.polling import timing
from tests.unit.triggers.support import Triggerer


@pytest.fixture
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.001)
    monkeypatch.setattr(timing, "MAX_BACKOFF", 0.01)


@pytest.fixture
def triggerer() -> Triggerer:
    return Triggerer()
