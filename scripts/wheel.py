"""Install the wheel into an empty Airflow of each supported release, and use it there as a user would.

Run by ``make wheel``; ``ROWS=lowest,newest`` for some rows of `make matrix`. The environments are made from scratch
each time, and hold the wheel with what it requires, and nothing else of this repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from scripts.local_airflow import ROOT, environment
from scripts.matrix import HOME, Result, make, run_rows, versions

#: What `wheel_probe.py` tries, in its order.
PROBES = ("listed", "form", "examples", "run")
PROBE = ROOT / "scripts" / "wheel_probe.py"

#: Rows whose Airflow itself needs WTForms to show the form of any provider: the extra `form`.
FORM_NEEDED = ("lowest", "3.1.0")

#: Seconds that one of them may take; generous for a slow machine.
LIMIT = 600.0


def main() -> int:
    """Build the wheel and try it in each row; 0 when none failed."""
    return run_rows(PROBES, partial(try_wheel, build_wheel(HOME / "dist")))


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_wheel(wheel: Path, result: Result) -> None:
    """Install the wheel into the environment of a row, and run the probes there."""
    row = result.row
    folder = HOME / f"{row.name}-wheel"
    shutil.rmtree(folder, ignore_errors=True)
    extra = "[form]" if row.name in FORM_NEEDED else ""
    # The requirements are named too, since uv takes the lowest ones of what is named only.
    options = [f"airflow-provider-minimax{extra} @ {wheel.as_uri()}", "--requirement", "pyproject.toml"]
    python = make(row, folder, [*options, *row.options])
    result.versions = versions(python)
    home = folder / "airflow"
    settings = environment(home, dags=home / "dags")
    for probe in PROBES:
        result.found.append(_probe(python, probe, settings, home, result.failed))


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
