"""What Airflow's OpenLineage provider emits when the example DAGs run, held against ``lineage_of_examples.json``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.support import TIMEOUT

pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage is not installed")

EXPECTED = Path(__file__).with_name("lineage_of_examples.json")
#: With the ``conf`` of a run. The others have no tasks of another kind.
EXAMPLES: dict[str, dict[str, object]] = {
    "example_minimax_fan_out": {},
    "example_minimax_prompt_to_video": {},
    "example_minimax_wait": {},
    "example_minimax_export": {"day": pendulum.yesterday("UTC").to_date_string()},
    # Last: it deletes videos.
    "example_minimax_make_room": {},
}


@pytest.fixture
def events(sandbox: Sandbox, airflow_db: None, tmp_path: Path) -> list[dict[str, Any]]:
    """The events of a run of each example, as OpenLineage's file transport writes them."""
    file = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    environment = os.environ | {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "examples",
        "MINIMAX_EXPORTS": str(tmp_path / "exports"),
    }
    command = [sys.executable, "-m", "tests.integration.emit_lineage", json.dumps(EXAMPLES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
    return [json.loads(line) for line in file.open(encoding="utf-8")]


def test_the_examples_emit_what_they_read_and_write(
    events: list[dict[str, Any]], sandbox: Sandbox, tmp_path: Path
) -> None:
    text = json.dumps(events)
    assert sandbox.token not in text
    found = Normaliser(tmp_path / "exports", *sandbox.accounts).normalise(events)
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    # What is printed here is the file, if the difference is wanted.
    assert found == expected, json.dumps(found, indent=1)


class Normaliser:
    """Reduces events to what is the same on each day and machine.

    :param exports: the folder that the examples write to.
    :param account: that of the sandbox.
    """

    def __init__(self, exports: Path, account: str) -> None:
        self._exports, self._account = exports, account
        self._schemas: list[dict[str, str]] = []

    def normalise(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Return for each task the types of its events, and the datasets of all its instances."""
        tasks: dict[str, Any] = {}
        for event in sorted(events, key=lambda event: event["job"]["name"]):
            if "." not in event["job"]["name"]:
                # Of a whole run.
                continue
            task = tasks.setdefault(event["job"]["name"], {"events": [], "inputs": [], "outputs": []})
            for key, one in [("events", event["eventType"]), *self._datasets(event)]:
                if one not in task[key]:
                    task[key].append(one)
        return {"schemas": self._schemas, "tasks": tasks}

    def _datasets(self, event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        return [(key, self._dataset(one)) for key in ("inputs", "outputs") for one in event.get(key, [])]

    def _dataset(self, dataset: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"dataset": self._named(f"{dataset['namespace']} {dataset['name']}")}
        if schema := dataset["facets"].get("schema"):
            fields = {field["name"]: field["type"] for field in schema["fields"]}
            if fields not in self._schemas:
                self._schemas.append(fields)
            found["schema"] = self._schemas.index(fields)
        if facet := dataset.get("outputFacets", {}).get("outputStatistics"):
            statistics = {name: value for name, value in facet.items() if not name.startswith("_")}
            is_there = dataset["namespace"] == "file" and statistics == written(Path(dataset["name"]), set(statistics))
            found["statistics"] = f"{', '.join(sorted(statistics))} as on the disk" if is_there else statistics
        return found

    def _named(self, text: str) -> str:
        text = text.replace(str(self._exports), "<exports>").replace(self._account, "<account>")
        return re.sub(r"\d{8}T\d{6}", "<run>", re.sub(r"\d{4}-\d\d-\d\d", "<day>", text))


def written(folder: Path, names: set[str]) -> dict[str, int]:
    """Return these statistics of a folder: of the parts of an export, else of all files."""
    files = sorted(folder.glob("*-00000.jsonl")) or [path for path in folder.iterdir() if path.is_file()]
    numbers = {
        "rowCount": sum(len(path.read_bytes().splitlines()) for path in files),
        "size": sum(path.stat().st_size for path in files),
        "fileCount": len(files),
    }
    return {name: numbers[name] for name in names}
