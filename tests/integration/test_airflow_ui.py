"""What `make airflow` does with the connection of an earlier start, and with an account that it has used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from scripts.airflow_ui import CONN_ID, DESCRIPTION, leads_to_a_sandbox, save_connection
from scripts.running_airflow import RunningAirflow

PATH = f"connections/{CONN_ID}"
STORED: dict[str, Any] = {
    "conn_type": "minimax", "description": DESCRIPTION, "host": "http://127.0.0.1:8766", "port": 8766,
}  # fmt: skip


@pytest.fixture
def other_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def edit(airflow: RunningAirflow, **fields: object) -> None:
    """Change the connection as a user does in the form."""
    named = {"connection_id": CONN_ID, "conn_type": "minimax"}
    airflow.patch(PATH, named | fields, update_mask=list(fields))


def test_a_connection_that_a_user_has_edited_is_kept(
    sandbox: Sandbox, other_sandbox: Sandbox, airflow: RunningAirflow
) -> None:
    save_connection(airflow, sandbox)
    stored = airflow.get(PATH)
    assert (stored["host"], f"http://127.0.0.1:{stored['port']}") == (sandbox.url, sandbox.url)

    # The sandbox has moved: the rest is the user's.
    edit(airflow, extra='{"account": "1"}')
    save_connection(airflow, other_sandbox)
    moved = airflow.get(PATH)
    assert moved["host"] == other_sandbox.url
    assert moved["extra"] == '{"account": "1"}'

    edit(airflow, host="https://api.useapi.net/v1/minimax")
    save_connection(airflow, sandbox)
    assert airflow.get(PATH)["host"] == "https://api.useapi.net/v1/minimax"


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ({}, True),
        ({"host": "http://127.0.0.1:9", "port": 9}, True),
        ({"description": "mine"}, False),
        ({"conn_type": "http"}, False),
        ({"host": ""}, False),
        ({"host": None}, False),
        ({"host": "https://127.0.0.1:8766"}, False),
        ({"host": "http://127.0.0.1:8766/v1/minimax"}, False),
        ({"host": "http://127.0.0.1:8767"}, False),
        ({"port": None}, False),
    ],
    ids=repr,
)
def test_only_a_connection_as_it_was_stored_follows_the_sandbox(edited: dict[str, Any], expected: bool) -> None:
    assert leads_to_a_sandbox(STORED | edited) is expected
