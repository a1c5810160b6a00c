"""A wait that starts in the triggerer ends there only where its task needs nothing of a worker."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk import DAG, Asset

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from tests.unit.triggers.started import FIRST, sensor, started


def test_a_sensor_starts_on_a_worker_by_default() -> None:
    plain = MiniMaxImageSensor(task_id="wait", image_id=FIRST)
    assert (plain.start_from_trigger, plain.start_trigger_args, plain.deferrable) == (False, None, False)


WORKERS_OWN: list[dict[str, Any]] = [
    {"outlets": [Asset("x://pictures")]},
    {"do_xcom_push": False},
    {"multiple_outputs": True},
    {"on_success_callback": print},
]


@pytest.mark.parametrize("options", [{}, *WORKERS_OWN], ids=str)
@pytest.mark.parametrize("is_mapped", [False, True])
def test_a_task_whose_result_needs_a_worker_does_not_end_in_the_triggerer(
    options: dict[str, Any], is_mapped: bool
) -> None:
    flags = {"start_from_trigger": True, "end_from_trigger": True, **options}

    def build() -> None:
        if is_mapped:
            MiniMaxImageSensor.partial(task_id="wait", **flags).expand(image_id=[FIRST])
        else:
            MiniMaxImageSensor(task_id="wait", image_id=FIRST, **flags)

    assert started(build, map_index=0 if is_mapped else -1).spec.end_in_triggerer is (options == {})


class OwnEnd(MiniMaxImageSensor):
    def post_execute(self, context: Any, result: object = None) -> None:
        """Tell somebody."""


@pytest.mark.parametrize("is_mapped", [False, True])
def test_a_class_with_an_end_of_its_own_does_not_end_in_the_triggerer(is_mapped: bool) -> None:
    flags: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}

    def build() -> None:
        if is_mapped:
            OwnEnd.partial(task_id="wait", **flags).expand(image_id=[FIRST])
        else:
            OwnEnd(task_id="wait", image_id=FIRST, **flags)

    assert not started(build, map_index=0 if is_mapped else -1).spec.end_in_triggerer


@pytest.fixture
def listening() -> Iterator[None]:
    """Airflow has a plugin that listens to tasks."""
    managers = [importlib.import_module("airflow.listeners.listener").get_listener_manager()]
    with suppress(ImportError):
        managers.append(importlib.import_module("airflow.sdk.listener").get_listener_manager())
    for manager in managers:
        manager.add_listener(object())
    yield
    for manager in managers:
        manager.clear()


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("is_mapped", [False, True])
def test_where_a_plugin_listens_airflow_takes_the_dag_and_its_tasks_end_on_a_worker(is_mapped: bool) -> None:
    flags = {"start_from_trigger": True, "end_from_trigger": True}

    def build() -> None:
        if is_mapped:
            MiniMaxImageSensor.partial(task_id="wait", **flags).expand(image_id=[FIRST])
        else:
            MiniMaxImageSensor(task_id="wait", image_id=FIRST, **flags)

    assert not started(build, map_index=0 if is_mapped else -1).spec.end_in_triggerer
    with DAG(dag_id="listening", schedule=None) as dag:
        build()
    # Airflow's DagBag refuses a DAG by this.
    assert not getattr(dag.tasks[0], "end_from_trigger", False)


def test_the_task_with_the_result_of_the_dag_does_not_end_in_the_triggerer() -> None:
    waiting = sensor(image_id=FIRST, end_from_trigger=True)
    assert started(lambda: sensor(image_id=FIRST, end_from_trigger=True)).spec.end_in_triggerer
    waiting.returns_dag_result = True
    arguments: Any = waiting.start_trigger_args
    assert not arguments.trigger_kwargs["end_in_triggerer"]
