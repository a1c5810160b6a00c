"""The extra link to the created media."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.links import MiniMaxMediaLink


@pytest.mark.parametrize(
    ("operator", "link"),
    [
        pytest.param(SimpleNamespace(media_url="https://cdn.test/1.png"), "https://cdn.test/1.png", id="a result"),
        pytest.param(SimpleNamespace(media_url=None), "", id="deferred"),
        pytest.param(SimpleNamespace(), "", id="an operator without the attribute"),
    ],
)
def test_the_link_comes_from_the_operator_and_reads_no_xcom(operator: Any, link: str) -> None:
    assert MiniMaxMediaLink().get_link(operator, ti_key=SimpleNamespace()) == link  # type: ignore[arg-type]
