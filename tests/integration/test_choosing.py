"""A person chooses a picture, in a running Airflow."""

from __future__ import annotations

import re

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import ENDED, RunningAirflow, until

DAG_ID = "example_minimax_choose"


def test_the_picture_that_a_person_chooses_becomes_a_video(sandbox: Sandbox, airflow: RunningAirflow) -> None:
    run_id = airflow.trigger(DAG_ID)
    until(lambda: airflow.states(DAG_ID, run_id, "choose")["awaiting_input"] == 1)
    question = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/choose/-1/hitlDetails"
    images = airflow.xcom(DAG_ID, run_id, "create_images")
    asked = airflow.get(question)
    assert asked["options"] == ["1", "2", "3", "4"]
    assert re.findall(r"!\[(\d)\]\((\S+?)\)", asked["body"]) == [
        (str(number), image["url"]) for number, image in enumerate(images, start=1)
    ]

    until(lambda: airflow.has_left_its_worker(DAG_ID, run_id, "choose"))
    airflow.patch(question, {"chosen_options": ["3"]})
    until(lambda: airflow.run_state(DAG_ID, run_id) in ENDED)
    assert airflow.run_state(DAG_ID, run_id) == "success"
    create_video = airflow.get(f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/create_video")
    assert create_video["rendered_fields"]["file_id"] == images[2]["fileID"]
    video = airflow.xcom(DAG_ID, run_id, "create_video")
    links = airflow.get(f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/create_video/links")
    assert links["extra_links"] == {"Open media": video["url"]}
    assert dict(sandbox.stats.creates) == {"images": 4, "videos": 1}
