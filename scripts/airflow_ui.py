"""Start a whole Airflow on this machine, with the sandbox, a connection to it and the example DAGs.

Run by ``make airflow``. Everything listens on the loopback interface only, and everything ends with
this process.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.markup import escape

from scripts.local_airflow import EXAMPLE_DAGS, ROOT, STATE, activate, prepare_database
from scripts.terminal import leave_at_once_on_signals, on_signals, output_into

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_provider_minimax.sandbox import Sandbox

HOME = STATE / "ui"

#: What the components print, a file each; the sandbox and the preparation have one in common.
LOGS = HOME / "components"
OWN_LOG = LOGS / "sandbox.log"

HOST = "127.0.0.1"
DEFAULT_PORT = 8080
CONN_ID = "minimax_default"

#: Seconds that Airflow may take to be healthy; a slow machine needs one minute.
START_LIMIT = 180.0

#: Seconds that the components have to end by themselves.
STOP_LIMIT = 8.0

#: Seconds for which we go on killing those that did not.
KILL_LIMIT = 10.0

#: Components by the name under which the health page reports their heartbeat.
HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
}


class CannotRunError(Exception):
    """What keeps Airflow from running, in words for the user."""


class StopRequest:
    """Whether the user has asked us to end, and whether more than once.

    Plain attributes: a signal handler must not take a lock, which an Event would.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.insistent = False

    def __call__(self, number: int) -> None:
        """Take a signal."""
        self.insistent = self.signal is not None
        self.signal = self.signal or number


class Components:
    """The processes of Airflow, each the leader of a session of its own.

    The session is how their descendants are found in the end: a task runs in a process group of its
    own, and loses its parent when that one dies first.
    """

    def __init__(self, port: int) -> None:
        self._commands = {
            # The log servers would listen on all interfaces; the API server reads the files itself.
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
            "triggerer": ["triggerer", "--skip-serve-logs"],
            "api-server": ["api-server", "--host", HOST, "--port", str(port), "--workers", "1"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all components; what they print goes to a file each."""
        LOGS.mkdir(parents=True, exist_ok=True)
        for name, command in self._commands.items():
            with self.log(name).open("wb") as log:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *command],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def log(self, name: str) -> Path:
        """Tell the file that holds what the component printed."""
        return LOGS / f"{name}.log"

    def ended(self) -> str | None:
        """Tell the name of a component that runs no more."""
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def stop(self, request: StopRequest) -> None:
        """End all components: in good order if they do so in time and nobody insists, else at once."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_LIMIT
        while time.monotonic() < deadline and not request.insistent:
            if all(process.poll() is not None for process in self._processes.values()):
                break
            time.sleep(0.1)
        deadline = time.monotonic() + KILL_LIMIT
        while time.monotonic() < deadline and (members := self._members()):
            # Children before their parents, which can so take note of their end.
            for pid in members.keys() - members.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    def _members(self) -> dict[int, int]:
        """Tell the processes of our sessions that still live, each with its parent."""
        for process in self._processes.values():
            process.poll()
        sessions = {process.pid for process in self._processes.values()}
        members = {}
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                    members[process.pid] = process.ppid()
        return members


def main() -> int:
    """Start everything, wait for a signal, end everything."""
    leave_at_once_on_signals()
    try:
        with _only_one(), output_into(OWN_LOG) as console:
            return _run(console)
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 1


def _run(console: Console) -> int:
    from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig

    port = _choose_port(os.environ.get("PORT"))
    url = f"http://{HOST}:{port}"
    with console.status("Preparing Airflow's database ..."):
        activate(HOME, dags=EXAMPLE_DAGS)
        os.environ["AIRFLOW__API__BASE_URL"] = url
        os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] = f"{url}/execution/"
        os.environ["AIRFLOW__CORE__PARALLELISM"] = "4"
        prepare_database()
    with Sandbox(SandboxConfig(images=200, accounts=1, step_seconds=2.0)) as sandbox:
        _save_connection(sandbox)
        components = Components(port)
        request = StopRequest()
        # From here on there are children to end.
        on_signals(request)
        try:
            components.start()
            with console.status("Starting Airflow ..."):
                _wait_until_healthy(url, components, request)
            if request.signal is None:
                _welcome(console, url, sandbox)
            while request.signal is None:
                _check(components)
                time.sleep(0.3)
        finally:
            with console.status("Stopping ..."):
                components.stop(request)
    console.print("Stopped.")
    return 128 + request.signal


def _wait_until_healthy(url: str, components: Components, request: StopRequest) -> None:
    """Wait for a heartbeat of each component that is younger than this call, or for a request to stop."""
    since = datetime.now(UTC)
    deadline = time.monotonic() + START_LIMIT
    while request.signal is None and not is_healthy(_get(f"{url}/api/v2/monitor/health"), since):
        _check(components)
        if time.monotonic() > deadline:
            raise CannotRunError(f"Airflow was not healthy within {START_LIMIT:.0f} s; see {_told(LOGS)}")
        time.sleep(0.3)


def is_healthy(health: Mapping[str, Any], since: datetime) -> bool:
    """Tell whether every component has given a sign of life since then.

    The state that Airflow reports is not enough: it also counts what a former run has left behind.
    """
    for component, key in HEARTBEATS.items():
        heartbeat = (health.get(component) or {}).get(key)
        if heartbeat is None or datetime.fromisoformat(heartbeat) < since:
            return False
    return True


def _check(components: Components) -> None:
    ended = components.ended()
    if ended is not None:
        raise CannotRunError(f"Airflow's {ended} has ended; see {_told(components.log(ended))}")


def _get(url: str) -> dict[str, Any]:
    """Read a JSON object; an empty one as long as nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            answer = json.load(response)
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _choose_port(wanted: str | None) -> int:
    """Take the port that the user asked for, else the usual one, else any that is free."""
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise CannotRunError(f"PORT={wanted} is no port number")
        if not _is_free(int(wanted)):
            raise CannotRunError(f"Port {wanted} is taken; choose another one with: make airflow PORT=...")
        return int(wanted)
    if _is_free(DEFAULT_PORT):
        return DEFAULT_PORT
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A port whose last connections are still closing counts as free, as it does for the server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _save_connection(sandbox: Sandbox) -> None:
    """Keep the connection in the database: the UI does not show those of the environment."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == CONN_ID))
        session.add(
            Connection(
                conn_id=CONN_ID,
                conn_type="minimax",
                description="The sandbox, which answers as the service does.",
                host=sandbox.url,
                password=sandbox.token,
            )
        )


def _welcome(console: Console, url: str, sandbox: Sandbox) -> None:
    dags = ", ".join(sorted(path.stem for path in EXAMPLE_DAGS.glob("*.py")))
    console.print(f"[bold green]Airflow is ready:[/] [bold]{url}[/]")
    lines = {"connection": f"{CONN_ID} ({url}/connections)", "sandbox": sandbox.url, "DAGs": dags}
    for name, text in {**lines, "logs": _told(HOME)}.items():
        console.print(f"  {name:<11} {escape(text)}", soft_wrap=True)
    console.print("Ctrl-C ends all of it.")


def _told(path: Path) -> str:
    return str(path.relative_to(ROOT))


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one Airflow at a time use the folder: two schedulers on one SQLite file do not go together."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotRunError("`make airflow` runs already in this folder; end that one first") from None
        yield
