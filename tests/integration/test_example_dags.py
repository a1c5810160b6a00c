"""The example DAGs, which are what the README shows, run as they are."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pendulum
import pytest
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run

pytestmark = pytest.mark.usefixtures("airflow_db")


def example(name: str) -> ModuleType:
    module = importlib.reload(importlib.import_module(f"example_dags.{name}"))
    for one in module.dag.tasks:
        # A test shall neither ask at the pace that suits the service nor fail with its delays.
        one.retries = 0
        if isinstance(one, MappedOperator):
            one.partial_kwargs["poke_interval"] = 1.0
        elif hasattr(one, "poke_interval"):
            one.poke_interval = 1.0
    return module


def test_the_nightly_export_holds_the_images_of_its_interval(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    run = Run(example("example_minimax_export").dag, pendulum.today("UTC"))
    assert run.states == {"anything_new": "success", "export_images": "success"}

    day = pendulum.yesterday("UTC")
    start, end = day.timestamp() * 1000, day.add(days=1).timestamp() * 1000
    expected = [
        image
        for image in sandbox.all_images()
        if start <= image["createTime"] < end and image["statusLabel"] == "completed"
    ]
    folder = tmp_path / day.to_date_string()
    assert expected
    rows = [json.loads(line) for line in (folder / "images-00000.jsonl").open(encoding="utf-8")]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    assert {path.name for path in (folder / "media").iterdir()} == {Path(row["mediaPath"]).name for row in rows}
    assert (folder / "index.html").stat().st_size > 10_000
    assert run.xcom("export_images")["images"] == len(expected)
    assert json.loads((folder / "manifest.json").read_text())["images"] == len(expected)


def test_a_day_without_images_is_skipped(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    run = Run(example("example_minimax_export").dag, pendulum.datetime(2026, 2, 2))
    assert run.states == {"anything_new": "skipped", "export_images": "skipped"}
    assert list(tmp_path.iterdir()) == []


def test_an_image_is_waited_for_and_its_file_id_becomes_a_video(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_wait").dag)
    assert set(run.states.values()) == {"success"}
    image = run.xcom("wait_for_image")
    assert image["imageId"] == run.xcom("create_image")
    assert image["statusLabel"] == "completed"
    assert run.xcom("start_video").startswith("user:")
    assert sandbox.stats.count("POST /videos/create") == 1
    assert sandbox.stats.count("POST /images/create") == 1


def test_a_prompt_becomes_an_image_and_then_a_video(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    run = Run(example("example_minimax_prompt_to_video").dag)
    assert set(run.states.values()) == {"success"}
    (image,) = run.xcom("create_image")
    video = run.xcom("create_video")
    assert image["desc"] == "A lighthouse made of paper, at dawn"
    assert video["statusLabel"] == "completed"
    files = run.xcom("download")
    assert [row["id"] for row in files] == [image["imageId"], video["videoId"]]
    assert all(Path(row["path"].removeprefix("file://")).stat().st_size == row["bytes"] for row in files)
    assert paid(sandbox) == {"images": 1, "videos": 1}


def test_what_a_person_chooses_becomes_a_video(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("example_minimax_choose")
    asked: dict[str, str] = {}

    def answer(self: Any, context: Any) -> dict[str, Any]:
        asked["body"] = self.body
        return {"chosen_options": ["3"], "params_input": {}}

    # A person answers on Airflow's pages only; that way is taken with a running Airflow.
    monkeypatch.setattr(module.HITLOperator, "execute", answer)
    run = Run(module.dag)
    assert set(run.states.values()) == {"success"}
    images = run.xcom("create_images")
    assert [asked["body"].index(f"![{number}]({image['url']})") for number, image in enumerate(images, start=1)]
    assert run.xcom("file_of") == images[2]["fileID"]
    assert paid(sandbox) == {"images": 4, "videos": 1}


def test_each_prompt_of_a_list_becomes_an_image(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_fan_out").dag)
    assert run.state == "success"
    assert len(run.xcom("file_ids")) == 3
    assert paid(sandbox) == {"images": 3}


def paid(sandbox: Sandbox) -> dict[str, int]:
    return dict(sandbox.stats.creates)
