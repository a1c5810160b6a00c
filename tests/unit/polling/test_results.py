"""Jobs in words: what a log or an error quotes of them is fit for one line."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.polling.results import describe_state, failure_error
from tests.unit.polling.support import A

ODD = "lost\x1b[31m\nFAKE LINE"


@pytest.mark.parametrize("field", ["statusLabel", "message", "desc"])
def test_no_text_of_the_service_breaks_the_line(field: str) -> None:
    job = {"imageId": A, "status": 99, "statusFinal": True, "statusLabel": "expired", field: ODD}
    text = str(failure_error({A: job}))
    assert text.startswith("Failed with the unknown final status 99 (")
    assert "FAKE LINE" in text
    assert text.isprintable()
    assert describe_state(job).isprintable()
