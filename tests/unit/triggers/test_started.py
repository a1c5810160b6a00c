"""The shapes, private to Airflow, that a wait finds when it begins in the triggerer: one test each.

They are made by Airflow's own serialization, as a scheduler would store them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from airflow_provider_minimax.triggers.started import _NEVER, MiniMaxStartedJobTrigger, _UnresolvedError

serialized = pytest.importorskip("airflow.serialization.serialized_objects")
decoders = pytest.importorskip("airflow.serialization.decoders", reason="nothing starts in the triggerer before 3.3")

FIRST, SECOND = "user:1-minimax:2-image:3", "user:1-minimax:2-image:4"


class TaskInstance:
    """What a trigger asks of its task instance."""

    def __init__(self, operator: Any, map_index: int = -1) -> None:
        self.task = operator
        self.task_id = operator.task_id
        self.map_index = map_index
        self.pulled: list[dict[str, Any]] = []

    async def axcom_pull(self, **what: Any) -> Any:
        self.pulled.append(what)
        return [FIRST, SECOND]

    def xcom_pull(self, task_ids: str, *, map_indexes: int) -> Any:
        assert map_indexes == -1, "asked for all indexes, Airflow's triggerer hangs"
        return [FIRST, SECOND]


def started(build: Callable[[], Any], task_id: str = "wait", map_index: int = -1) -> MiniMaxStartedJobTrigger:
    """Return the trigger of a task, after the way through the database, with its ids resolved."""
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        build()
    operator: Any = serialized.DagSerialization.from_dict(serialized.DagSerialization.to_dict(dag)).get_task(task_id)
    assert operator.start_from_trigger
    arguments = operator.start_trigger_args
    assert arguments.next_method == "execute_complete"
    stored = arguments.trigger_kwargs.get("__var", arguments.trigger_kwargs)
    kwargs = {name: decoders.smart_decode_trigger_kwargs(value) for name, value in stored.items()}
    trigger = MiniMaxStartedJobTrigger(**kwargs)
    ti: Any = TaskInstance(operator, map_index)
    trigger.task_instance = ti
    trigger.timeout_after = datetime.now(UTC) + arguments.timeout
    context: Any = {"ti": ti, "params": {"image": FIRST}, "dag_run": None}
    trigger.render_template_fields(context)
    asyncio.run(trigger._resolve())
    return trigger


def sensor(**options: Any) -> MiniMaxImageSensor:
    return MiniMaxImageSensor(task_id="wait", start_from_trigger=True, **options)


def made() -> Any:
    @task
    def ids() -> list[str]:
        return []

    return ids()


def test_a_constant() -> None:
    trigger = started(lambda: sensor(image_id=FIRST, timeout=60, poke_interval=7, silent_fail=True))
    assert (trigger.ids, trigger.single, trigger.poke_interval, trigger.silent) == ([FIRST], True, 7, True)
    assert trigger.deadline == pytest.approx(time.time() + 60, abs=20)


def test_a_list_of_constants() -> None:
    trigger = started(lambda: sensor(image_id=[FIRST, SECOND], require="any"))
    assert (trigger.ids, trigger.single, trigger.require) == ([FIRST, SECOND], False, "any")


def test_a_template() -> None:
    assert started(lambda: sensor(image_id="{{ params.image }}")).ids == [FIRST]


def test_a_template_that_pulls_an_xcom() -> None:
    assert started(lambda: sensor(image_id="{{ ti.xcom_pull(task_ids='ids')[1] }}")).ids == [SECOND]


def test_a_template_that_gives_a_list_as_text() -> None:
    trigger = started(lambda: sensor(image_id="{{ ti.xcom_pull(task_ids='ids') }}"))
    assert (trigger.ids, trigger.single) == ([FIRST, SECOND], False)


def test_the_result_of_a_task() -> None:
    trigger = started(lambda: sensor(image_id=made()))
    assert trigger.ids == [FIRST, SECOND]
    ti: Any = trigger.task_instance
    assert ti.pulled == [{"task_ids": "ids", "key": "return_value", "map_indexes": None}]


def test_mapped_over_the_result_of_a_task() -> None:
    def build() -> None:
        options: Any = {"start_from_trigger": True, "end_from_trigger": True, "timeout": timedelta(minutes=1)}
        MiniMaxImageSensor.partial(task_id="wait", require="any", **options).expand(image_id=made())

    trigger = started(build, map_index=1)
    assert (trigger.ids, trigger.single, trigger.require, trigger.ends) == ([SECOND], True, "any", True)
    assert trigger.timeout == 60.0
    assert trigger.poke_interval == 10.0


def test_mapped_over_templates() -> None:
    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True).expand(
            image_id=[SECOND, "{{ params.image }}"]
        )

    assert started(build, map_index=1).ids == [FIRST]


def test_mapped_over_connections() -> None:
    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True, image_id=FIRST).expand(
            minimax_conn_id=["one", "two"]
        )

    trigger = started(build, map_index=1)
    assert (trigger.ids, trigger.minimax_conn_id) == ([FIRST], "two")


def test_a_video() -> None:
    video_id = FIRST.replace("image", "video")
    trigger = started(lambda: MiniMaxVideoSensor(task_id="wait", start_from_trigger=True, video_id=video_id))
    assert (trigger.ids, trigger.kind, trigger.timeout) == ([video_id], "video", 3600.0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(
            lambda: sensor(image_id=made().map(lambda image_id: image_id)), "computed", id="computed from a result"
        ),
        pytest.param(lambda: sensor(image_id="{{ nonsense.here }}"), "UndefinedError", id="a template that fails"),
        pytest.param(lambda: sensor(image_id="12345"), "not a full image id", id="no id"),
        pytest.param(
            lambda: MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True).expand(
                image_id=[FIRST], account=["2"]
            ),
            "mapped over more than its id",
            id="mapped over two parameters",
        ),
        pytest.param(
            lambda: MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True, image_id=FIRST).expand(
                poke_interval=[1, 2]
            ),
            "mapped over poke_interval",
            id="mapped over an option",
        ),
    ],
)
def test_what_cannot_be_resolved_is_left_to_a_worker(build: Callable[[], Any], words: str) -> None:
    with pytest.raises(_UnresolvedError, match=words):
        started(build, map_index=0)


def test_it_says_so_and_fires_instead_of_hanging(caplog: pytest.LogCaptureFixture) -> None:
    async def fire() -> list[Any]:
        return [event.payload async for event in MiniMaxStartedJobTrigger("image", image_id="12345").run()]

    assert asyncio.run(fire()) == [{"end": "left to a worker"}]
    assert "a worker begins it" in caplog.text


def test_the_deadline_stays_where_it_was_when_a_triggerer_takes_over() -> None:
    trigger = MiniMaxStartedJobTrigger("image", image_id=FIRST, timeout=60.0)
    begun = datetime.now(UTC) - timedelta(seconds=45)
    trigger.timeout_after = begun + _NEVER
    asyncio.run(trigger._resolve())
    assert trigger.deadline == begun.timestamp() + 60.0


def test_a_sensor_that_does_not_ask_for_it_starts_on_a_worker() -> None:
    plain = MiniMaxImageSensor(task_id="wait", image_id=FIRST)
    assert (plain.start_from_trigger, plain.start_trigger_args, plain.deferrable) == (False, None, False)


def test_a_task_that_reports_assets_does_not_end_in_the_triggerer() -> None:
    from airflow.sdk import Asset

    trigger = started(lambda: sensor(image_id=FIRST, end_from_trigger=True, outlets=[Asset("x://pictures")]))
    assert not trigger.ends
