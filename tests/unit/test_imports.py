"""What it costs to read a DAG file that uses this provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support import ROOT

EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))
_PROBE = """
import json, runpy, sys, time
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
choosing = (time.process_time() - begun) / base
import airflow_provider_minimax.triggers.credits
import airflow_provider_minimax.triggers.start_from_trigger
import airflow_provider_minimax.triggers.timer
for path in sys.argv[1:]:
    runpy.run_path(path)
parsed = sorted(set(sys.modules) - before)
print(json.dumps({"ratio": ratio, "new": new, "choosing": choosing, "parsed": parsed}))
"""
#: What parsing a DAG file must not import, as far as Airflow itself has not.
_HEAVY = {"requests", "urllib3", "http.client", "aiohttp", "httpx", "fastapi", "uvicorn", "pyarrow", "PIL", "tenacity"}

#: Of the time in which Airflow itself is imported.
_MAX_SHARE = 0.05


@pytest.fixture(scope="module")
def probe() -> dict[str, object]:
    """What one process finds, or another one where that had to compile. CPU time, to which other work adds little."""
    command = [sys.executable, "-c", _PROBE, *map(str, EXAMPLES)]
    # A process that may not keep what it has compiled would compile each time, but nothing of Airflow.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> dict[str, object]:
        done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        # Airflow 3.2 may log to it.
        return dict(json.loads(done.stdout.splitlines()[-1]))

    found = run()
    return found if max(float(str(found[name])) for name in ("ratio", "choosing")) < _MAX_SHARE else run()


def test_the_http_stack_is_not_imported(probe: dict[str, list[str]]) -> None:
    assert (_HEAVY | {"airflow.triggers.base"}).isdisjoint(probe["new"])


def test_parsing_the_example_dags_imports_no_http_stack_either(probe: dict[str, list[str]]) -> None:
    assert len(EXAMPLES) > 5
    assert _HEAVY.isdisjoint(probe["parsed"])
    # A submodule stands for its package.
    assert not {name.partition(".")[0] for name in probe["parsed"]} & _HEAVY


def test_a_dag_file_imports_few_modules(probe: dict[str, list[str]]) -> None:
    """Each costs a search for its file. The number grows with the package: raise it for a reason only."""
    ours = [name for name in probe["parsed"] if name.startswith("airflow_provider_minimax")]
    assert len(ours) <= 90


def test_operators_and_sensors_add_little_to_airflow_itself(probe: dict[str, float]) -> None:
    assert probe["ratio"] < _MAX_SHARE


def test_choosing_adds_little_to_the_operator_of_airflow_that_it_is(probe: dict[str, float]) -> None:
    assert probe["choosing"] < _MAX_SHARE
