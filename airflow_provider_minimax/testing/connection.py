"""What a task finds in place of the service: the connection to the sandbox, and nothing to wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.hooks import minimax
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.submission import times

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.sandbox import Sandbox

#: Seconds between two polls, whatever the ``poke_interval``.
INTERVAL: Final = 0.05


@contextmanager
def connected_to(sandbox: Sandbox) -> Iterator[None]:
    """Define the connection ``minimax_default``, refuse each one that leads elsewhere, and let nothing be delayed."""
    read_settings = minimax.read_settings

    def read_local_settings(connection: Connection, conn_id: str, account: str | None = None) -> Settings:
        settings = read_settings(connection, conn_id, account)
        if not settings.base_url.startswith(f"{sandbox.url}/"):
            raise MiniMaxBadRequestError(
                f"Connection {conn_id!r} leads to {settings.base_url} and not to the sandbox of the test; nothing was "
                f"sent. Let AIRFLOW_CONN_{conn_id.upper()} be what AIRFLOW_CONN_MINIMAX_DEFAULT is."
            )
        return settings

    connection = {"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", json.dumps(connection))
        patch.setattr(minimax, "read_settings", read_local_settings)
        patch.setattr(minimax.MiniMaxHook, "sleep", staticmethod(lambda _: None))
        patch.setattr(timing, "first_delay", lambda _: 0.0)
        patch.setattr(timing, "next_delay", lambda *_: INTERVAL)
        patch.setattr(timing, "min_deferral", lambda _: 0.0)
        patch.setattr(times, "MIN_DELAY", 0.0)
        patch.setattr(times, "MAX_RETRY_AFTER", 0.0)
        yield
