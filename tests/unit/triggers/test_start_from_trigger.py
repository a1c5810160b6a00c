"""The private structures of Airflow that a wait meets when it starts in the triggerer: one test each."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import TaskGroup
from jinja2 import UndefinedError

from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from airflow_provider_minimax.triggers.start_from_trigger import NEVER, MiniMaxStartedJobTrigger, UnresolvedError
from tests.unit.triggers.started import FIRST, SECOND, TaskInstance, made, sensor, started
from tests.unit.triggers.support import run

#: What a scheduler has stored of sensors in all forms that there have been, in serialized DAGs and for triggers.
STORED: dict[str, dict[str, Any]] = {
    "as at first": {
        "kind": "image",
        "image_id": FIRST,
        "require": "any",
        "accept_statuses": ["moderated"],
        "minimax_conn_id": "prod",
        "account": "2",
        "poke_interval": 10.0,
        "timeout": 1800.0,
        "silent_fail": False,
        "end_in_triggerer": True,
    },
    "0.1.0": {
        "kind": "image",
        "image_id": FIRST,
        "require": "any",
        "accept_statuses": ["moderated"],
        "minimax_conn_id": "prod",
        "account": "2",
        "poke_interval": 10.0,
        "timeout": 1800.0,
        "silent_fail": False,
        "end_in_triggerer": True,
        "limit": 1870.0,
    },
    "0.1.0, mapped": {"kind": "image"},
}


@pytest.mark.parametrize("form", STORED)
def test_stored_triggers_are_read(form: str) -> None:
    stored = STORED[form]
    path, kwargs = MiniMaxStartedJobTrigger(**stored).serialize()
    assert path == "airflow_provider_minimax.triggers.start_from_trigger.MiniMaxStartedJobTrigger"
    assert {name: kwargs[name] for name in stored} == stored
    assert kwargs["limit"] == stored.get("limit", NEVER.total_seconds())
    assert MiniMaxStartedJobTrigger(**kwargs).serialize() == (path, kwargs)


def test_a_scheduler_stores_the_newest_form() -> None:
    options: dict[str, Any] = {"require": "any", "accept_statuses": ["moderated"], "minimax_conn_id": "prod"}
    today: Any = sensor(image_id=FIRST, account="2", end_from_trigger=True, **options).start_trigger_args
    assert today.trigger_kwargs == STORED["0.1.0"]
    mapped: Any = MiniMaxImageSensor.start_trigger_args
    assert mapped.trigger_kwargs == STORED["0.1.0, mapped"]


def test_a_constant() -> None:
    trigger = started(lambda: sensor(image_id=FIRST, timeout=60, poke_interval=7, silent_fail=True))
    assert (trigger.spec.ids, trigger.spec.single, trigger.spec.poke_interval, trigger.spec.silent_fail) == (
        (FIRST,),
        True,
        7,
        True,
    )
    assert trigger.spec.deadline == pytest.approx(time.time() + 60, abs=20)


def test_a_list_of_constants() -> None:
    trigger = started(lambda: sensor(image_id=[FIRST, SECOND], require="any"))
    assert (trigger.spec.ids, trigger.spec.single, trigger.spec.require) == ((FIRST, SECOND), False, "any")


def test_a_template() -> None:
    assert started(lambda: sensor(image_id="{{ params.image }}")).spec.ids == (FIRST,)


def test_a_template_that_pulls_an_xcom() -> None:
    assert started(lambda: sensor(image_id="{{ ti.xcom_pull(task_ids='ids')[1] }}")).spec.ids == (SECOND,)


def test_a_template_that_gives_a_list_as_text() -> None:
    trigger = started(lambda: sensor(image_id="{{ ti.xcom_pull(task_ids='ids') }}"))
    assert (trigger.spec.ids, trigger.spec.single) == ((FIRST, SECOND), False)


def test_the_result_of_a_task() -> None:
    trigger = started(lambda: sensor(image_id=made()))
    assert trigger.spec.ids == (FIRST, SECOND)
    ti: Any = trigger.task_instance
    assert ti.pulled == [{"task_ids": "ids", "key": "return_value", "map_indexes": None}]


def test_mapped_over_the_result_of_a_task() -> None:
    def build() -> None:
        options: Any = {"start_from_trigger": True, "end_from_trigger": True, "timeout": timedelta(minutes=1)}
        MiniMaxImageSensor.partial(task_id="wait", require="any", **options).expand(image_id=made())

    trigger = started(build, map_index=1)
    assert (trigger.spec.ids, trigger.spec.single, trigger.spec.require, trigger.spec.end_in_triggerer) == (
        (SECOND,),
        True,
        "any",
        True,
    )
    assert trigger.timeout == 60.0
    assert trigger.spec.poke_interval == 10.0


def test_mapped_over_templates() -> None:
    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True).expand(
            image_id=[SECOND, "{{ params.image }}"]
        )

    assert started(build, map_index=1).spec.ids == (FIRST,)


def test_mapped_over_connections() -> None:
    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True, image_id=FIRST).expand(
            minimax_conn_id=["one", "two"]
        )

    trigger = started(build, map_index=1)
    assert (trigger.spec.ids, trigger.spec.minimax_conn_id) == ((FIRST,), "two")


def test_mapped_with_default_args() -> None:
    def build() -> None:
        defaults = {"start_from_trigger": True, "minimax_conn_id": "prod", "account": "nobody", "poke_interval": 7}
        with TaskGroup("group", default_args=defaults):
            MiniMaxImageSensor.partial(task_id="wait", image_id=FIRST, poke_interval=8).expand(account=[None, None])

    trigger = started(build, task_id="group.wait", map_index=1)
    assert (trigger.spec.ids, trigger.spec.minimax_conn_id, trigger.spec.account) == ((FIRST,), "prod", None)
    assert trigger.spec.poke_interval == 8


def test_a_video() -> None:
    video_id = FIRST.replace("image", "video")
    trigger = started(lambda: MiniMaxVideoSensor(task_id="wait", start_from_trigger=True, video_id=video_id))
    assert (trigger.spec.ids, trigger.spec.kind, trigger.timeout) == ((video_id,), "video", 3600.0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(
            lambda: sensor(image_id=made().map(lambda image_id: image_id)), "computed", id="computed from a result"
        ),
        pytest.param(lambda: sensor(image_id="{{ nonsense.here }}"), "is undefined", id="a template that fails"),
        pytest.param(
            lambda: sensor(image_id=FIRST, minimax_conn_id="{{ environment }}_minimax"),
            "'environment' is undefined",
            id="a macro of the DAG",
        ),
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
def test_a_worker_starts_a_wait_that_cannot_be_resolved(build: Callable[[], Any], words: str) -> None:
    with pytest.raises((UnresolvedError, UndefinedError), match=words):
        started(build, map_index=0)


def test_the_result_of_another_task_is_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{{ params.image }}"
    monkeypatch.setattr(TaskInstance, "returned", [FIRST, template])

    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True).expand(image_id=made())

    with pytest.raises(UnresolvedError, match=re.escape(f"{template!r} is not a full image id")):
        started(build, map_index=1)


def test_compact_dicts_of_another_task_are_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TaskInstance, "returned", [{"imageId": FIRST, "status": 2}, {"imageId": SECOND, "status": 0}])
    spec = started(lambda: sensor(image_id=made())).spec
    assert (spec.ids, spec.single) == ((FIRST, SECOND), False)


def test_a_mapped_task_renders_its_own_value_only() -> None:
    def build() -> None:
        MiniMaxImageSensor.partial(task_id="wait", start_from_trigger=True).expand(
            image_id=["{{ nonsense.here }}", "{{ params.image }}"]
        )

    assert started(build, map_index=1).spec.ids == (FIRST,)


async def never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def unavailable(*_: object, **__: object) -> None:
    raise RuntimeError("503")


@pytest.mark.parametrize(("response", "reason"), [(never, "within 0.05 s"), (unavailable, "RuntimeError: 503")])
def test_a_worker_starts_a_wait_if_airflow_fails_or_never_responds(
    response: Any, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = started(lambda: sensor(image_id=made()))
    monkeypatch.setattr(TaskInstance, "axcom_pull", response)

    async def fire() -> list[Any]:
        async with asyncio.timeout(20):
            again = MiniMaxStartedJobTrigger(**trigger.serialize()[1])
            again.resolve_within = 0.05
            again.image_id = SimpleNamespace(data={"task_id": "ids"})
            again.task_instance = trigger.task_instance
            return [event.payload async for event in again.run()]

    assert asyncio.run(fire()) == [{"end": "left to a worker"}]
    assert reason in caplog.text


def test_an_unresolved_wait_logs_the_reason_and_fires(caplog: pytest.LogCaptureFixture) -> None:
    async def fire() -> list[Any]:
        return [event.payload async for event in MiniMaxStartedJobTrigger("image", image_id="12345").run()]

    assert asyncio.run(fire()) == [{"end": "left to a worker"}]
    assert "a worker starts it" in caplog.text


@pytest.mark.parametrize(
    ("stored", "limit"),
    [
        pytest.param({}, NEVER, id="mapped"),
        pytest.param({"limit": 130.0}, timedelta(seconds=130), id="not mapped"),
    ],
)
@pytest.mark.parametrize("execution_timeout", [None, timedelta(seconds=50), timedelta(days=9999)])
def test_the_deadline_stays_when_another_triggerer_takes_over(
    stored: dict[str, Any], limit: timedelta, execution_timeout: timedelta | None
) -> None:
    trigger = MiniMaxStartedJobTrigger("image", image_id=FIRST, timeout=60.0, **stored)
    ti: Any = SimpleNamespace(
        task_id="wait", task=SimpleNamespace(execution_timeout=execution_timeout, template_ext=(), template_fields=())
    )
    trigger.task_instance = ti
    begun = datetime.now(UTC) - timedelta(seconds=45)
    # As Airflow reckons it when it starts the trigger.
    trigger.timeout_after = begun + min(limit, execution_timeout or limit)
    asyncio.run(trigger.resolve())
    assert trigger.spec.deadline == pytest.approx(begun.timestamp() + 60.0, abs=0.001)


def test_a_wait_that_no_worker_has_deferred_may_end_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "min_deferral", lambda _: 3600.0)
    (image_id,) = sandbox.create_image("a lamp")

    async def fire() -> list[Any]:
        trigger = MiniMaxStartedJobTrigger("image", image_id=image_id, timeout=60.0, poke_interval=1.0)
        return [event.payload async for event in trigger.run()]

    (event,) = run(fire())
    assert event["end"] == "completed"
