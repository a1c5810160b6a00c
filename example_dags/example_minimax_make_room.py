"""Make room: list the newest videos, export all with their files, and delete those that were listed."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator, MiniMaxListVideosOperator

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

with DAG(
    dag_id="example_minimax_make_room",
    description="Export the completed videos, then delete them at the service",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "video", "export"],
    doc_md=__doc__,
) as dag:
    # First what is to go, so that what is made meanwhile stays.
    list_videos = MiniMaxListVideosOperator(
        task_id="list_videos",
        limit=100,
        statuses=["completed"],
        on_empty="skip",
    )

    export_videos = MiniMaxExportVideosOperator(
        task_id="export_videos",
        output_path=EXPORTS + "/videos-{{ dag_run.run_after | ts_nodash }}",
        statuses=["completed"],
        download_media=True,
    )

    # Looks every id up in the export, and its file; nothing is deleted unless all of them are there.
    delete_videos = MiniMaxDeleteOperator(
        task_id="delete_videos",
        ids=list_videos.output,
        confirm_exported="{{ ti.xcom_pull(task_ids='export_videos').manifest }}",
    )

    list_videos >> export_videos >> delete_videos
