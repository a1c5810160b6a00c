"""Start on each new image of the account, whoever created it and however, and download its file."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator
from airflow_provider_minimax.triggers.new_media import MiniMaxNewImagesTrigger

# Any storage that Airflow knows. Before the @ stands its connection.
EXPORTS = os.environ.get("MINIMAX_EXPORTS", "s3://aws_default@my-bucket/minimax")

# The triggerer polls the account, from now on; each event updates the asset.
new_images = Asset(
    name="minimax_new_images",
    watchers=[AssetWatcher(name="new_images", trigger=MiniMaxNewImagesTrigger(poke_interval=30))],
)

with DAG(
    dag_id="example_minimax_on_new_image",
    description="Download each new image of the account as soon as it is completed",
    schedule=[new_images],
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["minimax", "image", "event"],
    doc_md=__doc__,
) as dag:
    # One run may have several events, and one event several images. A repeated event has the same ids.
    @task
    def image_ids(triggering_asset_events: Any) -> list[str]:
        events = triggering_asset_events.get(new_images, [])
        images = [image for event in events for image in event.extra["payload"]["images"]]
        return list(dict.fromkeys(image["imageId"] for image in images))

    download = MiniMaxDownloadOperator(
        task_id="download",
        ids=image_ids(),
        output_path=EXPORTS + "/new-images",
        # A run by hand has no event.
        on_empty="skip",
    )
