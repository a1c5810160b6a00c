"""Install the wheel into an empty Airflow of each supported release, and use it there as a user would.

Run by ``make wheel``; ``ROWS=lowest,newest`` for some rows of `make matrix`. The environments are made from scratch
each time, and hold the wheel with what it requires, and nothing else of this repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.local_airflow import ROOT, environment
from scripts.matrix import HOME, CannotBuildError, NoPythonError, Row, choose, make, versions

#: What `wheel_probe.py` tries, in its order.
PROBES = ("listed", "form", "examples", "run")
PROBE = ROOT / "scripts" / "wheel_probe.py"

#: Rows whose Airflow itself needs WTForms to show the form of any provider: the extra `form`.
FORM_NEEDED = ("lowest", "3.1.0")

#: Seconds that one of them may take; generous for a slow machine.
LIMIT = 600.0


@dataclass
class Result:
    """The result of a row: what each probe has printed last, and what has failed."""

    row: Row
    versions: Sequence[str] = ("", "", "")
    found: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    """Build the wheel and try it in each row; 0 when none failed."""
    console = Console(highlight=False, soft_wrap=True, width=120)
    try:
        rows = choose(os.environ.get("ROWS", ""))
    except ValueError as error:
        console.print(error)
        return 2
    wheel = build_wheel(HOME / "dist")
    results = []
    for row in rows:
        console.print(f"== {row.name}")
        results.append(try_wheel(row, wheel))
        for line in results[-1].failed:
            console.print(f"   {line}", markup=False)
    console.print(_table(results))
    return 1 if any(result.failed for result in results) else 0


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_wheel(row: Row, wheel: Path) -> Result:
    """Install the wheel into the environment of a row, and run the probes there."""
    started = time.monotonic()
    result = Result(row)
    folder = HOME / f"{row.name}-wheel"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        extra = "[form]" if row.name in FORM_NEEDED else ""
        # The requirements are named too, since uv takes the lowest ones of what is named only.
        options = [f"airflow-provider-minimax{extra} @ {wheel.as_uri()}", "--requirement", "pyproject.toml"]
        python = make(row, folder, [*options, *row.options])
    except NoPythonError as error:
        result.found = [f"skipped: {error}"]
        return result
    except CannotBuildError as error:
        result.failed = [str(error)]
        return result
    result.versions = versions(python)
    home = folder / "airflow"
    settings = environment(home, dags=home / "dags")
    for probe in PROBES:
        result.found.append(_probe(python, probe, settings, home, result.failed))
    result.seconds = time.monotonic() - started
    return result


def _probe(python: Path, probe: str, settings: dict[str, str], home: Path, failed: list[str]) -> str:
    """Run a probe away from the clone; return the last line of what it prints, or add what failed."""
    settings = {name: value for name, value in settings.items() if not name.startswith("PYTHON")}
    # Without the folder of the file on the path of imports.
    command = [str(python), "-P", str(PROBE), probe]
    try:
        done = subprocess.run(command, cwd=home, env=settings, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        failed.append(f"{probe}: not finished within {LIMIT:.0f} s")
        return "unfinished"
    if done.returncode != 0:
        failed.append(f"{probe}: {done.stderr.strip()[-2000:]}")
        return "failed"
    return done.stdout.strip().splitlines()[-1]


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("row", "Python", "Airflow", "common-compat", *PROBES, "seconds"):
        table.add_column(column, no_wrap=True)
    for result in results:
        found = [*result.found, *[""] * (len(PROBES) - len(result.found))]
        style = "red" if result.failed else ""
        table.add_row(result.row.name, *result.versions, *found, f"{result.seconds:.0f}", style=style)
    return table
