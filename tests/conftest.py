"""What all tests share: a private Airflow, one sandbox, and the connection to it."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import local_airflow
from tests.support import ROOT, connect

# Airflow reads its settings when it is imported, which the modules under test do: so, before them.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-minimax-tests-")
local_airflow.activate(Path(_HOME.name), dags=ROOT / "example_dags")

from airflow_provider_minimax.polling import timing  # noqa: E402
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig  # noqa: E402

#: Fast enough for a test, slow enough to be seen on its way.
CONFIG = SandboxConfig(images=60, accounts=1, step_seconds=0.05)


def pytest_collection_finish() -> None:
    """Exempt what stays to the end from garbage collection: millions of objects of Airflow, read hundreds of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _server() -> Iterator[Sandbox]:
    with Sandbox(CONFIG) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as new, reached by the connection ``minimax_default``."""
    _server.reset(CONFIG)
    connect(monkeypatch, _server.url, _server.token)
    return _server


@pytest.fixture
def undefined_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow has no connection, and a supervisor says so, as it does to a worker and a triggerer.

    Without a supervisor, Airflow 3.1.0 fails to ask for what the environment does not define.
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse

    class Supervisor:
        def send(self, message: object) -> ErrorResponse:
            return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)

        async def asend(self, message: object) -> ErrorResponse:
            return self.send(message)

    monkeypatch.delenv("AIRFLOW_CONN_MINIMAX_DEFAULT", raising=False)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """The database of the private Airflow, for tests that run DAGs."""
    local_airflow.prepare_database()


@pytest.fixture
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits and watches poll as often as they are told to, and about as often while the service fails."""
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.001)
    monkeypatch.setattr(timing, "MAX_BACKOFF", 0.01)
