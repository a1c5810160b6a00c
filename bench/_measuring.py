"""A sandbox in a process of its own, times of several runs, and a table of what came of them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

_SERVE = """
import json, sys
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
with Sandbox(SandboxConfig(**json.loads(sys.argv[1]))) as sandbox:
    print(sandbox.url, sandbox.token, flush=True)
    sys.stdin.read()
"""


class Service(NamedTuple):
    """A running sandbox."""

    url: str
    token: str

    @property
    def base_url(self) -> str:
        """What the API's paths are appended to."""
        return f"{self.url}/v1/minimax"


class Row(NamedTuple):
    """What was measured, what came of it, and whether its bound was kept (None: it has none, or did not run)."""

    what: str
    found: str
    bound: str
    is_kept: bool | None


@contextmanager
def sandbox(**config: Any) -> Iterator[Service]:
    """Serve a sandbox from another process, so that it does not compete for this one's interpreter."""
    command = [sys.executable, "-c", _SERVE, json.dumps(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the sandbox has no output")
        yield Service(*process.stdout.readline().split())
        process.kill()


def times(runs: int, *acts: Callable[[], object]) -> list[tuple[float, ...]]:
    """Run the acts in turn, so many times; return the seconds of each, run by run."""
    return [tuple(map(_seconds, acts)) for _ in range(runs)]


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def ratio(measured: list[tuple[float, ...]], one: int, other: int) -> float:
    """Return the median of the ratios of two acts, each taken within one run."""
    return statistics.median(run[one] / run[other] for run in measured)


def median(measured: list[tuple[float, ...]], one: int) -> float:
    """Return the median seconds of an act."""
    return statistics.median(run[one] for run in measured)


def show(title: str, rows: list[Row]) -> bool:
    """Print the table; tell whether every bound was kept."""
    table = Table(title=title, title_justify="left")
    for name in ("what", "found", "bound", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row[:3], {True: "[green]kept[/]", False: "[bold red]broken[/]", None: ""}[row.is_kept])
    Console().print(table)
    return all(row.is_kept is not False for row in rows)
