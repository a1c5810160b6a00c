"""Create an image, wait for it without any worker, and make its fileID the first frame of a video."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

with DAG(
    dag_id="example_minimax_wait",
    description="Create an image, wait for it without any worker, and animate it",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "prompt": Param(
            "A lighthouse made of paper, at dawn",
            type="string",
            minLength=1,
            title="Prompt",
            description="What is to be seen.",
        )
    },
    # A retry adopts the job that an earlier attempt has paid for.
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "image", "video", "sensor"],
    doc_md=__doc__,
) as dag:
    create_image = MiniMaxCreateImageOperator(
        task_id="create_image",
        prompt="{{ params.prompt }}",
        aspect_ratio="16:9",
        wait_for_completion=False,
    )

    # Begins and, if all is well, ends in the triggerer. A wait that has failed can be cleared, and costs nothing.
    wait_for_image = MiniMaxImageSensor(
        task_id="wait_for_image",
        image_id=create_image.output,
        start_from_trigger=True,
        end_from_trigger=True,
        poke_interval=10,
        timeout=timedelta(minutes=30),
    )

    MiniMaxCreateVideoOperator(
        task_id="create_video",
        prompt="The light begins to turn",
        file_id=wait_for_image.output,
        wait_for_completion=False,
    )
