"""Times of several runs, and the table of results."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """What was measured, the result, and whether its bound was kept (None: it has none, or did not run)."""

    what: str
    found: str
    bound: str
    is_kept: bool | None


def times(runs: int, *acts: Callable[[], object]) -> list[tuple[float, ...]]:
    """Run the acts in turn, so many times; return the seconds of each, run by run."""
    return [tuple(map(_seconds, acts)) for _ in range(runs)]


def _seconds(act: Callable[[], object]) -> float:
    # Garbage of others must not be collected here: among all of Airflow's objects that takes long.
    gc.collect()
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
    """Print the table; return whether every bound was kept."""
    table = Table(title=title, title_justify="left")
    for name in ("what", "found", "bound", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row[:3], {True: "[green]kept[/]", False: "[bold red]broken[/]", None: ""}[row.is_kept])
    Console().print(table)
    return all(row.is_kept is not False for row in rows)
