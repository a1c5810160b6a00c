"""Start a whole Airflow on this machine, with the sandbox, a connection to it and the example DAGs.

Run by ``make airflow``. Everything listens on the loopback interface only, and everything ends with
this process.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.markup import escape

from scripts.local_airflow import EXAMPLE_DAGS, ROOT, STATE, activate, prepare_database
from scripts.processes import HOST, Components, StopRequest, free_port, get_json, is_healthy
from scripts.terminal import leave_at_once_on_signals, on_signals, output_into

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_provider_minimax.sandbox import Sandbox

HOME = STATE / "ui"

#: What the components print, a file each; the sandbox and the preparation have one in common.
LOGS = HOME / "components"
OWN_LOG = LOGS / "sandbox.log"

DEFAULT_PORT = 8080
CONN_ID = "minimax_default"

#: Seconds that Airflow may take to be healthy; a slow machine needs one minute.
START_LIMIT = 180.0


class CannotRunError(Exception):
    """Airflow cannot run; the message is for the user."""


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
        components = Components(port, LOGS)
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
    """Wait until each component has sent a heartbeat after this call, or until the user asks to stop."""
    since = datetime.now(UTC)
    deadline = time.monotonic() + START_LIMIT
    while request.signal is None and not is_healthy(get_json(f"{url}/api/v2/monitor/health"), since):
        _check(components)
        if time.monotonic() > deadline:
            raise CannotRunError(f"Airflow was not healthy within {START_LIMIT:.0f} s; see {_shown(LOGS)}")
        time.sleep(0.3)


def _check(components: Components) -> None:
    ended = components.ended()
    if ended is not None:
        raise CannotRunError(f"Airflow's {ended} has ended; see {_shown(components.log(ended))}")


def _choose_port(wanted: str | None) -> int:
    """Return the port that the user set, else the default one, else any free one."""
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise CannotRunError(f"PORT={wanted} is no port number")
        if not _is_free(int(wanted)):
            raise CannotRunError(f"Port {wanted} is taken; choose another one with: make airflow PORT=...")
        return int(wanted)
    if _is_free(DEFAULT_PORT):
        return DEFAULT_PORT
    return free_port()


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
    """Store the connection in the database: the UI does not show those of the environment."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == CONN_ID))
        session.add(
            Connection(
                conn_id=CONN_ID,
                conn_type="minimax",
                description="The sandbox, a local stand-in for the service.",
                host=sandbox.url,
                # Stored apart, too: in Airflow 3.3.2 the button "Test" refuses a connection without a port.
                port=urlsplit(sandbox.url).port,
                password=sandbox.token,
            )
        )


def _welcome(console: Console, url: str, sandbox: Sandbox) -> None:
    dags = ", ".join(sorted(path.stem for path in EXAMPLE_DAGS.glob("*.py")))
    console.print(f"[bold green]Airflow is ready:[/] [bold]{url}[/]")
    lines = {"connection": f"{CONN_ID} ({url}/connections)", "sandbox": sandbox.url, "DAGs": dags}
    for name, text in {**lines, "logs": _shown(HOME)}.items():
        console.print(f"  {name:<11} {escape(text)}", soft_wrap=True)
    console.print("Ctrl-C ends all of it.")


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one Airflow at a time use the folder: two schedulers cannot share one SQLite file."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotRunError("`make airflow` runs already in this folder; end that one first") from None
        yield
