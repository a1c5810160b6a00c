"""New images as asset events of a running Airflow, also when its triggerer is killed."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import RunningAirflow, until

EXAMPLE = "example_minimax_on_new_image"
LIST = "GET /images/"
WATCHERS = 11
#: More of them take minutes.
KILLS = int(os.environ.get("KILLS", "1"))
IMAGES_PER_KILL = 10


def event_ids(airflow: RunningAirflow, asset: str) -> list[list[str]]:
    """Return the ids of each event of an asset, oldest first."""
    (found,) = airflow.get("assets", name_pattern=asset)["assets"]
    events = airflow.get("assets/events", asset_id=found["id"], order_by="timestamp", limit=1000)["asset_events"]
    return [[image["imageId"] for image in event["extra"]["payload"]["images"]] for event in events]


def await_rounds(watched: Sandbox, number: int) -> float:
    """Wait for some polls; return the seconds that they took."""
    before, begun = watched.stats.count(LIST), time.monotonic()
    until(lambda: watched.stats.count(LIST) >= before + number)
    return time.monotonic() - begun


def watch(airflow: RunningAirflow, watched: Sandbox) -> None:
    """Wait until all watchers watch."""
    until(lambda: {EXAMPLE, "watching"} <= airflow.dag_ids())
    before = watched.stats.count(LIST)
    until(lambda: watched.stats.count(LIST) > before + 3)


def test_a_new_image_starts_a_dag_that_downloads_it(airflow: RunningAirflow, watched: Sandbox) -> None:
    watch(airflow, watched)
    (image_id,) = watched.create_image("Downloaded, a paper boat")

    def runs() -> list[dict[str, str]]:
        return list(airflow.get(f"dags/{EXAMPLE}/dagRuns")["dag_runs"])

    until(lambda: [run["state"] for run in runs()] == ["success"])
    (row,) = airflow.xcom(EXAMPLE, runs()[0]["dag_run_id"], "download")
    assert row["id"] == image_id
    assert Path(row["path"].removeprefix("file://")).stat().st_size == row["bytes"]
    assert event_ids(airflow, "minimax_new_images") == [[image_id]]


def test_many_watchers_poll_as_one(
    airflow: RunningAirflow, watched: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(airflow, watched)
    seconds = await_rounds(watched, 2 * WATCHERS)
    with capsys.disabled():
        print(f"\n{WATCHERS} watchers, an interval of 1 s: {2 * WATCHERS} requests in {seconds:.1f} s")
    # Each by itself would send so many in two seconds.
    assert seconds > WATCHERS


def test_a_killed_triggerer_misses_no_image(
    airflow: RunningAirflow, watched: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(airflow, watched)
    chance = random.Random(14)
    before = len(event_ids(airflow, "arrivals"))
    arrived: list[str] = []
    may_repeat: set[str] = set()

    def events() -> list[list[str]]:
        return event_ids(airflow, "arrivals")[before:]

    def while_it_is_down() -> None:
        # A round ends when its events are stored and the state is, too. The kill may have come between the two.
        may_repeat.update(events()[-1] if events() else ())
        arrived.extend(watched.arrive(1))

    for _ in range(KILLS):
        await_rounds(watched, 1)
        for _ in range(IMAGES_PER_KILL - 1):
            arrived += watched.arrive(1)
            time.sleep(chance.uniform(0.0, 0.6))
        time.sleep(chance.uniform(0.0, 8.0))
        airflow.replace("triggerer", meanwhile=while_it_is_down)

    until(lambda: set(arrived) <= {image_id for ids in events() for image_id in ids})
    seen = Counter(image_id for ids in events() for image_id in ids)
    repeated = {image_id for image_id, number in seen.items() if number > 1}
    with capsys.disabled():
        print(
            f"\n{KILLS} kills: {len(arrived)} images arrived, {len(seen)} were events, {len(repeated)} more than once, "
            f"{len(repeated - may_repeat)} of these not in the last round before a kill"
        )
    assert set(seen) == set(arrived)
    assert repeated <= may_repeat
