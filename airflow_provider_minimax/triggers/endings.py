"""End a task in the triggerer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_minimax.compat import has_listeners
from airflow_provider_minimax.links import MiniMaxMediaLink, first_url

log = logging.getLogger(__name__)


#: Parameters by which a worker does more with a result than push it. Airflow drops the ``on_success_callback`` of a
#: task that ends in the triggerer: its DAG processor calls only those of failures and retries (seen in 3.3.2). The name
#: with ``has_`` is that of a mapped task in the triggerer.
_NEED_A_WORKER: Final = (
    *("multiple_outputs", "outlets", "returns_dag_result", "post_execute", "_post_execute_hook"),
    *("on_success_callback", "has_on_success_callback"),
)
#: By these, a subclass ends a task in its own way.
_END: Final = ("execute_complete", "resume_execution", "post_execute", "operator_extra_links")


class TaskInstanceKey(Protocol):
    """Identifies a task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None


def may_end_in_triggerer(task: Mapping[str, Any]) -> bool:
    """Return whether the end of a task needs no more than pushing its result: no listener hears of it, for one.

    :param task: its parameters; a missing one has Airflow's default.
    """
    needs_a_worker = any(task.get(name) for name in _NEED_A_WORKER)
    return bool(task.get("do_xcom_push", True)) and not needs_a_worker and not has_listeners()


def has_own_end(task: type, base: type) -> bool:
    """Return whether a class of a user ends a task in its own way, as only a worker can.

    :param base: the class of ours that it derives from.
    """
    return any(getattr(task, name) is not getattr(base, name) for name in _END)


async def end_task(ti: TaskInstanceKey, jobs: list[dict[str, Any]], *, single: bool) -> TriggerEvent | None:
    """Push the result of a task and its link, and return the event that ends it as successful; None if a worker has to.

    The event could carry the value itself, but Airflow 3.3 then passes it on encoded twice.
    """
    try:
        # As the worker would when it ends.
        if url := first_url(job.get("url") for job in jobs):
            await _push(ti, MiniMaxMediaLink().xcom_key, url)
        result = jobs[0] if single else jobs
        await _push(ti, "return_value", result, length=len(result))
    except Exception as error:  # noqa: BLE001 - whatever it is, the job is done, and a worker can push it as well
        log.warning("The triggerer cannot push the result; a worker does. %s: %s", type(error).__name__, error)
        return None
    return TaskSuccessEvent()


async def _push(ti: TaskInstanceKey, key: str, value: object, *, length: int | None = None) -> None:
    from airflow.sdk.execution_time.xcom import XCom

    if not hasattr(XCom, "aset"):
        raise NotImplementedError("this Airflow cannot push from a triggerer (3.3 can)")
    await XCom.aset(
        key,
        value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        # Without the length, Airflow could not expand a later task over the list, or the fields of a job.
        _mapped_length=length,
    )
