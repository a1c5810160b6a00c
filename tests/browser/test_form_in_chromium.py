"""The form of a connection as Airflow shows it in a browser: ``make browser``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.provider_info import CONNECTION_FIELDS
from scripts.airflow_api import LIMIT
from scripts.running_airflow import RunningAirflow

pytestmark = pytest.mark.browser


def test_the_form_shows_the_fields_of_the_service_and_hides_the_others(
    airflow: RunningAirflow, tab: Any, tmp_path: Path
) -> None:
    airflow.post("connections", {"connection_id": "form", "conn_type": "minimax", "password": "user:1-secret-token"})
    tab.go(f"{airflow.url}/connections")
    edit = "document.querySelector('button[aria-label=\"Edit Connection\"]')"
    tab.until(f"Boolean({edit})", seconds=LIMIT)
    tab.run(f"{edit}.click()")
    labels = (
        "[...document.querySelectorAll('[role=dialog] label')].map((one) => one.textContent.trim()).filter(Boolean)"
    )
    tab.until(f"{labels}.includes('Prices')", seconds=LIMIT)
    tab.picture(tmp_path / "form.png")
    own = [field["label"] for field in CONNECTION_FIELDS.values()]
    assert tab.run(labels) == [
        *("Connection ID *", "Connection Type *", "Description", "Base URL", "API token"),
        *own,
    ]
    # Airflow's API sends no secret to a browser.
    assert "secret-token" not in tab.run("document.documentElement.outerHTML")
