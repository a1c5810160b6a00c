"""Create four images, let a person choose one on Airflow's own pages, and animate that one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Param, task

from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator

# Airflow shows Markdown, no HTML, and pictures up to 300 pixels wide: two in a row, each a link to its full size.
# The browser of whoever chooses fetches them straight from their addresses.
PICTURES = """
{% set urls = ti.xcom_pull(task_ids='create_images') | map(attribute='url') | list %}
{% macro picture(number) %}[![{{ number }}]({{ urls[number - 1] }})]({{ urls[number - 1] }}){% endmacro %}

| **1** | **2** |
| :---: | :---: |
| {{ picture(1) }} | {{ picture(2) }} |
| **3** | **4** |
| {{ picture(3) }} | {{ picture(4) }} |
"""

with DAG(
    dag_id="example_minimax_choose",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"prompt": Param("A lighthouse made of paper, at dawn", type="string")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["minimax"],
    doc_md=__doc__,
) as dag:
    create_images = MiniMaxCreateImageOperator(
        task_id="create_images",
        prompt="{{ params.prompt }}",
        aspect_ratio="16:9",
        quantity=4,
        deferrable=True,
    )

    # Under "Required Actions". The options of this operator are not templated, so they are numbers.
    choose = HITLOperator(
        task_id="choose",
        subject='Which picture of "{{ params.prompt }}" shall move?',
        body=PICTURES,
        options=["1", "2", "3", "4"],
    )

    @task
    def file_of(images: list[dict[str, Any]], answer: dict[str, Any]) -> str:
        (chosen,) = answer["chosen_options"]
        return str(images[int(chosen) - 1]["fileID"])

    chosen_file = file_of(create_images.output, choose.output)

    create_video = MiniMaxCreateVideoOperator(
        task_id="create_video",
        prompt="The light begins to turn",
        file_id=chosen_file,
        deferrable=True,
    )

    create_images >> choose
