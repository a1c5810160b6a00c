"""Creates that end in the triggerer when all went well, and on a worker otherwise."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.compat import AirflowSensorTimeout, TaskDeferred
from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.polling.events import success_event
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from tests.unit.operators.creates import KINDS, image, make, posts
from tests.unit.operators.support import Task
from tests.unit.triggers.support import XCom

pytestmark = pytest.mark.usefixtures("fast_creates", "quick_rounds")


def event_of(deferral: TaskDeferred, monkeypatch: pytest.MonkeyPatch, xcom: object) -> Any:
    """Run the trigger of a deferral as the triggerer would, and return its one event."""
    monkeypatch.setattr("airflow.sdk.execution_time.xcom.XCom", xcom)
    waiting = MiniMaxJobTrigger(**deferral.trigger.serialize()[1])
    ti: Any = SimpleNamespace(dag_id="dag", task_id="create", run_id="run", map_index=3, task=None)
    waiting.task_instance = ti

    async def fire() -> list[Any]:
        return [event async for event in waiting.run()]

    (event,) = asyncio.run(fire())
    return event


@pytest.mark.parametrize(
    ("kind", "options"),
    [("image", {}), ("image", {"quantity": 3}), ("image", {"quantity": 3, "require": "any"}), ("video", {})],
    ids=str,
)
def test_a_good_end_leaves_what_a_worker_would_have_left(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, Any]
) -> None:
    task, operator, xcom = Task(), make(kind, end_from_trigger=True, **options), XCom()
    deferral = task.deferral(operator)
    record = dict(task.store.values)
    event = event_of(deferral, monkeypatch, xcom)
    assert type(event).__name__ == "TaskSuccessEvent"
    assert event.xcoms is None
    (link_key, link, of_link), (key, result, of_result) = xcom.pushed
    jobs = result if isinstance(result, list) else [result]
    assert (link_key, key) == ("_link_MiniMaxMediaLink", "return_value")
    assert of_link["map_index"] == of_result["map_index"] == 3
    assert of_result["_mapped_length"] == len(result)
    # A worker that gets the same jobs returns the same, links to the same, and leaves the record as it is.
    assert operator.execute_complete(task.context(), success_event(jobs)) == result
    assert operator.media_url == link
    assert task.store.values == record
    assert posts(sandbox, kind) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prompt": "a [moderate]"}, errors.MiniMaxModeratedError, "Change the prompt and clear the task"),
        ({"prompt": "a [fail]"}, errors.MiniMaxJobFailedError, "Failed"),
        ({"prompt": "a [moderate:5:1]", "quantity": 3}, errors.MiniMaxModeratedError, "Moderated"),
        (
            {"prompt": "a [moderate:5:1] [fail:2]", "quantity": 2, "require": "any"},
            errors.MiniMaxJobFailedError,
            "Moderated",
        ),
        ({"prompt": "a [stuck]", "timeout": 0.1}, AirflowSensorTimeout, "continues at the service and is billed"),
    ],
    ids=str,
)
def test_every_bad_end_resumes_on_a_worker(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    task, operator, xcom = Task(), image(end_from_trigger=True, **options), XCom()
    deferral = task.deferral(operator)
    event = event_of(deferral, monkeypatch, xcom)
    assert type(event).__name__ == "TriggerEvent"
    assert xcom.pushed == []
    with pytest.raises(error, match=message):
        getattr(operator, deferral.method_name)(task.context(), event.payload)
    assert posts(sandbox, "image") == 1


def test_an_unknown_final_status_resumes_on_a_worker(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task, operator, xcom = Task(), image(prompt="a [status:9]", end_from_trigger=True), XCom()
    event = event_of(task.deferral(operator), monkeypatch, xcom)
    assert event.payload["end"] == "failed"
    assert xcom.pushed == []


def test_fewer_images_than_requested_are_left_to_a_worker(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MiniMaxClient.submit
    monkeypatch.setattr(MiniMaxClient, "submit", lambda *args: real(*args)[:2])
    task, operator, xcom = Task(), image(quantity=4, end_from_trigger=True), XCom()
    event = event_of(task.deferral(operator), monkeypatch, xcom)
    assert xcom.pushed == []
    with pytest.raises(errors.MiniMaxJobFailedError, match="4 images were requested"):
        operator.execute_complete(task.context(), event.payload)
    accepted = Task().deferral(image(quantity=4, require="any", end_from_trigger=True))
    assert accepted.trigger.spec.end_in_triggerer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({"end_from_trigger": True}, True),
        ({"deferrable": True}, False),
        ({"end_from_trigger": True, "outlets": [Asset("minimax://1/images")]}, False),
        ({"end_from_trigger": True, "do_xcom_push": False}, False),
        ({"end_from_trigger": True, "multiple_outputs": True}, False),
        ({"end_from_trigger": True, "post_execute": lambda *_: None}, False),
        ({"end_from_trigger": True, "on_success_callback": print}, False),
        ({"end_from_trigger": True, "on_failure_callback": print}, True),
    ],
    ids=str,
)
def test_it_ends_there_if_told_to_and_if_a_worker_would_only_push_the_result(
    sandbox: Sandbox, kind: str, options: dict[str, Any], ends: bool
) -> None:
    deferral = Task().deferral(make(kind, **{"deferrable": False, **options}))
    assert deferral.trigger.spec.end_in_triggerer is ends


class OwnResult(MiniMaxCreateImageOperator):
    def execute_complete(self, context: Any, event: object) -> Any:
        return [job["imageId"] for job in super().execute_complete(context, event)]


class OwnHook(MiniMaxCreateImageOperator):
    def post_execute(self, context: Any, result: object = None) -> None:
        """Tell somebody."""


class OwnLink(MiniMaxCreateImageOperator):
    operator_extra_links = (*MiniMaxCreateImageOperator.operator_extra_links, MiniMaxMediaLink())


class OwnDefaults(MiniMaxCreateImageOperator):
    ui_color = "#ffffff"


@pytest.mark.parametrize(
    ("operator", "ends"), [(OwnResult, False), (OwnHook, False), (OwnLink, False), (OwnDefaults, True)]
)
def test_a_class_with_an_end_of_its_own_ends_on_a_worker(
    sandbox: Sandbox, operator: type[MiniMaxCreateImageOperator], ends: bool
) -> None:
    deferral = Task().deferral(operator(task_id="create", prompt="a lamp", end_from_trigger=True))
    assert deferral.trigger.spec.end_in_triggerer is ends


def test_a_test_run_that_is_told_of_the_end_returns_nothing_more(sandbox: Sandbox) -> None:
    assert image(end_from_trigger=True).execute_complete(Task().context(), "success") is None
