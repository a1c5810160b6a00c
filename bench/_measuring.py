"""Times of several runs, and the table of results."""

from __future__ import annotations

import gc
import os
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


#: The tables of this run, by title.
TABLES: dict[str, list[Row]] = {}


def costs(runs: int, *acts: Callable[[], object]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Run the acts in turn, so many times after one that does not count.

    :return: the seconds of each, run by run, and the seconds of CPU of this process and its threads.
    """
    measured = [[_cost(act) for act in acts] for _ in range(runs + 1)][1:]
    return [tuple(cost[0] for cost in run) for run in measured], [tuple(cost[1] for cost in run) for run in measured]


def times(runs: int, *acts: Callable[[], object]) -> list[tuple[float, ...]]:
    """Run the acts in turn, so many times; return the seconds of each, run by run."""
    return [tuple(map(_seconds, acts)) for _ in range(runs)]


def _seconds(act: Callable[[], object]) -> float:
    return _cost(act)[0]


def _cost(act: Callable[[], object]) -> tuple[float, float]:
    # Garbage of others must not be collected here: among all of Airflow's objects that takes long. Nor may what they
    # have left unwritten be written here: a sync of one file would wait for theirs.
    gc.collect()
    os.sync()
    started, used = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - started, time.process_time() - used


def ratio(measured: list[tuple[float, ...]], one: int, other: int) -> float:
    """Return the median of the ratios of two acts, each taken within one run."""
    return statistics.median(run[one] / run[other] for run in measured)


def median(measured: list[tuple[float, ...]], one: int) -> float:
    """Return the median seconds of an act."""
    return statistics.median(run[one] for run in measured)


def show(title: str, rows: list[Row]) -> bool:
    """Print the table, and keep it for the report; return whether every bound was kept."""
    TABLES[title] = rows
    table = Table(title=title, title_justify="left")
    for name in ("what", "found", "bound", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row[:3], {True: "[green]kept[/]", False: "[bold red]broken[/]", None: ""}[row.is_kept])
    Console().print(table)
    return all(row.is_kept is not False for row in rows)
