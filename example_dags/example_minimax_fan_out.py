"""One image for each prompt of a list, all at a time; each is paid for once, and retried on its own.

A prompt that the service refuses fails alone: the run goes on with the images of the others.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator

with DAG(
    dag_id="example_minimax_fan_out",
    description="Create an image for each prompt of a list",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "prompts": Param(
            ["A paper boat", "A paper crane", "A paper moon"],
            type="array",
            items={"type": "string", "minLength": 1},
            minItems=1,
            title="Prompts",
            description="One prompt a line.",
        )
    },
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "image", "mapped"],
    doc_md=__doc__,
) as dag:

    @task
    def prompts(params: dict[str, Any]) -> list[str]:
        return list(params["prompts"])

    # All of these waits share one poll in the triggerer.
    create_image = MiniMaxCreateImageOperator.partial(
        task_id="create_image",
        aspect_ratio="1:1",
        deferrable=True,
        max_active_tis_per_dagrun=10,
    ).expand(prompt=prompts())

    @task(trigger_rule="all_done_min_one_success")
    def file_ids(created: list[list[dict[str, Any]]]) -> list[str]:
        # All at once: reading one by one, Airflow logs an error at the end of the list.
        return [image["fileID"] for images in created[:] for image in images]

    file_ids(create_image.output)
