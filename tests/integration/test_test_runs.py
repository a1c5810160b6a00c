"""Test runs of a DAG whose connection lies in Airflow's database, which the trigger of a test run cannot read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.integration.dags import run
from tests.support import ROOT, TIMEOUT

CREATES = ("POST /images/create", "POST /videos/create")
#: A DAG as a user has it in a file.
DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

with DAG("one_video", schedule=None):
    MiniMaxCreateVideoOperator(task_id="video", prompt="a lamp", deferrable=True, poke_interval=1)
"""


@pytest.fixture
def in_the_database(sandbox: Sandbox, airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox, by a connection that is in Airflow's database and nowhere else."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    monkeypatch.delenv("AIRFLOW_CONN_MINIMAX_DEFAULT")
    with create_session() as session:
        session.add(Connection("minimax_default", conn_type="minimax", host=sandbox.url, password=sandbox.token))
    yield sandbox
    with create_session() as session:
        session.query(Connection).filter_by(conn_id="minimax_default").delete()


def creates(sandbox: Sandbox) -> int:
    return sum(sandbox.stats.count(operation) for operation in CREATES)


def test_a_create_is_paid_once_and_waited_for_to_its_end(in_the_database: Sandbox) -> None:
    def tasks() -> None:
        MiniMaxCreateImageOperator(task_id="images", prompt="a lamp", quantity=2, deferrable=True, poke_interval=1)
        MiniMaxCreateVideoOperator(task_id="video", prompt="a lamp", deferrable=True, poke_interval=1)

    finished = run("paid_in_a_test_run", tasks)
    assert finished.states == {"images": "success", "video": "success"}
    assert creates(in_the_database) == 2
    assert [image["statusLabel"] for image in finished.xcom("images")] == ["completed"] * 2
    assert finished.xcom("video")["statusLabel"] == "completed"


def test_sensors_wait_to_their_own_end_and_to_their_own_deadline(in_the_database: Sandbox) -> None:
    (good,) = in_the_database.create_image("a lamp")
    (moderated,) = in_the_database.create_image("a lamp [moderate]")
    (stuck,) = in_the_database.create_image("a lamp [stuck]")

    def tasks() -> None:
        for name, options in {"deferred": {"deferrable": True}, "started": {"start_from_trigger": True}}.items():
            MiniMaxImageSensor(task_id=f"good-{name}", image_id=good, poke_interval=1, **options)
            MiniMaxImageSensor(task_id=f"moderated-{name}", image_id=moderated, poke_interval=1, **options)
        MiniMaxImageSensor(
            task_id="stuck", image_id=stuck, poke_interval=1, timeout=3, never_fail=True, deferrable=True
        )

    finished = run("waits_in_a_test_run", tasks)
    assert finished.states == {
        "good-deferred": "success",
        "good-started": "success",
        "moderated-deferred": "failed",
        "moderated-started": "failed",
        "stuck": "skipped",
    }
    assert finished.xcom("good-deferred")["imageId"] == finished.xcom("good-started")["imageId"] == good


def test_the_command_line_pays_once_as_well(in_the_database: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "one_video.py").write_text(DAG_FILE, encoding="utf-8")
    environment = os.environ | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "airflow", "dags", "test", "one_video"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output[-4000:]
    assert "state=success" in output, output[-4000:]
    assert creates(in_the_database) == 1
