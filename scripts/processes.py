"""The processes of a local Airflow: start them, watch them, end all of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from scripts.local_airflow import ROOT

HOST = "127.0.0.1"

#: Seconds in which the tasks that run may end, and with them the scheduler.
TASKS_LIMIT = 20.0

#: Seconds in which the other components may end by themselves.
STOP_LIMIT = 8.0

#: Seconds for killing those that did not.
KILL_LIMIT = 10.0

#: Components by the name under which the health page reports their heartbeat.
HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
}


class StopRequest:
    """Whether the user has asked to stop, and whether more than once.

    Plain attributes: a signal handler must not take a lock, which an Event would.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.insistent = False

    def __call__(self, number: int) -> None:
        """Record a signal."""
        self.insistent = self.signal is not None
        self.signal = self.signal or number

    def check(self) -> None:
        """Raise if the user has asked to stop.

        :raises StoppedError: so it is.
        """
        if self.signal is not None:
            raise StoppedError


class StoppedError(Exception):
    """The user has asked to stop."""


class ComponentEndedError(RuntimeError):
    """A component has ended by itself."""

    def __init__(self, name: str, log: Path) -> None:
        super().__init__(f"Airflow's {name} has ended:\n{printed(log)}")
        self.name = name


class Components:
    """The processes of Airflow, each the leader of a session of its own.

    Their descendants are found by the session: a task runs in a process group of its own, and loses
    its parent when that one dies first.
    """

    def __init__(self, port: int, log_port: int, broker_port: int, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        airflow = (sys.executable, "-m", "airflow")
        self._commands = {
            "migration": [*airflow, "db", "migrate"],
            "api-server": [*airflow, "api-server", "--host", HOST, "--port", str(port), "--workers", "1"],
            # Their own log servers would listen on all interfaces.
            "scheduler": [*airflow, "scheduler", "--skip-serve-logs"],
            "dag-processor": [*airflow, "dag-processor"],
            "triggerer": [*airflow, "triggerer", "--skip-serve-logs"],
            "worker": [*airflow, "celery", "worker", "--skip-serve-logs"],
            # The application that they would serve.
            "log-server": [
                *(sys.executable, "-m", "uvicorn", "--factory", "airflow.utils.serve_logs.log_server:get_app"),
                *("--no-access-log", "--host", HOST, "--port", str(log_port)),
            ],
            # In memory alone.
            "broker": ["redis-server", "--bind", HOST, "--port", str(broker_port), "--save", ""],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, check: Callable[[], None]) -> None:
        """Start a process that ends by itself, and wait for it.

        :param check: called meanwhile; may raise.
        :raises ComponentEndedError: it failed.
        """
        self.start(name)
        while (code := self._processes[name].poll()) is None:
            check()
            time.sleep(0.1)
        del self._processes[name]
        if code:
            raise ComponentEndedError(name, self.log(name))

    def start(self, name: str) -> None:
        """Start a component, or restart it; its output goes to a file."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End a component and its descendants at once, as a lost machine would."""
        for pid in self._members({self._processes[name].pid}):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._processes[name].wait()

    def log(self, name: str) -> Path:
        """Return the file with the output of a component."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raise if a component has ended.

        :raises ComponentEndedError: so it is.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ComponentEndedError(name, self.log(name))

    def stop(self, request: StopRequest) -> None:
        """Terminate all components; kill those that do not end in time, or all when the user insists.

        First those that run tasks, which report to the API server how they ended.
        """
        first = [process for name, process in self._processes.items() if name in ("scheduler", "worker")]
        self._terminate(first, TASKS_LIMIT, request)
        self._terminate([one for one in self._processes.values() if one not in first], STOP_LIMIT, request)
        deadline = time.monotonic() + KILL_LIMIT
        while time.monotonic() < deadline and (members := self._members()):
            # Children before their parents, so that the parents can reap them.
            for pid in members.keys() - members.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    @staticmethod
    def _terminate(processes: Sequence[subprocess.Popen[bytes]], limit: float, request: StopRequest) -> None:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + limit
        while any(process.poll() is None for process in processes):
            if request.insistent or time.monotonic() > deadline:
                return
            time.sleep(0.1)

    def _members(self, sessions: set[int] | None = None) -> dict[int, int]:
        """Return the live processes of our sessions, each with its parent."""
        for process in self._processes.values():
            process.poll()
        sessions = sessions or {process.pid for process in self._processes.values()}
        members = {}
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                    members[process.pid] = process.ppid()
        return members


def hostname() -> str:
    """Return the host at which Airflow finds the log server; named in its settings."""
    return HOST


def printed(log: Path) -> str:
    """Return the last of what a component has printed."""
    return log.read_text(encoding="utf-8", errors="replace")[-6000:]


def is_healthy(health: Mapping[str, Any], since: datetime) -> bool:
    """Return whether every component has sent a heartbeat since then.

    The state that Airflow reports is not enough: it also counts the heartbeats of a former run.
    """
    for component, key in HEARTBEATS.items():
        heartbeat = (health.get(component) or {}).get(key)
        if heartbeat is None or datetime.fromisoformat(heartbeat) < since:
            return False
    return True


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def get_json(url: str) -> dict[str, Any]:
    """Read a JSON object; an empty one while no server responds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    # Airflow's simple auth manager adds a token of its own where a request has no such header, and then warns that it
    # is of no use for what tasks call.
    request = urllib.request.Request(url, headers={"Authorization": "none"})  # noqa: S310 - see the callers
    try:
        with opener.open(request, timeout=5) as response:
            document = json.load(response)
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
