"""The example DAG that starts on new images, run by hand; a running Airflow starts it on events."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run, example

pytestmark = pytest.mark.usefixtures("airflow_db")


def test_a_run_by_hand_has_nothing_to_download(sandbox: Sandbox) -> None:
    run = Run(example("example_minimax_on_new_image").dag)
    assert run.states == {"image_ids": "success", "download": "skipped"}
    assert sandbox.stats.count() == 0
