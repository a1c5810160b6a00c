"""Create an image, wait for it without a worker, and pass its fileID on to a video by XCom."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor

with DAG(
    dag_id="example_minimax_wait",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"prompt": Param("A lighthouse made of paper, at dawn", type="string")},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["minimax"],
    doc_md=__doc__,
) as dag:
    # What creates is paid for, so these two are not repeated by Airflow: hence retries=0.
    @task(retries=0)
    def create_image(params: dict[str, str]) -> str:
        return MiniMaxHook().create_image(params["prompt"], aspect_ratio="16:9")[0]

    @task(retries=0)
    def start_video(image: dict[str, str]) -> str:
        return MiniMaxHook().create_video("The light begins to turn", file_id=image["fileID"])

    wait_for_image = MiniMaxImageSensor(
        task_id="wait_for_image",
        image_id=create_image(),
        deferrable=True,
        poke_interval=10,
        timeout=timedelta(minutes=30),
    )

    start_video(wait_for_image.output)
