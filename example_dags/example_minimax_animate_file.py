"""Animate a picture of your own: upload it, create a video from it, wait for that in the triggerer, keep the file."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

with DAG(
    dag_id="example_minimax_animate_file",
    description="Upload a picture of your own and animate it",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "picture": Param(
            f"{EXPORTS}/picture.png",
            type="string",
            minLength=1,
            title="Picture",
            description="Its path on a storage of Airflow, or an https address.",
        ),
        "motion": Param(
            "The light begins to turn",
            type="string",
            minLength=1,
            title="Motion",
            description="What happens in the video.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "video"],
    doc_md=__doc__,
) as dag:
    # Costs nothing, so a retry just uploads again.
    upload = MiniMaxUploadFileOperator(task_id="upload", source_path="{{ params.picture }}")

    create_video = MiniMaxCreateVideoOperator(
        task_id="create_video",
        prompt="{{ params.motion }}",
        file_id=upload.output,
        wait_for_completion=False,
    )

    # Apart from the create: when the wait fails, clearing it waits again and pays nothing.
    wait_for_video = MiniMaxVideoSensor(
        task_id="wait_for_video",
        video_id=create_video.output,
        deferrable=True,
        timeout=timedelta(hours=2),
    )

    download = MiniMaxDownloadOperator(
        task_id="download",
        ids=wait_for_video.output,
        output_path=EXPORTS + "/{{ dag_run.run_after | ts_nodash }}",
    )
