"""A person chooses a picture, in a running Airflow."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import ENDED, RunningAirflow, until
from tests.support import rows

DAG_ID = "example_minimax_choose"
STORYBOARD = "example_minimax_storyboard"
PROMPT = "A paper boat"
#: The states of a task that waits for a person: since Airflow 3.3, and before.
WAITING = {"awaiting_input", "deferred"}
COMPONENTS = ("scheduler", "triggerer", "api-server", "dag-processor")
ALARM = re.compile(r"\[(warning|error|critical)")
OPTIONS = [*(f"{number}. {PROMPT}" for number in range(1, 5)), "Generate again"]


def question(run_id: str) -> str:
    return f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/choose/-1/hitlDetails"


def until_asked(airflow: RunningAirflow, run_id: str) -> None:
    until(lambda: bool(airflow.states(DAG_ID, run_id, "choose").keys() & WAITING))
    until(lambda: airflow.has_left_its_worker(DAG_ID, run_id, "choose"))


def run_ids(airflow: RunningAirflow) -> list[str]:
    return [run["dag_run_id"] for run in airflow.get(f"dags/{DAG_ID}/dagRuns")["dag_runs"]]


def test_the_picture_that_a_person_chooses_becomes_a_video(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    run_id = airflow.trigger(DAG_ID, prompt=PROMPT)
    until_asked(airflow, run_id)
    images = airflow.xcom(DAG_ID, run_id, "create_images")
    asked = airflow.get(question(run_id))
    assert asked["subject"] == f'Which picture of "{PROMPT}" shall move?'
    assert asked["options"] == OPTIONS
    assert re.findall(r"!\[(\d)\]\(<(\S+?)>\)", asked["body"]) == [
        (str(number), image["url"]) for number, image in enumerate(images, start=1)
    ]

    airflow.patch(question(run_id), {"chosen_options": [OPTIONS[2]]})
    until(lambda: airflow.run_state(DAG_ID, run_id) in ENDED)
    assert airflow.run_state(DAG_ID, run_id) == "success"
    assert airflow.states(DAG_ID, run_id, "create_others") == {"skipped": 1}
    create_video = airflow.get(f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/create_video")
    assert create_video["rendered_fields"]["file_id"] == images[2]["fileID"]
    video = airflow.xcom(DAG_ID, run_id, "create_video")
    for task_id, made in (("choose", images[2]), ("create_video", video)):
        assert airflow.links(DAG_ID, run_id, task_id) == {"Open media": made["url"]}
    assert dict(sandbox.stats.creates) == {"images": 4, "videos": 1}
    lines = [line for component in COMPONENTS for line in airflow.output(component).splitlines()]
    assert [line for line in lines if run_id in line and ALARM.search(line)] == []


def test_generating_again_is_another_run_of_the_same_prompt(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    run_id = airflow.trigger(DAG_ID, prompt=PROMPT)
    until_asked(airflow, run_id)
    earlier = run_ids(airflow)
    airflow.patch(question(run_id), {"chosen_options": ["Generate again"]})
    until(lambda: airflow.run_state(DAG_ID, run_id) in ENDED)
    assert airflow.run_state(DAG_ID, run_id) == "success"
    assert airflow.states(DAG_ID, run_id, "create_others") == {"success": 1}
    assert airflow.states(DAG_ID, run_id, "create_video") == {"skipped": 1}

    (again,) = set(run_ids(airflow)) - set(earlier)
    until_asked(airflow, again)
    assert airflow.get(question(again))["options"] == OPTIONS
    assert dict(sandbox.stats.creates) == {"images": 8}


def test_the_pictures_that_a_person_chooses_become_a_storyboard(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    prompts = ["A paper boat", "A paper moon"]
    run_id = airflow.trigger(STORYBOARD, prompts=prompts)
    tasks = f"dags/{STORYBOARD}/dagRuns/{run_id}/taskInstances"
    chosen = {}
    # The last question first: no shot waits for another one.
    for shot, place in ((1, 0), (0, 3)):
        until(lambda shot=shot: airflow.has_left_its_worker(STORYBOARD, run_id, "shot.choose", shot))
        question = f"{tasks}/shot.choose/{shot}/hitlDetails"
        asked = airflow.get(question)
        assert asked["subject"] == f"Which picture of shot {shot + 1} shall move?"
        assert asked["options"] == [f"{number}. {prompts[shot]}" for number in range(1, 5)]
        airflow.patch(question, {"chosen_options": [asked["options"][place]]})
        created = airflow.get(f"{tasks}/shot.create_images/xcomEntries/return_value", map_index=shot, deserialize=True)
        chosen[shot] = created["value"][place]
    until(lambda: airflow.run_state(STORYBOARD, run_id) in ENDED)
    assert airflow.run_state(STORYBOARD, run_id) == "success"
    for shot, image in chosen.items():
        video = airflow.get(f"{tasks}/shot.create_video/{shot}")
        assert video["rendered_fields"]["file_id"] == image["fileID"]

    summary = airflow.xcom(STORYBOARD, run_id, "export_videos")
    folder = Path(summary["path"])
    first_frames = {row["originFiles"][0]["id"] for row in rows(folder)}
    assert first_frames == {image["fileID"] for image in chosen.values()}
    assert (folder / "index.html").stat().st_size > 10_000
    assert dict(sandbox.stats.creates) == {"images": 8, "videos": 2}
