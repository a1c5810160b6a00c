"""What the button *Open media* opens, for each operator and sensor that has it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor


def execute(operator: Any) -> str:
    """Execute as a worker would, and return the address of the button."""
    type(operator).execute.__wrapped__(operator, {})
    assert operator.operator_extra_links[0].name == "Open media"
    return MiniMaxMediaLink().get_link(operator, ti_key=SimpleNamespace())  # type: ignore[arg-type]


@pytest.fixture
def completed(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [image for image in sandbox.all_images() if image["statusLabel"] == "completed"]


def test_a_download_opens_its_first_file_at_the_service(completed: list[dict[str, Any]], tmp_path: Path) -> None:
    ids = [image["imageId"] for image in completed[1:3]]
    download = MiniMaxDownloadOperator(task_id="download", ids=ids, output_path=str(tmp_path))
    assert execute(download) == completed[1]["downloadURL"]


def test_an_export_opens_its_newest_image(completed: list[dict[str, Any]], tmp_path: Path) -> None:
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), statuses=["completed"])
    assert execute(export) == completed[0]["downloadURL"]


def test_a_sync_without_news_opens_the_newest_image_of_the_export(
    completed: list[dict[str, Any]], tmp_path: Path
) -> None:
    def sync() -> str:
        return execute(
            MiniMaxExportImagesOperator(
                task_id="export", output_path=str(tmp_path), statuses=["completed"], mode="sync", file_format="parquet"
            )
        )

    assert [sync(), sync()] == [completed[0]["downloadURL"]] * 2


def test_what_is_stored_opens_where_the_configuration_says(
    completed: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__LINK_PREFIXES", json.dumps({f"file://{tmp_path}/": "https://files.example/"}))
    folder, ids = str(tmp_path / "a"), [completed[1]["imageId"]]
    download = MiniMaxDownloadOperator(task_id="download", ids=ids, output_path=folder)
    assert execute(download) == f"https://files.example/a/{next((tmp_path / 'a').iterdir()).name}"
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path / "b"), contact_sheet=True)
    assert execute(export) == "https://files.example/b/index.html"


def test_a_list_opens_its_newest_image_that_has_a_file(completed: list[dict[str, Any]]) -> None:
    assert execute(MiniMaxListImagesOperator(task_id="list", limit=30)) == completed[0]["downloadURL"]


def test_an_empty_export_opens_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), created_to="2020-01-02")
    assert execute(export) == ""


@pytest.mark.parametrize("single", [True, False])
def test_a_sensor_opens_its_first_image(completed: list[dict[str, Any]], single: bool) -> None:
    ids = completed[0]["imageId"] if single else [image["imageId"] for image in completed[:2]]
    assert execute(MiniMaxImageSensor(task_id="wait", image_id=ids)) == completed[0]["downloadURL"]
