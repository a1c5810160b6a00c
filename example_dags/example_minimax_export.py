"""Every night, export the images of the day before, and mirror the videos: with their files and a page to look at."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_minimax.operators.images import MiniMaxExportImagesOperator, MiniMaxListImagesOperator
from airflow_provider_minimax.operators.videos import MiniMaxExportVideosOperator

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

# A run that is triggered by hand without a logical date has no interval: it takes the day as far as it has come.
START = "{{ dag_run.data_interval_start or dag_run.run_after | ds }}"
END = "{{ dag_run.data_interval_end or dag_run.run_after }}"
FOLDER = EXPORTS + "/{{ (dag_run.data_interval_start or dag_run.run_after) | ds }}"

# A timetable with real intervals: "@daily" alone would give intervals of no length.
with DAG(
    dag_id="example_minimax_export",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["minimax"],
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
