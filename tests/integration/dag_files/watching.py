"""Watchers of an account that no other test uses, and the example DAG on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from airflow.sdk import DAG, Asset, AssetAll, AssetWatcher, task

from airflow_provider_minimax.triggers.new_media import MiniMaxNewImagesTrigger
from example_dags import example_minimax_on_new_image as example

CONN_ID = "minimax_watched"


def watched(name: str, **options: object) -> Asset:
    trigger = MiniMaxNewImagesTrigger(CONN_ID, poke_interval=1, **options)
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])


# One event a round, however many images it has.
arrivals = watched("arrivals", max_per_event=1000)
others = [watched(f"watched_{number}", prompt_pattern=f"[{number}]$") for number in range(9)]

# Airflow runs the watchers of assets that a DAG waits for. This one waits for ever: a run for each event takes long.
with DAG("watching", schedule=AssetAll(Asset("never"), arrivals, *others), start_date=datetime(2026, 1, 1)):
    task(lambda: None, task_id="nothing")()  # type: ignore[arg-type]

(watcher,) = example.new_images.watchers
# A run for each image of the other tests would take long.
watcher.trigger.spec = replace(
    watcher.trigger.spec, minimax_conn_id=CONN_ID, poke_interval=1.0, prompt_pattern="^Downloaded"
)
example.download.minimax_conn_id = CONN_ID
dag = example.dag
