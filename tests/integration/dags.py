"""Running a DAG for real, in this process, and looking at what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from types import EllipsisType
from typing import Any

import pendulum
from airflow.sdk import DAG


class Run:
    """A finished run of a DAG: states and XComs of its tasks.

    :param logical_date: now, when left out; None for a run without one, as a request to trigger may have it.
    """

    def __init__(self, dag: DAG, logical_date: datetime | EllipsisType | None = ..., **conf: object) -> None:
        store(dag)
        date = pendulum.now("UTC") if logical_date is ... else logical_date
        self._run = dag.test(logical_date=date, run_conf=conf or None)

    @property
    def state(self) -> str:
        return str(self._run.state)

    @property
    def states(self) -> dict[str, str]:
        return {ti.task_id: str(ti.state) for ti in self._run.get_task_instances()}

    def labels(self, task_id: str) -> dict[int, str]:
        """Return what Airflow's pages show in the place of the map indexes of a task."""
        instances = (ti for ti in self._run.get_task_instances() if ti.task_id == task_id)
        return {ti.map_index: str(ti.rendered_map_index).strip() for ti in instances}

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(run_id=self._run.run_id, dag_ids=self._run.dag_id, task_ids=task_id, key=key)
            row = session.scalars(query).first() if hasattr(session, "scalars") else query.with_session(session).first()
            return None if row is None else XComModel.deserialize_value(row)


def run(dag_id: str, build: Callable[[], object], **conf: object) -> Run:
    """Make a DAG of what ``build`` makes in it, and run it."""
    with DAG(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        build()
    return Run(dag, **conf)


def store(dag: DAG) -> None:
    """Put a DAG where ``dag.test()`` looks for it. Newer releases of Airflow do so too, for a DAG of a file."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
