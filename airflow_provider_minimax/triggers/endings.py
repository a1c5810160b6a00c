"""Ending a task in the triggerer."""

from __future__ import annotations

from typing import Any, Protocol

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent


class TaskInstanceKey(Protocol):
    """What names a task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None


async def end_here(ti: TaskInstanceKey, jobs: list[dict[str, Any]], *, single: bool) -> TriggerEvent:
    """Push the result of a task and return the event that ends it with success.

    The event could carry the value itself, but Airflow 3.3 then hands it on encoded twice.
    """
    from airflow.sdk.execution_time.xcom import XCom

    value = jobs[0] if single else jobs
    await XCom.aset(
        "return_value",
        value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        # Without the length, Airflow could not expand a later task over the list.
        _mapped_length=None if single else len(jobs),
    )
    return TaskSuccessEvent()
