"""The metrics, as a StatsD server receives them from runs of the example DAGs."""

from __future__ import annotations

import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_minimax import metrics
from airflow_provider_minimax.compat import get_stats
from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.dags import Run, example

pytest.importorskip("statsd", reason="the client of StatsD, which comes with Airflow's extra statsd")
stats_utils = pytest.importorskip(
    "airflow.sdk.observability.metrics.stats_utils", reason="an earlier Airflow chooses its backend by itself"
)

pytestmark = pytest.mark.usefixtures("airflow_db")

NAMES = [value for name, value in vars(metrics).items() if name.isupper()]
LINE = re.compile(r"airflow\.(?P<name>minimax\.\w+)(?P<tags>(,\w+=[^,:]+)*):(?P<value>[-0-9.]+)\|(?P<kind>c|g|ms)")


class StatsdServer:
    """A UDP socket on loopback, and what it has received of ours."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._lines: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while not self._end.is_set():
            text = self._socket.recv(65_536).decode()
            if text == "end":
                self._end.set()
            self._lines += [line for line in text.split("\n") if "minimax." in line]

    def stop(self) -> None:
        # After all that was sent before: on loopback nothing overtakes.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def received(self) -> dict[str, list[tuple[str, float, str]]]:
        """Return tags, value and type of each metric, by name."""
        self.stop()
        found = defaultdict(list)
        for line in self._lines:
            match = LINE.fullmatch(line)
            assert match, line
            found[match["name"]].append((match["tags"], float(match["value"]), match["kind"]))
        return found


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    server = StatsdServer()
    for name, value in {
        "STATSD_ON": "True",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(server.port),
        "STATSD_PREFIX": "airflow",
        "STATSD_INFLUXDB_ENABLED": "True",
    }.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
    initialize(stats_utils.get_stats_factory())
    yield server
    monkeypatch.undo()
    initialize(stats_utils.get_stats_factory())


def initialize(factory: object) -> None:
    """Do what a worker and a triggerer do when they start."""
    get_stats().initialize(factory=factory, export_legacy_names=True)  # type: ignore[attr-defined]


def test_a_statsd_server_receives_each_metric(
    sandbox: Sandbox, statsd: StatsdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_EXPORTS", str(tmp_path))
    # Of the first create, the response is lost and the job is found.
    sandbox.fail("accepted-504", "POST /images/create")
    runs = [
        Run(example("example_minimax_prompt_to_video").dag),
        Run(example("example_minimax_budget").dag),
        Run(example("example_minimax_export").dag, None),
    ]
    assert [run.state for run in runs] == ["success"] * 3
    received = statsd.received()
    assert sorted(received) == sorted(NAMES)

    def total(name: str, *tags: str) -> float:
        return sum(value for shown, value, _ in received[name] if all(f",{tag}" in f"{shown}," for tag in tags))

    account = f"account={sandbox.accounts[0]}"
    assert total(metrics.SUBMISSIONS) == 5
    assert total(metrics.SUBMISSIONS, "kind=image", account, "model=image-01") == 4
    assert total(metrics.SUBMISSIONS, "kind=video", account, "model=I2V-01") == 1
    assert total(metrics.CREDITS) == sandbox.stats.credits_spent == 1 + 25 + 12
    assert total(metrics.RECOVERED, "kind=image", "model=image-01") == 1
    assert total(metrics.UNKNOWN_OUTCOMES, "kind=image", "model=image-01") == 1
    assert total(metrics.REQUESTS) == sandbox.stats.count() - sandbox.stats.media_requests
    assert total(metrics.REQUESTS, "operation=post.images.create", "status=5xx") == 1
    assert total(metrics.REQUESTS, "operation=post.images.create", "status=2xx") == 3
    assert total(metrics.POLLS, "kind=image") >= 4
    assert total(metrics.POLLS, "kind=credits") >= 1
    assert {kind for _, _, kind in received[metrics.WAITS]} == {"g"}
    assert received[metrics.WAITS][-1][1] == 0, "when nobody waits any more"
    assert {kind for _, _, kind in received[metrics.WAIT_SECONDS]} == {"ms"}
    exported = runs[-1].xcom("export_images")
    assert total(metrics.EXPORTED, "kind=image") == exported["images"]
    assert total(metrics.EXPORT_BYTES, "kind=image") > exported["bytes"] > 0


def test_names_and_tags_are_those_that_the_docs_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []
