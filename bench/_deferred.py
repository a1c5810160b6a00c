"""The worker CPU of one deferred task: each start of a worker is a process, forked from one that has imported Airflow.

Run as ``python -m bench._deferred URL TOKEN PAIRS``; prints one JSON object a pair, with the CPU seconds of each task.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from types import SimpleNamespace
from typing import Any

# What a worker has imported before it forks the process of a task.
import airflow.sdk.execution_time.task_runner  # noqa: F401
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_minimax.compat import has_listeners

_EMPTY = """
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import BaseTrigger

class EmptyTrigger(BaseTrigger):
    def serialize(self):
        return "bench.EmptyTrigger", {}

    async def run(self):
        yield None

class EmptyOperator(BaseOperator):
    def execute(self, context):
        self.defer(trigger=EmptyTrigger(), method_name="execute_complete")

    def execute_complete(self, context, event):
        return event

with DAG("bench", schedule=None):
    task = EmptyOperator(task_id="task")
"""
_CREATE = """
from airflow.sdk import DAG
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator

with DAG("bench", schedule=None):
    task = MiniMaxCreateImageOperator(task_id="task", prompt="a boat", {options}=True)
"""
#: Tasks, and whether a worker ends them.
_TASKS = {
    "empty": (_EMPTY, True),
    "create": (_CREATE.format(options="deferrable"), True),
    "end_from_trigger": (_CREATE.format(options="end_from_trigger"), False),
}


class _Store:
    """The place of Airflow's ``task_state_store``."""

    def get(self, key: str, default: object = None) -> object:  # noqa: ARG002
        return default

    def set(self, key: str, value: object) -> None:
        """Forget it."""


def _context() -> dict[str, Any]:
    ti = SimpleNamespace(max_tries=1, try_number=1, map_index=-1, xcom_push=lambda **_: None)
    return {"ti": ti, "task_state_store": _Store()}


def _defer(task: Any) -> None:
    try:
        type(task).execute.__wrapped__(task, _context())
    except TaskDeferred as deferred:
        deferred.trigger.serialize()


def _complete(task: Any) -> None:
    job = {"imageId": "user:1-minimax:2-image:3", "url": "https://cdn/3.png", "status": 2}
    task.execute_complete(_context(), {"end": "completed", "jobs": [job]})


def _cpu_of_start(dag_file: str, act: Any) -> float:
    """Return the CPU seconds of a process that parses a DAG file and runs its task."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        names: dict[str, Any] = {"__name__": "dag_file"}
        exec(dag_file, names)
        act(names["task"])
        used = resource.getrusage(resource.RUSAGE_SELF)
        os.write(writing, str(used.ru_utime + used.ru_stime).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return float(pipe.read())


def main(url: str, token: str, pairs: int) -> None:
    """Print the CPU seconds of each task, pair by pair; the first pair warms up and is left out."""
    connection = {"conn_type": "minimax", "host": url, "password": token}
    os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = json.dumps(connection)
    # Airflow loads the plugins that listen at each start of a worker, before it parses the DAG file.
    has_listeners()
    for pair in range(pairs + 1):
        used = {
            name: _cpu_of_start(dag_file, _defer) + (_cpu_of_start(dag_file, _complete) if ends else 0.0)
            for name, (dag_file, ends) in _TASKS.items()
        }
        if pair:
            print(json.dumps(used), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
