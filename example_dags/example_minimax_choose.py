"""Create four images, let a person choose one on Airflow's own pages, and animate that one, or create four others."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param

from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

with DAG(
    dag_id="example_minimax_choose",
    description="Create four images, let a person choose one, and animate it",
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
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "image", "video", "human-in-the-loop"],
    doc_md=__doc__,
) as dag:
    create_images = MiniMaxCreateImageOperator(
        task_id="create_images",
        prompt="{{ params.prompt }}",
        aspect_ratio="16:9",
        quantity=4,
        deferrable=True,
    )

    # Under "Required Actions".
    choose = MiniMaxChooseOperator(
        task_id="choose",
        media=create_images.output,
        subject='Which picture of "{{ params.prompt }}" shall move?',
        again_task_id="create_others",
    )

    create_video = MiniMaxCreateVideoOperator(
        task_id="create_video",
        prompt="The light begins to turn",
        file_id=choose.output["fileID"],
        deferrable=True,
    )

    # A DAG has no loops; another run of it has the same prompt.
    create_others = TriggerDagRunOperator(
        task_id="create_others",
        trigger_dag_id="example_minimax_choose",
        conf={"prompt": "{{ params.prompt }}"},
    )

    choose >> create_others
