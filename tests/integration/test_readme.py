"""The DAG of the README, run as it is but for its storage and its pace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.conftest import Person
from tests.integration.dags import Run
from tests.support import ROOT

pytestmark = pytest.mark.usefixtures("airflow_db")

#: With or without its connection.
STORAGE = re.compile(r"s3://(\w+@)?my-bucket/minimax")


def test_the_dag_of_the_readme_turns_the_chosen_image_into_a_video(
    sandbox: Sandbox, person: Person, tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert STORAGE.search(code)
    found: dict[str, Any] = {}
    exec(STORAGE.sub(str(tmp_path), code), found)
    dag = found["images"].dag
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "poke_interval"):
            task.poke_interval = 1.0

    person(2)
    run = Run(dag)
    assert run.states == dict.fromkeys(("images", "choose", "video", "files"), "success")
    chosen, video = run.xcom("images")[2], run.xcom("video")
    (made,) = (one for one in sandbox.all_videos() if one["videoId"] == video["videoId"])
    assert [file["id"] for file in made["originFiles"]] == [chosen["fileID"]]
    files = run.xcom("files")
    assert [row["id"] for row in files] == [chosen["imageId"], video["videoId"]]
    assert {Path(row["path"].removeprefix("file://")) for row in files} == set(tmp_path.iterdir())
    assert dict(sandbox.stats.creates) == {"images": 4, "videos": 1}
