"""A number with its noun."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.words import count


@pytest.mark.parametrize(("number", "text"), [(0, "0 images"), (1, "1 image"), (2000, "2,000 images")])
def test_a_noun_follows_its_number(number: int, text: str) -> None:
    assert count(number, "image") == text
