"""What the button *Open media* opens, for each operator and sensor that has it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator
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


def test_an_empty_export_opens_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), created_to="2020-01-02")
    assert execute(export) == ""


@pytest.mark.parametrize("single", [True, False])
def test_a_sensor_opens_its_first_image(completed: list[dict[str, Any]], single: bool) -> None:
    ids = completed[0]["imageId"] if single else [image["imageId"] for image in completed[:2]]
    assert execute(MiniMaxImageSensor(task_id="wait", image_id=ids)) == completed[0]["downloadURL"]
