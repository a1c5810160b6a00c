"""Ending a task in the triggerer, or on a worker if that is impossible."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.polling.events import failure_event, fit_event, success_event, timed_out
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.endings import may_end_in_triggerer
from tests.unit.triggers.support import XCom, trigger

pytestmark = pytest.mark.usefixtures("quick_rounds")


def end(image_ids: list[str], monkeypatch: pytest.MonkeyPatch, xcom: object, *, single: bool) -> Any:
    """Return the one event of a wait that ends in the triggerer."""
    monkeypatch.setattr("airflow.sdk.execution_time.xcom.XCom", xcom)
    waiting = trigger(*image_ids, end_in_triggerer=True, single=single)
    ti: Any = SimpleNamespace(dag_id="dag", task_id="wait", run_id="run", map_index=None, task=None)
    waiting.task_instance = ti

    async def fire() -> list[Any]:
        return [event async for event in waiting.run()]

    (event,) = asyncio.run(fire())
    return event


@pytest.mark.parametrize("single", [True, False])
def test_the_result_is_pushed_and_the_task_ends(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, single: bool
) -> None:
    (image_id,), xcom = sandbox.create_image("a lamp"), XCom()
    event = end([image_id], monkeypatch, xcom, single=single)
    assert type(event).__name__ == "TaskSuccessEvent"
    link, (key, value, where) = xcom.pushed
    image = value if single else value[0]
    assert (key, image["imageId"]) == ("return_value", image_id)
    key_of_task = {"dag_id": "dag", "task_id": "wait", "run_id": "run", "map_index": -1}
    # As of a worker: a later task may expand over the list, or over the fields of the image.
    assert where == key_of_task | {"_mapped_length": len(value)}
    # The button, which Airflow's worker would make of the operator.
    assert link == ("_link_MiniMaxMediaLink", image["url"], key_of_task | {"_mapped_length": None})


@pytest.mark.parametrize(
    ("xcom", "reason"),
    [
        pytest.param(SimpleNamespace(), "this Airflow cannot push", id="before Airflow 3.3"),
        pytest.param(XCom(RuntimeError("503")), "RuntimeError: 503", id="the API server is not there"),
    ],
)
def test_a_completed_job_is_no_failure_if_its_result_cannot_be_pushed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, xcom: object, reason: str
) -> None:
    (image_id,) = sandbox.create_image("a lamp")
    event = end([image_id], monkeypatch, xcom, single=True)
    assert [job["imageId"] for job in event.payload["jobs"]] == [image_id]
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("task", "may"),
    [
        ({}, True),
        ({"do_xcom_push": True, "multiple_outputs": False, "outlets": [], "returns_dag_result": False}, True),
        ({"do_xcom_push": False}, False),
        ({"multiple_outputs": True}, False),
        ({"outlets": ["asset"]}, False),
        ({"returns_dag_result": True}, False),
        ({"post_execute": print}, False),
        ({"_post_execute_hook": print}, False),
        ({"_post_execute_hook": None}, True),
        ({"on_success_callback": [print]}, False),
        ({"on_success_callback": []}, True),
        ({"has_on_success_callback": True}, False),
    ],
    ids=str,
)
def test_a_task_may_end_in_the_triggerer_if_its_end_only_pushes_the_result(task: dict[str, Any], may: bool) -> None:
    assert may_end_in_triggerer(task) is may


@pytest.mark.parametrize("jobs", [1, 100])
def test_an_event_carries_a_hundred_jobs(jobs: int) -> None:
    payload = success_event([{"imageId": str(number)} for number in range(jobs)])
    assert fit_event(payload) is payload


def test_more_jobs_are_requested_again_by_the_worker() -> None:
    assert fit_event(success_event([{}] * 101)) == {"end": "left to a worker"}


def test_a_payload_without_jobs_is_sent_unchanged() -> None:
    for payload in (timed_out("5"), failure_event(MiniMaxError("x"))):
        assert fit_event(payload) is payload
