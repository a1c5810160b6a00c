"""What the tests of the triggers share."""

from __future__ import annotations

import pytest

from tests.unit.triggers.support import Triggerer


@pytest.fixture
def triggerer() -> Triggerer:
    return Triggerer()
