"""The fixtures. pytest loads this module in each of its runs, so it imports nothing until a test uses one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_minimax.api.settings import Settings
    from airflow_provider_minimax.sandbox import Sandbox
    from airflow_provider_minimax.testing.dag_runs import PrivateAirflow

#: Seconds between two polls, whatever the ``poke_interval``.
_INTERVAL: Final = 0.05


@pytest.fixture(scope="session")
def _minimax_server() -> Iterator[Sandbox]:
    from airflow_provider_minimax.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def _minimax_airflow(tmp_path_factory: pytest.TempPathFactory) -> PrivateAirflow:
    from airflow_provider_minimax.testing.dag_runs import PrivateAirflow

    return PrivateAirflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def minimax_airflow(_minimax_airflow: PrivateAirflow) -> Iterator[PrivateAirflow]:
    """An Airflow whose database belongs to the tests of this session: ``minimax_airflow.run(dag)`` runs a DAG."""
    with _minimax_airflow.active():
        yield _minimax_airflow


@pytest.fixture
def minimax_sandbox(_minimax_server: Sandbox) -> Iterator[Sandbox]:
    """The sandbox as new, reached by the connection ``minimax_default``; no other MiniMax connection works.

    Its account has 60 images and 10 videos. Jobs are final at once, and no wait or repeated request is delayed.
    """
    from airflow_provider_minimax.sandbox import SandboxConfig

    _minimax_server.reset(SandboxConfig(videos=10, step_seconds=0))
    with _connected_to(_minimax_server):
        yield _minimax_server


@pytest.fixture
def minimax_account(minimax_sandbox: Sandbox) -> str:
    """The id of the sandbox's account, for a parameter ``account``."""
    return minimax_sandbox.accounts[0]


@contextmanager
def _connected_to(sandbox: Sandbox) -> Iterator[None]:
    """Define the connection ``minimax_default``, refuse each one that leads elsewhere, and let nothing be delayed."""
    from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
    from airflow_provider_minimax.hooks import minimax
    from airflow_provider_minimax.polling import timing
    from airflow_provider_minimax.submission import times

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
        patch.setattr(timing, "next_delay", lambda *_: _INTERVAL)
        patch.setattr(timing, "min_deferral", lambda _: 0.0)
        patch.setattr(times, "MIN_DELAY", 0.0)
        patch.setattr(times, "MAX_RETRY_AFTER", 0.0)
        yield
