"""The fixtures. pytest loads this module in each of its runs, so it imports nothing until a test uses one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_minimax.sandbox import Sandbox
    from airflow_provider_minimax.testing.dag_runs import PrivateAirflow


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
    from airflow_provider_minimax.testing.connection import connected_to

    _minimax_server.reset(SandboxConfig(videos=10, step_seconds=0))
    with connected_to(_minimax_server):
        yield _minimax_server


@pytest.fixture
def minimax_account(minimax_sandbox: Sandbox) -> str:
    """The id of the sandbox's account, for a parameter ``account``."""
    return minimax_sandbox.accounts[0]
