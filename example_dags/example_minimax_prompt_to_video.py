"""From a prompt to a file: create an image, animate it, keep both. Each is paid for once, whatever is retried."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

with DAG(
    dag_id="example_minimax_prompt_to_video",
    description="Create an image, animate it, and download both",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "prompt": Param(
            "A lighthouse made of paper, at dawn",
            type="string",
            minLength=1,
            title="Prompt",
            description="What is to be seen.",
        ),
        "motion": Param(
            "The light begins to turn",
            type="string",
            minLength=1,
            title="Motion",
            description="What happens in the video.",
        ),
    },
    # Both wait in the triggerer, and hold no worker meanwhile.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "deferrable": True},
    tags=["minimax", "image", "video", "download"],
    doc_md=__doc__,
) as dag:
    create_image = MiniMaxCreateImageOperator(
        task_id="create_image",
        prompt="{{ params.prompt }}",
        aspect_ratio="16:9",
    )

    # The fileID of the image is the first frame; the video is made on the image's account.
    create_video = MiniMaxCreateVideoOperator(
        task_id="create_video",
        prompt="{{ params.motion }}",
        file_id=create_image.output,
    )

    # Nobody documents how long the links live: fetched in the same run.
    MiniMaxDownloadOperator(
        task_id="download",
        ids=[create_image.output, create_video.output],
        # A run_id would do as well, but for its ":" and "+", which not every storage takes in a name.
        output_path=EXPORTS + "/{{ dag_run.run_after | ts_nodash }}",
    )
