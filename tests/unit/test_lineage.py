"""What operators tell OpenLineage, without its listener."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.lineage import LineageMixin, images_in
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import execute
from tests.unit.operators.support import Task

pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage is not installed")

IMAGE = {"imageId": "user:1-minimax:2-image:3", "fileID": "user:1-minimax:2-file:3"}


def told(operator: LineageMixin) -> dict[str, dict[tuple[str, str], Any]]:
    """Return the datasets that the listener would get, by name: columns of what was read, statistics of the rest."""
    found = operator.get_openlineage_facets_on_complete(SimpleNamespace())
    return {
        "inputs": {(one.namespace, one.name): columns_of(one) for one in found.inputs},
        "outputs": {(one.namespace, one.name): statistics_of(one) for one in found.outputs},  # type: ignore[arg-type]
    }


def columns_of(dataset: Any) -> dict[str, str]:
    schema = dataset.facets.get("schema")
    return {field.name: field.type for field in schema.fields} if schema else {}


def statistics_of(dataset: Any) -> tuple[int | None, int | None, int | None]:
    facet = dataset.outputFacets["outputStatistics"]
    return facet.rowCount, facet.size, facet.fileCount


@pytest.mark.parametrize(
    "operator",
    [
        MiniMaxCreateImageOperator(task_id="create", prompt="a lamp"),
        MiniMaxCreateVideoOperator(task_id="create", prompt="a lamp"),
        MiniMaxExportImagesOperator(task_id="export", output_path="/tmp/export"),
        MiniMaxDownloadOperator(task_id="download", ids=[IMAGE], output_path="/tmp/files"),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_without_a_result_nothing_is_told(operator: LineageMixin) -> None:
    assert told(operator) == {"inputs": {}, "outputs": {}}


@pytest.mark.parametrize(
    ("file_format", "last", "types"),
    [
        pytest.param("jsonl", "width", {"createTime": "timestamp", "width": "integer"}, id="lines hold other fields"),
        pytest.param("csv", "otherFields", {"tags": "array", "otherFields": "object"}, id="a table has a last column"),
    ],
)
def test_an_export_tells_its_rows(
    sandbox: Sandbox, tmp_path: Path, file_format: str, last: str, types: dict[str, str]
) -> None:
    (account,) = sandbox.accounts
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), file_format=file_format)
    summary = execute(export)
    found = told(export)
    assert list(found["inputs"]) == [(f"minimax://{account}", "images")]
    assert found["outputs"] == {("file", str(tmp_path)): (summary["images"], summary["bytes"], summary["parts"])}
    (rows,) = export.get_openlineage_facets_on_complete(SimpleNamespace()).outputs
    columns = columns_of(rows)
    assert list(columns)[-1] == last
    assert columns.items() >= types.items()


def test_an_export_with_files_tells_them_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    export = MiniMaxExportImagesOperator(
        task_id="export", output_path=str(tmp_path), statuses=["completed"], download_media=True
    )
    summary = execute(export)
    assert told(export)["outputs"]["file", f"{tmp_path}/media"] == (None, None, summary["media_files"])


def test_an_empty_export_without_an_account_has_read_nothing_that_has_a_name(sandbox: Sandbox, tmp_path: Path) -> None:
    export = MiniMaxExportImagesOperator(task_id="export", output_path=str(tmp_path), created_to="2020-01-02")
    execute(export)
    assert told(export) == {"inputs": {}, "outputs": {("file", str(tmp_path)): (0, 0, 0)}}


def test_a_download_tells_its_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    (account,) = sandbox.accounts
    ids = [image["imageId"] for image in sandbox.all_images() if image["statusLabel"] == "completed"][:2]
    download = MiniMaxDownloadOperator(task_id="download", ids=ids, output_path=str(tmp_path))
    size = sum(row["bytes"] for row in execute(download))
    found = told(download)
    assert list(found["inputs"]) == [(f"minimax://{account}", "images")]
    assert found["outputs"] == {("file", str(tmp_path)): (None, size, 2)}


def test_a_create_adds_to_its_account(sandbox: Sandbox) -> None:
    (account,) = sandbox.accounts
    create = MiniMaxCreateImageOperator(task_id="create", prompt="a lamp", quantity=2, wait_for_completion=False)
    Task().run(create)
    assert told(create) == {"inputs": {}, "outputs": {(f"minimax://{account}", "images"): (2, None, None)}}


@pytest.mark.parametrize(
    ("file_id", "images"),
    [
        pytest.param(None, [], id="none"),
        pytest.param(IMAGE["fileID"], [], id="a bare file id may be an upload's"),
        pytest.param(IMAGE, [IMAGE["imageId"]], id="an image"),
        pytest.param([IMAGE], [IMAGE["imageId"]], id="the result of a create"),
        pytest.param([[IMAGE], [{"videoId": "v"}]], [IMAGE["imageId"]], id="the results of a mapped task"),
    ],
)
def test_a_video_is_made_from_the_images_that_name_themselves(file_id: object, images: list[str]) -> None:
    assert images_in(file_id) == images
