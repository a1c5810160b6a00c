"""Running a DAG for real, in this process, and looking at what came of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import datetime
from types import EllipsisType, ModuleType

import pendulum
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_provider_minimax.testing.dag_runs import DagRun


class Run(DagRun):
    """A finished run of a DAG: states and XComs of its tasks.

    :param logical_date: now, when left out; None for a run without one, as a request to trigger may have it.
    """

    def __init__(self, dag: DAG, logical_date: datetime | EllipsisType | None = ..., **conf: object) -> None:
        date = pendulum.now("UTC") if logical_date is ... else logical_date
        super().__init__(dag, logical_date=date, run_conf=conf or None)

    def labels(self, task_id: str) -> dict[int, str]:
        """Return what Airflow's pages show in the place of the map indexes of a task."""
        instances = (ti for ti in self._run.get_task_instances() if ti.task_id == task_id)
        return {ti.map_index: str(ti.rendered_map_index).strip() for ti in instances}


def run(dag_id: str, build: Callable[[], object], **conf: object) -> Run:
    """Make a DAG of what ``build`` makes in it, and run it."""
    with DAG(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        build()
    return Run(dag, **conf)


def example(name: str) -> ModuleType:
    """Return the module of an example DAG, read again and at the pace of a test."""
    module = importlib.reload(importlib.import_module(f"example_dags.{name}"))
    for one in module.dag.tasks:
        # A test shall neither ask at the pace that suits the service nor fail with its delays.
        one.retries = 0
        if isinstance(one, MappedOperator):
            one.partial_kwargs["poke_interval"] = 1.0
        elif hasattr(one, "poke_interval"):
            one.poke_interval = 1.0
    return module
