"""The example DAG that starts from a file of the user, run as it is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run

pytestmark = pytest.mark.usefixtures("airflow_db")


def test_a_picture_of_the_user_becomes_a_video(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    Image.new("RGB", (64, 48), "purple").save(tmp_path / "picture.png")
    dag = importlib.reload(importlib.import_module("example_dags.example_minimax_animate_file")).dag
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "poke_interval"):
            task.poke_interval = 1.0

    run = Run(dag)

    assert set(run.states.values()) == {"success"}
    video = run.xcom("wait_for_video")
    assert video["statusLabel"] == "completed"
    assert run.xcom("create_video")["videoId"] == video["videoId"]
    (file,) = run.xcom("download")
    assert file["id"] == video["videoId"]
    assert Path(file["path"].removeprefix("file://")).stat().st_size == file["bytes"]
    assert dict(sandbox.stats.creates) == {"files": 1, "videos": 1}
