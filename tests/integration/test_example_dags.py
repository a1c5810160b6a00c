"""The example DAGs, which are what the README shows, run as they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk.execution_time import macros

from airflow_provider_minimax.sandbox import Sandbox
from scripts.local_airflow import EXAMPLE_DAGS
from tests.integration.conftest import Person
from tests.integration.dags import Run, example

NAMES = sorted(path.stem for path in EXAMPLE_DAGS.glob("example_*.py"))

pytestmark = pytest.mark.usefixtures("airflow_db")


DAY = pendulum.datetime(2026, 2, 2)


@pytest.mark.parametrize(
    ("run_type", "interval_start", "day", "expected"),
    [
        pytest.param("scheduled", DAY.subtract(days=1), None, ("2026-02-01", "2026-02-02"), id="every night"),
        pytest.param("backfill", DAY.subtract(days=9), None, ("2026-01-24", "2026-01-25"), id="a backfill"),
        pytest.param("manual", DAY.subtract(days=1), None, ("2026-02-02", "2026-02-03"), id="the form's logical date"),
        pytest.param("manual", None, None, ("2026-02-02", "2026-02-03"), id="no logical date"),
        pytest.param("manual", DAY.subtract(days=1), "2026-01-31", ("2026-01-31", "2026-02-01"), id="a day of choice"),
    ],
)
def test_the_export_takes_one_day(
    run_type: str, interval_start: Any, day: str | None, expected: tuple[str, str]
) -> None:
    module = example("example_minimax_export")
    run = SimpleNamespace(run_type=run_type, data_interval_start=interval_start, run_after=DAY.add(hours=3))
    context = {"dag_run": run, "params": {"day": day}, "macros": macros}
    environment = module.dag.get_template_env()

    def render(template: str) -> str:
        return environment.from_string(template).render(context)

    assert (render(module.START), render(module.END)) == expected
    assert render(module.FOLDER) == f"{module.EXPORTS}/{expected[0]}"


def test_the_nightly_export_holds_the_images_of_its_day(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    sandbox.reset(replace(sandbox.config, videos=20))
    day = pendulum.yesterday("UTC")
    run = Run(example("example_minimax_export").dag, day=day.to_date_string())
    assert run.states == dict.fromkeys(("anything_new", "export_images", "export_videos"), "success")

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

    completed = [video for video in sandbox.all_videos() if video["statusLabel"] == "completed"]
    rows = [json.loads(line) for line in (tmp_path / "videos" / "videos-00000.jsonl").open(encoding="utf-8")]
    assert [row["videoId"] for row in rows] == [video["videoId"] for video in completed]
    assert run.xcom("export_videos")["media_files"] == len(completed) > 5


def test_a_day_without_images_is_skipped(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    run = Run(example("example_minimax_export").dag, day="2026-02-02")
    assert run.states == {"anything_new": "skipped", "export_images": "skipped", "export_videos": "success"}
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_an_export_by_hand_without_a_date_holds_the_day_so_far(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    created = Run(example("example_minimax_prompt_to_video").dag).xcom("create_image")[0]
    run = Run(example("example_minimax_export").dag, None)
    assert run.states == dict.fromkeys(("anything_new", "export_images", "export_videos"), "success")
    assert run.xcom("export_videos")["videos"] == 1
    summary = run.xcom("export_images")

    folder = Path(summary["path"])
    day = pendulum.from_format(folder.name, "YYYY-MM-DD")
    rows = [json.loads(line) for line in (folder / "images-00000.jsonl").open(encoding="utf-8")]
    assert all(row["createTime"] >= day.timestamp() * 1000 for row in rows)
    assert (rows[0]["imageId"], rows[0]["desc"]) == (created["imageId"], created["desc"])
    assert created["desc"] in (folder / "index.html").read_text(encoding="utf-8")

    # Once more on the same day, over the finished export.
    assert Run(example("example_minimax_export").dag, None).xcom("export_images") == summary


def test_an_image_is_waited_for_and_its_file_id_becomes_a_video(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_wait").dag)
    assert set(run.states.values()) == {"success"}
    (image,) = run.xcom("wait_for_image")
    assert [image["imageId"]] == run.xcom("create_image")
    assert image["statusLabel"] == "completed"
    assert run.xcom("create_video")["videoId"].startswith("user:")
    assert paid(sandbox) == {"images": 1, "videos": 1}


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
    for task_id, made in (("create_image", image), ("create_video", video)):
        assert run.xcom(task_id, key="_link_MiniMaxMediaLink") == made["url"]
    files = run.xcom("download")
    assert [row["id"] for row in files] == [image["imageId"], video["videoId"]]
    paths = [Path(row["path"].removeprefix("file://")) for row in files]
    assert [path.stat().st_size for path in paths] == [row["bytes"] for row in files]
    (folder,) = {path.parent for path in paths}
    assert re.fullmatch(r"\d{8}T\d{6}", folder.name)
    assert paid(sandbox) == {"images": 1, "videos": 1}


def test_what_a_person_chooses_becomes_a_video(sandbox: Sandbox, person: Person) -> None:
    asked = person(2)
    run = Run(example("example_minimax_choose").dag)
    assert run.states == {
        "create_images": "success",
        "choose": "success",
        "create_video": "success",
        "create_others": "skipped",
    }
    images = run.xcom("create_images")
    (question,) = asked
    pictures = re.findall(r"\[\*\*(\d)\*\* !\[\1\]\(<(\S+)>\)\]\(<(\S+)>\)", question["body"])
    assert pictures == [(str(number), image["url"], image["url"]) for number, image in enumerate(images, start=1)]
    assert images[0]["desc"] in question["subject"]
    assert run.xcom("choose") == images[2]
    assert run.xcom("choose", key="fileID") == images[2]["fileID"]
    assert paid(sandbox) == {"images": 4, "videos": 1}


def test_the_chosen_picture_of_each_shot_becomes_a_video(
    sandbox: Sandbox, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    prompts = ["A paper boat", "A paper crane [moderate]", "A paper moon"]
    asked = person(2)
    run = Run(example("example_minimax_storyboard").dag, prompts=prompts)
    # The shot that is refused fails alone.
    assert run.state == "success"
    assert sorted((question["subject"], question["options"][0]) for question in asked) == [
        ("Which picture of shot 1 shall move?", "1. A paper boat"),
        ("Which picture of shot 3 shall move?", "1. A paper moon"),
    ]

    folder = tmp_path / "storyboard"
    rows = [json.loads(line) for line in (folder / "videos-00000.jsonl").open(encoding="utf-8")]
    images = {image["fileID"]: image["desc"] for image in sandbox.all_images()}
    assert sorted(images[row["originFiles"][0]["id"]] for row in rows) == [prompts[0], prompts[2]]
    assert sorted((row["desc"], row["mediaBytes"] > 0) for row in rows) == [(prompts[0], True), (prompts[2], True)]
    assert prompts[0] in (folder / "index.html").read_text(encoding="utf-8")
    assert (run.xcom("export_videos")["videos"], paid(sandbox)["videos"]) == (2, 2)


def test_each_prompt_of_a_list_becomes_an_image(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_fan_out").dag)
    assert run.state == "success"
    assert len(run.xcom("file_ids")) == 3
    assert paid(sandbox) == {"images": 3}


def test_a_bad_prompt_of_a_list_fails_alone(sandbox: Sandbox) -> None:
    prompts = ["A paper boat", "A paper crane [moderate]", "A paper moon"]
    run = Run(example("example_minimax_fan_out").dag, prompts=prompts)
    assert run.state == "success"
    assert run.states["file_ids"] == "success"
    images = [image for image in sandbox.all_images() if image["desc"] in prompts]
    completed = {image["fileID"] for image in images if image["statusLabel"] == "completed"}
    assert (len(completed), set(run.xcom("file_ids"))) == (2, completed)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_explains_itself(name: str) -> None:
    """In the list of DAGs, and in the form that triggers it."""
    dag = example(name).dag
    assert dag.dag_id == name
    assert dag.description
    assert len(dag.tags) > 1
    for param in (dag.params.get_param(key) for key in dag.params):
        assert param.schema["title"]
        assert param.description
        # An empty prompt is refused in the form.
        assert param.schema["type"] != "string" or param.schema["minLength"] == 1


def paid(sandbox: Sandbox) -> dict[str, int]:
    return dict(sandbox.stats.creates)


def test_a_run_knows_what_it_costs(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_budget").dag)
    assert run.state == "success"
    assert run.xcom("enough_credits") == {"account": None, "credits": 10_000}
    assert run.xcom("total_cost") == {"credits": 12, "jobs": 12, "unknown_price": 0}
    assert sandbox.stats.credits_spent == 12


def test_a_create_above_its_limit_is_not_sent(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_budget").dag, max_credits=3)
    assert run.state == "failed"
    assert run.states["create_images"] == "failed"
    assert run.xcom("total_cost") == {"credits": 0, "jobs": 0, "unknown_price": 0}
    assert paid(sandbox) == {}
