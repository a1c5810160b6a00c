"""Waits as real tasks: what Airflow makes of each end, in each mode."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.integration.dags import run

pytestmark = pytest.mark.usefixtures("airflow_db")

MODES: dict[str, dict[str, Any]] = {
    "poke": {},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True},
}


@pytest.mark.usefixtures("quick_rounds")
def test_airflow_sees_the_same_end_in_every_mode(sandbox: Sandbox) -> None:
    (good,) = sandbox.create_image("a lamp")
    (moderated,) = sandbox.create_image("a lamp [moderate]")
    (stuck,) = sandbox.create_image("a lamp [stuck]")
    ends: dict[str, tuple[dict[str, Any], str]] = {
        "good": ({"image_id": good}, "success"),
        "list": ({"image_id": [good, stuck], "require": "any"}, "success"),
        "moderated": ({"image_id": moderated}, "failed"),
        "soft": ({"image_id": moderated, "soft_fail": True}, "skipped"),
        "stuck": ({"image_id": stuck, "timeout": 0.5}, "failed"),
        "never": ({"image_id": stuck, "timeout": 0.5, "never_fail": True}, "skipped"),
        "bad_id": ({"image_id": "12345", "soft_fail": True}, "skipped"),
    }

    def tasks() -> None:
        for mode, options in MODES.items():
            for name, (arguments, _) in ends.items():
                MiniMaxImageSensor(task_id=f"{name}-{mode}", poke_interval=0.1, **options, **arguments)

    finished = run("waits", tasks)
    assert finished.states == {f"{name}-{mode}": state for mode in MODES for name, (_, state) in ends.items()}
    singles = [finished.xcom(f"good-{mode}") for mode in MODES]
    assert [image["imageId"] for image in singles] == [good] * len(MODES)
    assert singles[0] == singles[1] == singles[2]
    lists = [finished.xcom(f"list-{mode}") for mode in MODES]
    assert [[image["imageId"] for image in images] for images in lists] == [[good]] * len(MODES)
