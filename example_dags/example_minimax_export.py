"""Every night, export the images of the day before, and mirror the videos: with their files and a page to look at.

A run that is triggered by hand exports the images of the day of your choice, or of today as far as it has come.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

# A run by hand takes no interval: with the logical date that Airflow's form fills in, that would be yesterday's.
DAY = (
    "{% set day = params.day or"
    " (dag_run.run_after if dag_run.run_type == 'manual' else dag_run.data_interval_start) | ds %}"
)
START = DAY + "{{ day }}"
END = DAY + "{{ macros.ds_add(day, 1) }}"
FOLDER = EXPORTS + "/" + DAY + "{{ day }}"

# A DAG with schedule=[DAILY_IMAGES] runs after each export.
DAILY_IMAGES = Asset("minimax_daily_images")

# A timetable with real intervals: "@daily" alone would give intervals of no length.
with DAG(
    dag_id="example_minimax_export",
    description="Every night, export the images of the day before",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two runs by hand on one day write to one folder.
    max_active_runs=1,
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="The day to export, in UTC. Empty: the day before, or today so far in a run by hand.",
        )
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["minimax", "image", "export"],
    doc_md=__doc__,
) as dag:
    # A day without an image ends here, and is seen to be one.
    anything_new = MiniMaxListImagesOperator(
        task_id="anything_new",
        limit=1,
        statuses=["completed"],
        created_from=START,
        created_to=END,
        on_empty="skip",
    )

    export_images = MiniMaxExportImagesOperator(
        task_id="export_images",
        output_path=FOLDER,
        statuses=["completed"],
        created_from=START,
        created_to=END,
        download_media=True,
        contact_sheet=True,
        outlets=[DAILY_IMAGES],
    )

    anything_new >> export_images

    # No time of a video is documented, so a day of them cannot be selected: a mirror takes what is new.
    export_videos = MiniMaxExportVideosOperator(
        task_id="export_videos",
        output_path=EXPORTS + "/videos",
        statuses=["completed"],
        mode="sync",
        download_media=True,
        contact_sheet=True,
    )
