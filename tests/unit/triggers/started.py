"""Sensors that start in the triggerer, made by Airflow's own serialization, as a scheduler would store them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from airflow.sdk import DAG, task

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.triggers.start_from_trigger import MiniMaxStartedJobTrigger
from tests.unit.triggers.support import scheduler_starts_triggers

if not scheduler_starts_triggers():
    pytest.skip("this Airflow's scheduler starts nothing in the triggerer (3.3 does)", allow_module_level=True)

from airflow.serialization import decoders, serialized_objects

FIRST, SECOND = "user:1-minimax:2-image:3", "user:1-minimax:2-image:4"


class TaskInstance:
    """What a trigger uses of its task instance."""

    returned: ClassVar[list[str]] = [FIRST, SECOND]

    def __init__(self, operator: Any, map_index: int = -1) -> None:
        self.task = operator
        self.task_id = operator.task_id
        self.map_index = map_index
        self.pulled: list[dict[str, Any]] = []

    async def axcom_pull(self, **what: Any) -> Any:
        self.pulled.append(what)
        return self.returned

    def xcom_pull(self, task_ids: str, *, map_indexes: int) -> Any:
        assert map_indexes == -1, "for all indexes, Airflow's triggerer hangs"
        return [FIRST, SECOND]


def started(build: Callable[[], Any], task_id: str = "wait", map_index: int = -1) -> MiniMaxStartedJobTrigger:
    """Return the trigger of a task, after the way through the database, with its ids resolved."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        build()
    operator: Any = serialized_objects.DagSerialization.from_dict(
        serialized_objects.DagSerialization.to_dict(dag)
    ).get_task(task_id)
    assert operator.start_from_trigger
    arguments = operator.start_trigger_args
    assert arguments.next_method == "execute_complete"
    if task_id == "wait" and map_index == -1:
        assert arguments.timeout < timedelta(hours=2), "Airflow itself ends it, should it ever say nothing"
    stored = arguments.trigger_kwargs.get("__var", arguments.trigger_kwargs)
    kwargs = {name: decoders.smart_decode_trigger_kwargs(value) for name, value in stored.items()}
    trigger = MiniMaxStartedJobTrigger(**kwargs)
    ti: Any = TaskInstance(operator, map_index)
    trigger.task_instance = ti
    trigger.timeout_after = datetime.now(UTC) + arguments.timeout
    context: Any = {"ti": ti, "params": {"image": FIRST}, "dag_run": None}
    trigger.render_template_fields(context)
    asyncio.run(trigger.resolve())
    return trigger


def sensor(**options: Any) -> MiniMaxImageSensor:
    return MiniMaxImageSensor(task_id="wait", start_from_trigger=True, **options)


def made() -> Any:
    @task
    def ids() -> list[str]:
        return []

    return ids()
