"""Start a whole Airflow on this machine, with the sandbox, a connection to it and the example DAGs.

Run by ``make airflow``. Everything listens on the loopback interface only, and everything ends with this process. What
a start has made is there at the next one: runs, connections, and the images and videos of the sandbox.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rich.markup import escape

from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
from scripts.airflow_api import LIMIT, AirflowApi
from scripts.local_airflow import EXAMPLE_DAGS, ROOT, STATE
from scripts.processes import HOST, ComponentEndedError, StoppedError, StopRequest, free_port
from scripts.running_airflow import RunningAirflow, until
from scripts.terminal import on_signals, output_into

if TYPE_CHECKING:
    from rich.console import Console

HOME: Final = STATE / "ui"

#: What the components print, a file each; the sandbox and this script have one in common.
LOGS: Final = HOME / "components"
OWN_LOG: Final = LOGS / "sandbox.log"

#: What the sandbox remembers from one start to the next.
MEMORY: Final = HOME / "sandbox.memory"

DEFAULT_PORT: Final = 8080
#: That of the sandbox. The links of earlier runs lead there, so it is the same at each start.
SANDBOX_PORT: Final = 8766

SANDBOX: Final = SandboxConfig(images=200, step_seconds=2.0)
#: Images that arrive at each later start, so that an export of the day finds some.
ARRIVALS: Final = 12

#: Examples that are started by hand only: one needs a file of yours, the other deletes videos.
_NOT_STARTED: Final = frozenset({"example_minimax_animate_file", "example_minimax_make_room"})

CONN_ID: Final = "minimax_default"
DESCRIPTION: Final = "The sandbox, a local stand-in for the service."


class CannotRunError(Exception):
    """Airflow cannot run; the message is for the user."""


def main() -> int:
    """Start everything, wait for a signal, end everything."""
    request = StopRequest()
    on_signals(request)
    try:
        with _only_one(), output_into(OWN_LOG) as console, ExitStack() as running:
            try:
                _run(console, request, running)
            except (StoppedError, CalledProcessError):
                # Ctrl-C also reaches the programs that start PostgreSQL.
                if request.signal is None:
                    raise
                with console.status("Stopping ..."):
                    running.close()
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    except ComponentEndedError as error:
        print(f"Airflow's {error.name} has ended; see {_shown(LOGS)}/{error.name}.log", file=sys.stderr)
        return 1
    except TimeoutError:
        print(f"Airflow was not ready within {LIMIT:.0f} s; see {_shown(LOGS)}", file=sys.stderr)
        return 1
    # Last of all. With another code, make would print a line below.
    print("Stopped.")
    return 0


def _run(console: Console, request: StopRequest, running: ExitStack) -> None:
    """Start everything and watch it.

    :param running: ends what was started.
    :raises StoppedError: the user has asked to stop.
    """
    port = _choose_port(os.environ.get("PORT"))
    with console.status("Starting Airflow ..."):
        sandbox = running.enter_context(_sandbox())
        airflow = RunningAirflow(
            HOME,
            dags=EXAMPLE_DAGS,
            variables={},
            port=port,
            database=HOME / "postgresql",
            prepare=lambda api: save_connection(api, sandbox),
            request=request,
        )
        running.enter_context(airflow)
        start_first_runs(airflow)
    _welcome(console, airflow.url, sandbox)
    while True:
        airflow.check()
        _remember(sandbox)
        time.sleep(0.3)


# The sandbox


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    """Run the sandbox, as an earlier start has left it."""
    sandbox = Sandbox(SANDBOX, port=SANDBOX_PORT if _is_free(SANDBOX_PORT) else 0)
    with sandbox:
        try:
            sandbox.restore(MEMORY.read_bytes())
        except FileNotFoundError:
            pass
        except ValueError as error:
            print(f"The sandbox starts from scratch: {error}.", flush=True)
        else:
            sandbox.arrive(ARRIVALS)
        try:
            yield sandbox
        finally:
            _remember(sandbox)


def _remember(sandbox: Sandbox) -> None:
    """Save what the sandbox has made, if it is new."""
    dumped = sandbox.dump()
    if not MEMORY.exists() or MEMORY.read_bytes() != dumped:
        unfinished = MEMORY.with_suffix(".unfinished")
        unfinished.write_bytes(dumped)
        unfinished.replace(MEMORY)


# The connection


def save_connection(api: AirflowApi, sandbox: Sandbox) -> None:
    """Store the connection in the database: the UI does not show those of the environment."""
    # The port stands apart, too: in Airflow 3.3.2 the button "Test" refuses a connection without one.
    address = {"host": sandbox.url, "port": urlsplit(sandbox.url).port}
    stored = api.find(f"connections/{CONN_ID}")
    if stored is None:
        fixed = {"connection_id": CONN_ID, "conn_type": "minimax", "description": DESCRIPTION}
        api.post("connections", {**fixed, **address, "password": sandbox.token})
    elif leads_to_a_sandbox(stored):
        fixed = {"connection_id": CONN_ID, "conn_type": "minimax"}
        api.patch(f"connections/{CONN_ID}", {**fixed, **address}, update_mask=list(address))


def leads_to_a_sandbox(connection: Mapping[str, Any]) -> bool:
    """Return whether a connection is as an earlier start has stored it, but for the port and what a user has added."""
    parts = urlsplit(connection["host"] or "")
    return (
        connection["conn_type"] == "minimax"
        and connection["description"] == DESCRIPTION
        and (parts.scheme, parts.hostname, parts.path) == ("http", HOST, "")
        and connection["port"] == parts.port
    )


# The first runs


def start_first_runs(airflow: AirflowApi) -> None:
    """Start a run of each DAG that no one has started yet, so that there is something to look at."""
    expected = {path.stem for path in EXAMPLE_DAGS.glob("example_*.py")}
    until(lambda: expected <= airflow.dag_ids(), airflow.check)
    for dag_id in sorted(expected - _NOT_STARTED):
        # What waits for an asset has nothing to do without one.
        waits_for_asset = airflow.get(f"dags/{dag_id}/details")["asset_expression"] is not None
        is_started = bool(airflow.get(f"dags/{dag_id}/dagRuns", run_type="manual")["dag_runs"])
        if not (waits_for_asset or is_started):
            airflow.trigger(dag_id)


# The terminal


def _welcome(console: Console, url: str, sandbox: Sandbox) -> None:
    dags = ", ".join(sorted(path.stem for path in EXAMPLE_DAGS.glob("*.py")))
    has_moved = urlsplit(sandbox.url).port != SANDBOX_PORT
    note = f" (port {SANDBOX_PORT} is taken, so links of earlier runs lead nowhere)" if has_moved else ""
    console.print(f"[bold green]Airflow is ready:[/] [bold]{url}[/]")
    lines = {
        "connection": f"{CONN_ID} ({url}/connections)",
        "sandbox": f"{sandbox.url}{note}",
        "DAGs": dags,
        "to choose": f"{url}/required_actions, as soon as four pictures are there",
        "logs": _shown(HOME),
    }
    for name, text in lines.items():
        console.print(f"  {name:<11} {escape(text)}", soft_wrap=True)
    console.print("Ctrl-C ends all of it.")


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


# One at a time, on a port that is free


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


@contextmanager
def _only_one() -> Iterator[None]:
    """Let one Airflow at a time use the folder, with its database."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotRunError("`make airflow` runs already in this folder; end that one first") from None
        yield
