"""The example DAG that deletes what it has exported, run as it is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run

pytestmark = pytest.mark.usefixtures("airflow_db")


def test_the_listed_videos_are_exported_and_deleted(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    video_id = MiniMaxHook().create_video("A paper boat")
    sandbox.finish(video_id)
    dag = importlib.reload(importlib.import_module("example_dags.example_minimax_make_room")).dag
    for task in dag.tasks:
        task.retries = 0

    run = Run(dag)

    assert set(run.states.values()) == {"success"}
    assert [video["videoId"] for video in run.xcom("list_videos")] == [video_id]
    assert run.xcom("export_videos")["media_files"] == 1
    assert run.xcom("delete_videos")["videos"] == 1
    assert MiniMaxHook().list_videos() == []
