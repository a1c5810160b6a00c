"""Runs of a DAG in this process, on a database that belongs to the tests."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.sdk import DAG, Context

    from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator

    #: The number of an image or video on the page, from 1, or ``"Generate again"``; several for ``multiple=True``.
    Choice = int | str | Sequence[int | str]

#: The one DAG bundle, which is the one of an Airflow that nobody has configured.
_BUNDLE: Final = {
    "name": "dags-folder",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {},
}


class DagRun:
    """A DAG that has run to its end: the states and the XComs of its tasks."""

    def __init__(self, dag: DAG, choices: Mapping[str, Choice] | None = None, **options: Any) -> None:
        """Run a DAG with ``dag.test()``.

        :param choices: what is chosen, by the id of the task that asks; None lets each one ask.
        """
        for task_id in choices or {}:
            dag.get_task(task_id)
        store(dag)
        with _kept_params(dag), _chosen(choices) if choices is not None else nullcontext():
            self._run: Any = dag.test(**options)

    @property
    def state(self) -> str:
        """``"success"`` or ``"failed"``."""
        return str(self._run.state)

    @property
    def states(self) -> dict[str, str]:
        """The state of each task by its id; of a mapped one ``"success"``, or the state of an instance without it."""
        found: dict[str, str] = {}
        for ti in self._run.get_task_instances():
            if found.get(ti.task_id, "success") == "success":
                found[ti.task_id] = str(ti.state)
        return found

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """Return what a task has pushed: of a mapped task a list, in the order of its instances; None for nothing."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(run_id=self._run.run_id, dag_ids=self._run.dag_id, task_ids=task_id, key=key)
            rows: Iterable[Any] = session.scalars(query)
            values = {row.map_index: XComModel.deserialize_value(row) for row in rows}
        return values.get(-1) if values.keys() <= {-1} else [values[index] for index in sorted(values)]


class PrivateAirflow:
    """An Airflow with a database of its own. Whatever concerns no database stays as it is configured.

    :param home: the folder of all that it writes.
    """

    def __init__(self, home: Path) -> None:
        self._is_migrated = False
        dags = home / "dags"
        # It stays empty: a DAG is stored when it runs, and no other is read.
        dags.mkdir()
        self._variables = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([_BUNDLE]),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{home}/airflow.db",
            # Those of the environment are for a database of another kind.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_ENGINE_ARGS": "{}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA": "",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        }

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let this process, and those that it starts, use this Airflow; afterwards the one from before again."""
        try:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in self._variables.items():
                    patch.setenv(name, value)
                # Airflow has no value that stands for none.
                patch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS", raising=False)
                _reconnect()
                if not self._is_migrated:
                    from airflow.utils.db import initdb

                    # What ``airflow db migrate`` does.
                    initdb()
                    self._is_migrated = True
                yield
        finally:
            _reconnect()

    def run(self, dag: DAG, *, choices: Mapping[str, Choice] | None = None, **options: Any) -> DagRun:
        """Run a DAG to its end in this process, with ``dag.test()``. The DAG may come from any file.

        :param choices: what a person would choose, by the id of the ``MiniMaxChooseOperator``: the number of an image
            or video, from 1, a list of numbers, or ``"Generate again"``. Others take their ``defaults`` at once.
        :param options: of ``dag.test()``, such as ``run_conf`` and ``logical_date``.
        """
        return DagRun(dag, choices or {}, **options)


def store(dag: DAG) -> None:
    """Put a DAG where ``dag.test()`` looks for it. By itself that finds only the DAGs of the DAG folder."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db  # type: ignore[no-redef]

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, str(_BUNDLE["name"]), None)


@contextmanager
def _chosen(choices: Mapping[str, Choice]) -> Iterator[None]:
    """Let each task that asks a person go on at once. Nobody responds, and ``dag.test()`` would wait without end.

    :param choices: what is chosen, by the id of a ``MiniMaxChooseOperator``; other tasks take their ``defaults``.
    """
    from airflow.providers.standard.operators.hitl import HITLOperator

    from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
    from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator

    choose = MiniMaxChooseOperator.execute

    def execute(operator: MiniMaxChooseOperator, context: Context) -> Any:
        if operator.task_id in choices:
            patch.setattr(operator, "default_choice", choices[operator.task_id])
        return choose(operator, context)

    def respond(operator: HITLOperator, context: Context) -> Any:
        if operator.defaults is None:
            raise MiniMaxBadRequestError(
                f"Nobody responds to {operator.task_id!r} in a test, and it has no defaults. Give the choice: "
                f"minimax_airflow.run(dag, choices={{{operator.task_id!r}: 1}})."
            )
        event = {
            "chosen_options": operator.defaults,
            "params_input": operator.params.dump(),
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "test", "name": "The test"} if operator.task_id in choices else None,
        }
        return operator.execute_complete(context, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniMaxChooseOperator, "execute", execute)
        patch.setattr(HITLOperator, "execute", respond)
        yield


@contextmanager
def _kept_params(dag: DAG) -> Iterator[None]:
    """Give the params of a DAG their values back: Airflow writes those of ``run_conf`` into the DAG itself."""
    owners: Iterable[Any] = (dag, *dag.tasks)
    params = [owner.params.get_param(key) for owner in owners for key in owner.params]
    values = [param.value for param in params]
    try:
        yield
    finally:
        for param, value in zip(params, values, strict=True):
            param.value = value


def _reconnect() -> None:
    """Let Airflow connect to the database of the environment, if it is imported; otherwise it will by itself."""
    if "airflow.settings" in sys.modules:
        from airflow import settings

        settings.configure_vars()
        settings.reconfigure_orm()
