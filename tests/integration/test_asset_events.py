"""The events of assets that tasks leave in Airflow's database: what an outlet tells the DAGs that it starts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetEvent
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetAliasEvent
from airflow.utils.session import create_session

from airflow_provider_minimax.api.ids import parse_media_id
from airflow_provider_minimax.assets import alias_extra, create_asset
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run, run

pytestmark = pytest.mark.usefixtures("airflow_db")


def events(finished: Run, dag_id: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the extras of the events of a DAG, by task and URI."""
    assert finished.state == "success", finished.states
    found = defaultdict(list)
    with create_session() as session:
        for event in session.query(AssetEvent).filter_by(source_dag_id=dag_id).order_by(AssetEvent.source_map_index):
            found[str(event.source_task_id), event.uri].append(event.extra)
    return dict(found)


def test_a_create_tells_its_outlets_what_it_made_and_what_that_cost(sandbox: Sandbox) -> None:
    (account,) = sandbox.accounts
    uri = f"minimax://{account}/images"

    def build() -> None:
        mine, theirs, alias = create_asset(account=account), Asset("theirs", "s3://bucket/pictures"), AssetAlias("made")
        at_pace: dict[str, Any] = {"poke_interval": 1}
        MiniMaxCreateImageOperator(
            task_id="two", prompt="a lamp", quantity=2, deferrable=True, outlets=[mine, theirs, alias], **at_pace
        )
        MiniMaxCreateImageOperator.partial(task_id="mapped", outlets=[mine], **at_pace).expand(prompt=["a", "b"])
        MiniMaxCreateVideoOperator(task_id="ids", prompt="a lamp", wait_for_completion=False, outlets=[alias])

    finished = run("asset_events_of_creates", build)
    two = finished.xcom("two")
    extra = {
        "ids": [image["imageId"] for image in two],
        "count": 2,
        "account": account,
        "model": two[0]["modelID"],
        "credits": 2,
    }
    found = events(finished, "asset_events_of_creates")
    assert found["two", "s3://bucket/pictures"] == [extra]
    # Once by the outlet, and once by the alias.
    assert found["two", uri] == [extra, alias_extra(extra, vars(AssetAliasEvent))]
    assert [(event["count"], event["credits"]) for event in found["mapped", uri]] == [(1, 1), (1, 1)]
    assert len({event["ids"][0] for event in found["mapped", uri]}) == 2
    assert [event["count"] for event in found["ids", f"minimax://{account}/videos"]] == [1]


def test_an_export_and_a_download_tell_where_the_files_are(sandbox: Sandbox, tmp_path: Path) -> None:
    images = [image for image in sandbox.all_images() if image["statusLabel"] == "completed"]
    account = parse_media_id(images[0]["imageId"]).account

    def build() -> None:
        outlets = [Asset("exports"), AssetAlias("folders")]
        MiniMaxExportImagesOperator(
            task_id="export", output_path=str(tmp_path / "export"), statuses=["completed"], outlets=outlets
        )
        MiniMaxDownloadOperator(
            task_id="download", ids=[images[0]["imageId"]], output_path=str(tmp_path / "files"), outlets=outlets
        )

    finished = run("asset_events_of_files", build)
    found = events(finished, "asset_events_of_files")
    summary, files = finished.xcom("export"), finished.xcom("download")
    exported = {
        "path": summary["path"],
        "manifest": summary["manifest"],
        "ids": [image["imageId"] for image in images],
        "count": len(images),
        "account": account,
    }
    downloaded = {
        "path": str(tmp_path / "files"),
        "ids": [images[0]["imageId"]],
        "count": 1,
        "bytes": files[0]["bytes"],
    }
    assert found == {
        ("export", "exports"): [exported],
        ("export", f"file://{tmp_path}/export"): [alias_extra(exported, vars(AssetAliasEvent))],
        ("download", "exports"): [downloaded],
        ("download", f"file://{tmp_path}/files"): [alias_extra(downloaded, vars(AssetAliasEvent))],
    }
