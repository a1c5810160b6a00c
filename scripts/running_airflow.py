"""A whole local Airflow: for the UI of `make airflow`, and for tests of what only a running one can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from scripts import local_airflow
from scripts.airflow_api import ENDED, AirflowApi, until
from scripts.database import postgresql
from scripts.processes import HOST, Components, StopRequest, free_port, get_json, hostname, is_healthy, printed

__all__ = ["ENDED", "RunningAirflow", "until"]


class RunningAirflow(AirflowApi):
    """Scheduler, DAG processor, triggerer and API server, each a process, on a PostgreSQL of their own.

    With Airflow's ``CeleryExecutor`` also a worker, and Redis as its broker.

    :param home: the AIRFLOW_HOME; an empty folder at first.
    :param dags: the folder of the DAG files.
    :param variables: further variables of the environment, such as connections.
    :param executor: ``LocalExecutor`` or ``CeleryExecutor``. Either runs four tasks at once.
    :param port: of the API server; None for a free one.
    :param database: the folder of PostgreSQL's data; None for a temporary one.
    :param prepare: called when the API server responds and no task runs yet.
    :param request: ends the start by ``StoppedError``.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        variables: Mapping[str, str],
        executor: str = "LocalExecutor",
        port: int | None = None,
        database: Path | None = None,
        prepare: Callable[[AirflowApi], None] | None = None,
        request: StopRequest | None = None,
    ) -> None:
        port, log_port, broker_port = port or free_port(), free_port(), free_port()
        super().__init__(f"http://{HOST}:{port}")
        self._environment = {
            **local_airflow.environment(home, dags=dags),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CELERY__BROKER_URL": f"redis://{HOST}:{broker_port}/0",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{hostname.__module__}.{hostname.__qualname__}",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_port),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
            # A task whose worker is gone, as after a stop, is retried soon.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            # A triggerer that is gone is noticed soon.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            # Airflow may overlook that a task has ended, and then holds its slot for so many seconds; 5 by default.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "PYTHONPATH": str(local_airflow.ROOT),
            # Airflow 3.3 imports a test client that warns of a dependency of Airflow.
            "PYTHONWARNINGS": "ignore:Using `httpx` with `starlette.testclient`",
            **variables,
        }
        self._components = Components(port, log_port, broker_port, home / "components", self._environment)
        self._has_worker = executor == "CeleryExecutor"
        self._database = database
        self._prepare = prepare
        self._request = request or StopRequest()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Start everything, and return when every component has sent a heartbeat."""
        with ExitStack() as running:
            self._environment |= running.enter_context(postgresql(self._database))
            running.callback(lambda: self._components.stop(self._request))
            self._components.run("migration", self.check)
            since = datetime.now(UTC)
            celery = ("broker", "worker") if self._has_worker else ()
            for name in ("api-server", "dag-processor", "triggerer", *celery):
                self._components.start(name)
            # A task that finds no API server is lost, so there is no scheduler before. Airflow prepares what its tasks
            # call at the first request, which takes seconds.
            until(lambda: bool(get_json(f"{self.url}/execution/health")), self.check)
            self.log_in()
            if self._has_worker:
                until(lambda: " ready." in self.output("worker"), self.check)
            if self._prepare is not None:
                self._prepare(self)
            self._components.start("scheduler")
            until(lambda: is_healthy(self._health(), since), self.check)
            self._components.start("log-server")
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        self._running.close()

    def check(self) -> None:
        """Raise if a component has ended, or if the user has asked to stop."""
        self._request.check()
        self._components.check()

    def replace(self, component: str, meanwhile: Callable[[], None]) -> None:
        """Kill a component as a lost machine would, and start it once more after something has happened."""
        self._components.kill(component)
        meanwhile()
        self._components.start(component)

    def has_left_its_worker(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> bool:
        """Return whether the scheduler knows that a task has left its worker; only its log says so.

        Airflow 3.3 counts a task as lost that goes on before that.
        """
        noted = f"TaskInstance Finished: dag_id={dag_id}, task_id={task_id}, run_id={run_id}, map_index={map_index},"
        return noted in self.output("scheduler")

    def output(self, component: str) -> str:
        """Return what a component has printed."""
        return self._components.log(component).read_text(encoding="utf-8", errors="replace")

    def _health(self) -> dict[str, Any]:
        return get_json(f"{self.url}/api/v2/monitor/health")

    def _call(self, method: str, path: str, *, may_be_missing: bool = False, **options: Any) -> requests.Response:
        try:
            return super()._call(method, path, may_be_missing=may_be_missing, **options)
        except requests.HTTPError as error:
            if error.response.status_code < 500:
                raise
            raise RuntimeError(f"{error}\n{printed(self._components.log('api-server'))}") from error
