"""The fixtures for tests of a user's own DAGs: by the guide, and what they leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.hooks import minimax
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.testing.dag_runs import PrivateAirflow

# Not by its entry point: this repository may have been installed before it had one.
from airflow_provider_minimax.testing.plugin import (  # noqa: F401
    _minimax_airflow,
    _minimax_server,
    minimax_account,
    minimax_airflow,
    minimax_sandbox,
)
from tests import user_project
from tests.support import ROOT, connect

PLUGIN = "airflow_provider_minimax.testing.plugin"


def test_the_tests_of_the_guide_pass_whatever_the_settings_for_the_airflow_of_the_user(tmp_path: Path) -> None:
    """Those for its database and its DAGs; ``make kit`` runs the same tests where there are none."""
    count = user_project.write(tmp_path)
    bundle = {"name": "mine", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}
    (tmp_path / "dags" / "database.py").write_text('args = {"keepalives": 1}\n')
    lines = user_project.run(
        *(Path(sys.executable), tmp_path, "-p", PLUGIN),
        PYTHONPATH=str(ROOT),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle]),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS="database.args",
        AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS='{"isolation_level": "READ COMMITTED"}',
        AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA="airflow",
    )
    assert count > 4
    assert f"{count} passed" in lines[-1]


def test_the_test_of_the_guide_has_five_lines() -> None:
    _, test, *_ = user_project.GUIDE.read_text(encoding="utf-8").split("def test_")
    assert len([line for line in test.split("```")[0].splitlines() if line]) == 5
    assert test.startswith("a_prompt_becomes_a_video(minimax_airflow, minimax_sandbox)")


def test_a_run_of_pytest_that_uses_no_fixture_imports_nothing_for_them() -> None:
    code = f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        "airflow_provider_minimax", "airflow_provider_minimax.testing", PLUGIN,
    }  # fmt: skip


def test_a_connection_that_leads_elsewhere_is_refused(
    minimax_sandbox: Sandbox,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, "https://api.useapi.net", "user:1-secret")
    with pytest.raises(MiniMaxBadRequestError, match=r"'minimax_default' leads to https://api\.useapi\.net/v1/minimax"):
        MiniMaxHook().list_images()
    assert minimax_sandbox.stats.count() == 0


def test_each_test_has_the_sandbox_as_new_and_a_healthy_account(
    minimax_sandbox: Sandbox,  # noqa: F811
    minimax_account: str,  # noqa: F811
) -> None:
    assert minimax_sandbox.stats.count() == 0
    assert minimax_account in MiniMaxHook().list_accounts()
    (created,) = MiniMaxHook(account=minimax_account).create_image("a lamp")
    assert MiniMaxHook().get_image(created)["statusLabel"] == "completed"
    minimax_sandbox.fail("429", "GET /images/", times=2, retry_after=3600)
    assert MiniMaxHook().list_images()["images"]


def test_while_a_dag_runs_airflow_has_a_database_of_its_own(
    _minimax_airflow: PrivateAirflow,  # noqa: F811, PT019 - its value is what is tested
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from airflow import settings

    def database() -> Path:
        return Path(settings.engine.url.database)

    def run() -> None:
        with _minimax_airflow.active():
            assert database().parent == Path(os.environ["AIRFLOW_HOME"])
            assert database().is_relative_to(tmp_path_factory.getbasetemp())
            assert database() != before
            raise ZeroDivisionError

    before = database()
    with pytest.raises(ZeroDivisionError):
        run()
    assert database() == before


def test_after_the_test_the_connections_are_those_from_before() -> None:
    read_settings, sleep = minimax.read_settings, MiniMaxHook.sleep
    assert read_settings.__module__ == minimax.__name__
    assert sleep.__module__ == "time"


def test_a_choice_takes_what_the_test_names_or_its_defaults_and_fails_without_both(
    minimax_sandbox: Sandbox,  # noqa: F811
    minimax_airflow: PrivateAirflow,  # noqa: F811
) -> None:
    from airflow.exceptions import TaskNotFound
    from airflow.sdk import DAG

    from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator

    with DAG("choice") as dag:
        choose = MiniMaxChooseOperator(task_id="choose", media=[{"imageId": "1"}, {"imageId": "2"}], defaults=2)
    assert minimax_airflow.run(dag).xcom("choose") == {"imageId": "2"}
    assert minimax_airflow.run(dag, choices={"choose": 1}).xcom("choose") == {"imageId": "1"}
    # The choice of one run is not that of the next.
    assert minimax_airflow.run(dag).xcom("choose") == {"imageId": "2"}
    choose.default_choice = None
    assert minimax_airflow.run(dag).states == {"choose": "failed"}
    with pytest.raises(TaskNotFound, match="chose"):
        minimax_airflow.run(dag, choices={"chose": 1})
