"""What it costs to read a DAG file that uses this provider."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROBE = """
import json, sys, time
begun = time.process_time()
from airflow.sdk import BaseOperator
base = time.process_time() - begun
before = set(sys.modules)
begun = time.process_time()
import airflow_provider_minimax.operators.images
import airflow_provider_minimax.operators.videos
import airflow_provider_minimax.operators.files
import airflow_provider_minimax.sensors.videos
import airflow_provider_minimax.operators.videos
import airflow_provider_minimax.sensors.images
import airflow_provider_minimax.hooks.minimax
ratio, new = (time.process_time() - begun) / base, sorted(set(sys.modules) - before)
import airflow.providers.standard.operators.hitl
begun = time.process_time()
import airflow_provider_minimax.operators.choose
print(json.dumps({"ratio": ratio, "new": new, "choosing": (time.process_time() - begun) / base}))
"""


@pytest.fixture(scope="module")
def probe() -> dict[str, object]:
    """The cheaper of two processes: the first may have to compile. CPU time, to which other work adds little."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, check=True, text=True).stdout)
        for _ in range(2)
    ]
    return min(runs, key=lambda run: run["ratio"])


def test_the_http_stack_is_not_imported(probe: dict[str, list[str]]) -> None:
    heavy = {"requests", "urllib3", "aiohttp", "httpx", "fastapi", "uvicorn", "pyarrow", "airflow.triggers.base"}
    assert heavy.isdisjoint(probe["new"])


def test_operators_and_sensors_add_little_to_airflow_itself(probe: dict[str, float]) -> None:
    assert probe["ratio"] < 0.05


def test_choosing_adds_little_to_the_operator_of_airflow_that_it_is(probe: dict[str, float]) -> None:
    assert probe["choosing"] < 0.05
