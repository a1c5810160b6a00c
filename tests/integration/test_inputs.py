"""What one task returns is what the next one takes, in DAGs as Airflow runs them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Param, task
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_provider_minimax.operators.create import MiniMaxCreateOperator
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.integration.dags import Run

pytestmark = pytest.mark.usefixtures("airflow_db")

START = datetime(2026, 1, 1)
TEXT = "{{{{ ti.xcom_pull(task_ids='{0}') }}}}"


def dag(name: str, **options: Any) -> DAG:
    return DAG(name, schedule=None, start_date=START, **options)


@pytest.mark.parametrize("native", [False, True])
def test_a_sensor_and_a_download_take_the_results_of_a_mapped_create(
    sandbox: Sandbox, tmp_path: Path, native: bool
) -> None:
    with dag(f"mapped_{native}", render_template_as_native_obj=native) as mapped:
        create = MiniMaxCreateImageOperator.partial(task_id="create", quantity="{{ 2 }}", poke_interval=1).expand(
            prompt=["A paper boat", "1984"]
        )
        wait = MiniMaxImageSensor(task_id="wait", image_id=create.output, poke_interval=1)
        waited = MiniMaxImageSensor(task_id="waited", image_id=TEXT.format("create"), poke_interval=1)
        files = MiniMaxDownloadOperator(task_id="files", ids=create.output, output_path=str(tmp_path / "lazy"))
        texts = MiniMaxDownloadOperator(task_id="texts", ids=TEXT.format("wait"), output_path=str(tmp_path / "text"))
        create >> [wait, waited, files]
        wait >> texts
    run = Run(mapped)
    assert run.state == "success"
    images = [image["imageId"] for image in run.xcom("wait")]
    assert (len(images), len(set(images))) == (4, 4)
    assert run.xcom("wait") == run.xcom("waited")
    assert [row["id"] for row in run.xcom("files")] == images
    assert [row["id"] for row in run.xcom("texts")] == images
    assert sandbox.stats.creates["images"] == 4
    assert run.labels("create") == {0: "A paper boat", 1: "1984"}


def test_an_image_becomes_a_video_without_any_template(sandbox: Sandbox, tmp_path: Path) -> None:
    with dag("no_template") as plain:
        image = MiniMaxCreateImageOperator(task_id="image", prompt="A lamp", poke_interval=1)
        video = MiniMaxCreateVideoOperator(task_id="video", prompt="It turns", file_id=image.output, poke_interval=1)
        MiniMaxDownloadOperator(task_id="files", ids=[image.output, video.output], output_path=tmp_path)
    run = Run(plain)
    assert run.state == "success"
    assert [row["id"] for row in run.xcom("files")] == [run.xcom("image")[0]["imageId"], run.xcom("video")["videoId"]]


def test_params_of_a_run_reach_a_list(sandbox: Sandbox) -> None:
    params = {"statuses": Param(["completed", "failed"], type="array"), "limit": Param(7, type="integer")}
    with dag("list_by_params", params=params) as by_params:
        MiniMaxListImagesOperator(task_id="list", statuses="{{ params.statuses }}", limit="{{ params.limit }}")
    run = Run(by_params)
    assert run.state == "success"
    labels = {"completed", "failed"}
    expected = [image["imageId"] for image in sandbox.all_images() if image["statusLabel"] in labels][:7]
    assert [image["imageId"] for image in run.xcom("list")] == expected


@pytest.mark.parametrize("on_empty", ["fail", "skip", "return"])
def test_an_empty_list_means_what_the_task_says(sandbox: Sandbox, tmp_path: Path, on_empty: str) -> None:
    with dag(f"empty_{on_empty}") as empty:

        @task
        def nothing() -> list[str]:
            return []

        ids = nothing()
        MiniMaxImageSensor(task_id="wait", image_id=ids, on_empty=on_empty)
        MiniMaxDownloadOperator(task_id="files", ids=ids, output_path=str(tmp_path / "out"), on_empty=on_empty)
    run = Run(empty)
    state = {"fail": "failed", "skip": "skipped", "return": "success"}[on_empty]
    assert {name: run.states[name] for name in ("wait", "files")} == {"wait": state, "files": state}
    if on_empty == "return":
        assert (run.xcom("wait"), run.xcom("files")) == ([], [])
    assert not (tmp_path / "out").exists()


# The label of a mapped task


def label(create: MappedOperator | MiniMaxCreateOperator) -> str | None:
    return create.map_index_template


def test_a_mapped_create_is_labelled_by_its_prompt_unless_the_dag_says_otherwise() -> None:
    own = "{{ ti.map_index }}"
    with dag("labels"):
        plain = MiniMaxCreateImageOperator.partial(task_id="plain").expand(prompt=["a"])
        given = MiniMaxCreateImageOperator.partial(task_id="given", map_index_template=own).expand(prompt=["a"])
        same = MiniMaxCreateVideoOperator.partial(task_id="same", prompt="a").expand(file_id=["b", "c"])
        single = MiniMaxCreateImageOperator(task_id="single", prompt="a")
    with dag("default", default_args={"map_index_template": own}):
        default = MiniMaxCreateVideoOperator.partial(task_id="default").expand(prompt=["a"])
    assert "task.prompt" in str(label(plain))
    assert (label(given), label(default)) == (own, own)
    # One label for all of them would tell nothing.
    assert (label(same), label(single)) == (None, None)


PROMPTS = {
    "A paper boat": "A paper boat",
    "A paper boat\n  on a\tlake": "A paper boat on a lake",
    "A paper boat that sails over a lake of glass at dawn": "A paper boat that sails over a lake of glass…",
    "1984": "1984",
    "None": "None",
    "['x'] # y": "['x'] # y",
    "{{ 7 * 7 }}": "{{ 7 * 7 }}",
    "x" * 2_000: "x" * 47 + "…",
}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(("prompt", "shown"), PROMPTS.items())
def test_the_label_is_the_beginning_of_the_prompt_on_one_line(prompt: str, shown: str, native: bool) -> None:
    with dag("rendered", render_template_as_native_obj=native) as rendered:
        create = MiniMaxCreateImageOperator.partial(task_id="t").expand(prompt=[prompt])
        operator = MiniMaxCreateImageOperator(task_id="u", prompt=prompt)
    # As Airflow's task runner renders it.
    found = rendered.get_template_env().from_string(str(label(create))).render({"task": operator, "dag": rendered})
    assert isinstance(found, str)
    assert found.strip() == shown


def test_a_video_without_a_prompt_is_labelled_by_its_file() -> None:
    with dag("by_file") as rendered:
        create = MiniMaxCreateVideoOperator.partial(task_id="t").expand(file_id=["user:1-minimax:2-file:3"])
        operator = MiniMaxCreateVideoOperator(task_id="u", file_id="user:1-minimax:2-file:3")
    found = rendered.get_template_env().from_string(str(label(create))).render({"task": operator, "dag": rendered})
    assert found == "user:1-minimax:2-file:3"
