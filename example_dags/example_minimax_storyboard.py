"""From a list of prompts to a storyboard: four pictures of each, a person chooses one, and the chosen ones move.

Each shot goes its own way: its question is there as soon as its pictures are, and one that fails stops no other.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator, MiniMaxExportVideosOperator

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

with DAG(
    dag_id="example_minimax_storyboard",
    description="Create images for each prompt, let a person choose one of each, animate them, and export the videos",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "prompts": Param(
            ["A paper boat in a harbour", "The boat on high seas", "The boat on a far beach"],
            type="array",
            items={"type": "string", "minLength": 1},
            minItems=1,
            title="Prompts",
            description="One prompt a line, a shot for each.",
        )
    },
    # Nothing waits in a worker: the service is waited for in the triggerer, and so is the person before Airflow 3.3.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "deferrable": True},
    tags=["minimax", "image", "video", "mapped", "human-in-the-loop", "export"],
    doc_md=__doc__,
) as dag:

    @task
    def prompts(params: dict[str, Any]) -> list[str]:
        return list(params["prompts"])

    @task_group
    def shot(prompt: str) -> None:
        create_images = MiniMaxCreateImageOperator(
            task_id="create_images",
            prompt=prompt,
            aspect_ratio="16:9",
            quantity=4,
        )

        # Under "Required Actions", one question for each shot. The prompt stands above the pictures.
        choose = MiniMaxChooseOperator(
            task_id="choose",
            media=create_images.output,
            subject="Which picture of shot {{ ti.map_index + 1 }} shall move?",
        )

        # The page of the export shows the prompt, so each video has that of its shot.
        MiniMaxCreateVideoOperator(
            task_id="create_video",
            prompt=prompt,
            file_id=choose.output["fileID"],
        )

    # The list of the service knows no runs, so this keeps all videos of the account, the newest on top. A later run
    # fetches what is new. It also runs when a shot has failed.
    export_videos = MiniMaxExportVideosOperator(
        task_id="export_videos",
        output_path=EXPORTS + "/storyboard",
        statuses=["completed"],
        mode="sync",
        download_media=True,
        contact_sheet=True,
        # Two runs write to one folder.
        max_active_tis_per_dag=1,
        trigger_rule="all_done_min_one_success",
    )

    shot.expand(prompt=prompts()) >> export_videos
