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
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from scripts.local_airflow import ROOT

HOST = "127.0.0.1"

#: Seconds in which the components may end by themselves.
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


class Components:
    """The processes of Airflow, each the leader of a session of its own.

    Their descendants are found by the session: a task runs in a process group of its own, and loses
    its parent when that one dies first.
    """

    def __init__(self, port: int, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        self._logs = logs
        self._environment = environment
        self._commands = {
            # The log servers would listen on all interfaces; the API server reads the files itself.
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
            "triggerer": ["triggerer", "--skip-serve-logs"],
            "api-server": ["api-server", "--host", HOST, "--port", str(port), "--workers", "1"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all components; the output of each goes to a file."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in self._commands:
            self.start_one(name)

    def start_one(self, name: str) -> None:
        """Start a component, or restart it."""
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *self._commands[name]],
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

    def ended(self) -> str | None:
        """Return the name of a component that has ended; None while all run."""
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def stop(self, request: StopRequest | None = None) -> None:
        """Terminate all components; kill those that do not end in time, or all when the user insists."""
        request = request or StopRequest()
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_LIMIT
        while time.monotonic() < deadline and not request.insistent:
            if all(process.poll() is not None for process in self._processes.values()):
                break
            time.sleep(0.1)
        deadline = time.monotonic() + KILL_LIMIT
        while time.monotonic() < deadline and (members := self._members()):
            # Children before their parents, so that the parents can reap them.
            for pid in members.keys() - members.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
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
    try:
        with opener.open(url, timeout=5) as response:
            document = json.load(response)
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
