"""A process that runs tries of a task, each in a process of its own that may be killed.

It imports Airflow once and forks for each try, as a warm worker does. Orders come as lines of JSON; for each the
id of the new process goes back. The store of the task is a file, the result of the try another one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support import TIMEOUT

ROOT = Path(__file__).resolve().parent.parent.parent


class Try:
    """One try, as its starter sees it."""

    def __init__(self, pid: int, result: Path) -> None:
        self.pid = pid
        self._result = result

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid, how)

    def outcome(self, seconds: float = TIMEOUT) -> dict[str, Any]:
        """Wait for the end; ``{"killed": signal}``, ``{"value": ...}`` or ``{"error": class, "message": ...}``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._result.exists():
                return json.loads(self._result.read_text())
            time.sleep(0.01)
        raise AssertionError("the try has not ended")


class Worker:
    """The process that forks the tries."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, folder: Path, **order: Any) -> Try:
        """Start a try of the task whose store lies in a folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        result = folder / f"result-{time.monotonic_ns()}"
        order |= {"store": str(folder / "store.json"), "result": str(result)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Try(int(self._process.stdout.readline()), result)


@contextmanager
def worker() -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.integration.worker"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Worker(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(TIMEOUT)


def _serve() -> None:
    # Airflow logs to stdout, which is for the answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from airflow_provider_minimax.api import backoff, client  # noqa: F401 - warm
    from airflow_provider_minimax.operators import images, videos  # noqa: F401 - warm

    for line in sys.stdin:
        order = json.loads(line)
        # A parent for the try that sees how it ends, while this process waits for the next order.
        pipe_out, pipe_in = os.pipe()
        if os.fork() == 0:
            child = os.fork()
            if child == 0:
                os.close(pipe_in)
                _run(order)
            os.write(pipe_in, f"{child}\n".encode())
            os.close(pipe_in)
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status):
                _report(order, {"killed": os.WTERMSIG(status)})
            os._exit(0)
        os.close(pipe_in)
        with os.fdopen(pipe_out) as pipe:
            answers.write(pipe.read())
        answers.flush()


def _report(order: dict[str, Any], outcome: dict[str, Any]) -> None:
    unfinished = Path(order["result"] + ".new")
    unfinished.write_text(json.dumps(outcome))
    unfinished.replace(order["result"])


def _run(order: dict[str, Any]) -> None:
    from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
    from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
    from tests.support import at_pace
    from tests.unit.operators.support import FileStore

    os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = order["connection"]
    if order.get("die"):
        _die_at(order["die"])
    kind = {"image": MiniMaxCreateImageOperator, "video": MiniMaxCreateVideoOperator}[order["kind"]]
    operator = at_pace(kind(task_id="create", deferrable=False, **order["options"]), 0.05)
    ti = SimpleNamespace(
        dag_id="dag", task_id="task", run_id="run", map_index=-1, max_tries=9, try_number=order["try_number"],
        get_task_states=lambda *_, **__: {"run": {"task": order.get("state", "running")}},
        xcom_push=lambda key, value: None,
    )  # fmt: skip
    # As Airflow's task runner does.
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        value = kind.execute.__wrapped__(  # type: ignore[attr-defined]
            operator, {"ti": ti, "task_state_store": FileStore(Path(order["store"]))}
        )
        _report(order, {"value": value})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        _report(order, {"error": type(error).__name__, "message": str(error)})
    os._exit(0)


def _die_at(point: str) -> None:
    """End this process, without a chance to clean up, at a point of the create."""
    from airflow_provider_minimax.api.client import MiniMaxClient
    from airflow_provider_minimax.submission.record_store import RecordStore

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    real_save = RecordStore.save

    def save(self: RecordStore, record: Any) -> None:
        if record.phase == "created" or point == "before the intent":
            die()
        real_save(self, record)

    if point == "before the create":
        MiniMaxClient.submit = die  # type: ignore[assignment, method-assign]
    else:
        RecordStore.save = save  # type: ignore[method-assign]


if __name__ == "__main__":
    _serve()
