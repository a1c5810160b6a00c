"""A running Airflow for the tests that need one, started once, since that takes long; and a person for the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator

from airflow_provider_minimax.sandbox import Sandbox
from scripts.airflow_api import AirflowApi
from scripts.running_airflow import RunningAirflow
from tests.conftest import CONFIG

if TYPE_CHECKING:
    from tests.integration.buckets import Bucket

#: A sandbox of which the first image that is created is known to the DAG files.
MANY = replace(CONFIG, images=200)

Person = Callable[..., list[dict[str, Any]]]


def pytest_itemcollected(item: pytest.Item) -> None:
    if "_airflow" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.running_airflow)


@pytest.fixture(scope="session")
def watched() -> Iterator[Sandbox]:
    """A sandbox that the running Airflow watches for new images from its start on."""
    with Sandbox(CONFIG) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def _airflow(_server: Sandbox, watched: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    connection = {"conn_type": "minimax", "host": _server.url, "password": _server.token}
    impatient = connection | {"extra": {"max_attempts": 1}}
    # The ids of the sandbox follow from its settings, so a DAG file can name the first of a test as a constant.
    _server.reset(MANY)
    (first,) = _server.create_image("lamp")
    home = tmp_path_factory.mktemp("airflow")

    def check_order(api: AirflowApi) -> None:
        # A task that finds no API server is lost.
        assert api.get("version")
        assert not (home / "components" / "scheduler.log").exists()

    with RunningAirflow(
        home,
        dags=Path(__file__).parent / "dag_files",
        variables={
            "AIRFLOW_CONN_MINIMAX_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_MINIMAX_IMPATIENT": json.dumps(impatient),
            "AIRFLOW_CONN_MINIMAX_WATCHED": json.dumps(connection | {"host": watched.url}),
            "CONSTANT_IMAGE_ID": first,
            # Nobody keeps the database: no commit waits for the disk.
            "PGOPTIONS": "-c synchronous_commit=off",
            # Seconds between two loops of an idle scheduler. Each step of a run waits for one.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            # Seconds after which a DAG file is read again. None of these changes.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        },
        prepare=check_order,
    ) as airflow:
        yield airflow


@pytest.fixture
def airflow(_airflow: RunningAirflow, sandbox: Sandbox) -> Iterator[RunningAirflow]:
    """A running Airflow with the DAGs of these tests and the connection to the sandbox; no run of it goes on."""
    yield _airflow
    _airflow.end_all_runs()


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """A person who takes the options at these places, whatever is asked; returns what was asked."""

    def takes(*places: int) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def execute(self: Any, context: Any) -> Any:
            asked.append({"subject": self.subject, "body": self.body, "options": self.options})
            event = {
                "chosen_options": [self.options[place] for place in places],
                "params_input": {},
                "responded_at": datetime.now(UTC),
                "responded_by_user": {"id": "1", "name": "ada"},
            }
            return self.execute_complete(context, event)

        # A person responds on Airflow's pages only; that way is taken with a running Airflow.
        monkeypatch.setattr(HITLOperator, "execute", execute)
        return asked

    return takes


@pytest.fixture(scope="session")
def _s3() -> Iterator[str]:
    # One for all: Airflow keeps a store, and with it the address of its server.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(_s3: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket at a server of S3, reached by the connection ``s3_test``."""
    import boto3

    from tests.integration.buckets import BUCKET, Bucket

    extra = {"endpoint_url": _s3, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 1}}}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_TEST", json.dumps(connection))
    client = boto3.client(
        "s3", endpoint_url=_s3, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=BUCKET)
    return Bucket(client)
