"""Run the tests on each release of Airflow, and each Python, that the provider supports.

Run by ``make matrix``; ``ROWS=lowest,newest`` for some rows. Each environment is made once, by uv, in the clone. It
holds what was published when its Airflow was released, which is what Airflow's own constraints install. The index has
to say when a file was uploaded.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from scripts.local_airflow import ROOT, STATE

HOME = STATE / "matrix"

UNIT_TESTS = ("tests/unit",)
#: A create of an image and one of a video, each of which waits in the triggerer, and a download.
DEFERRED_DAG = ("tests/integration/test_example_dags.py::test_a_prompt_becomes_an_image_and_then_a_video",)

#: Seconds that an environment, and that the tests in it, may take; generous for a slow machine.
BUILD_LIMIT = 900.0
TESTS_LIMIT = 900.0

CONSTRAINTS = ("--constraint", "constraints.txt")


@dataclass(frozen=True)
class Row:
    """One environment.

    :param options: how uv chooses the versions.
    :param python: its version; that of the clone when empty.
    """

    name: str
    options: Sequence[str]
    python: str = ""


def released(airflow: str, before: str) -> tuple[str, ...]:
    """Return the options for an Airflow and what was published before a day in UTC, the one after its release."""
    return ("--exclude-newer", f"{before}T00:00:00Z", f"apache-airflow=={airflow}")


ROWS = (
    # The lowest of what `pyproject.toml` allows, and for all else what was new with that Airflow.
    Row("lowest", ("--resolution", "lowest-direct", *released("3.1.0", "2025-09-26"))),
    Row("3.1.0", released("3.1.0", "2025-09-26")),
    Row("3.1.8", released("3.1.8", "2026-03-12")),
    Row("3.2.2", released("3.2.2", "2026-05-30")),
    Row("3.3.0", released("3.3.0", "2026-07-07")),
    Row("newest", released("3.3.2", "2026-09-18")),
    Row("python3.12", CONSTRAINTS, python="3.12"),
    Row("python3.13", CONSTRAINTS, python="3.13"),
)


class CannotBuildError(Exception):
    """An environment cannot be built; the message is for the user."""


class NoPythonError(CannotBuildError):
    """This Python is not installed."""


@dataclass
class Result:
    """The result of a row.

    :param versions: of Python, Airflow and common-compat.
    :param found: what each step found, in their order.
    :param failed: what failed, for the user.
    """

    row: Row
    versions: Sequence[str] = ("", "", "")
    found: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    """Run the tests in each row; 0 when none failed."""
    return run_rows(("unit tests", "deferred DAG"), run_tests)


def run_rows(steps: Sequence[str], run: Callable[[Result], None]) -> int:
    """Run the rows that ``ROWS`` names, one after the other, and print a table; 0 when none failed.

    :param steps: their names, for the table.
    :param run: runs the steps of a row, and adds to its result. May raise a ``CannotBuildError``.
    """
    # As wide as the table, which is read in a log as well as on a terminal.
    console = Console(highlight=False, soft_wrap=True, width=120)
    try:
        rows = choose(os.environ.get("ROWS", ""))
    except ValueError as error:
        console.print(error)
        return 2
    results = [Result(row) for row in rows]
    for result in results:
        console.print(f"== {result.row.name}")
        started = time.monotonic()
        try:
            run(result)
        except NoPythonError as error:
            result.found = [f"skipped: {error}"]
        except CannotBuildError as error:
            result.found, result.failed = ["not installed"], [str(error)]
        result.seconds = time.monotonic() - started
        for line in result.failed:
            console.print(f"   {line}", markup=False)
    console.print(_table(steps, results))
    return 1 if any(result.failed for result in results) else 0


def choose(names: str) -> list[Row]:
    """Return the rows of a list with commas; all when it is empty.

    :raises ValueError: a name is unknown.
    """
    wanted = [name for name in names.replace(" ", ",").split(",") if name]
    known = {row.name: row for row in ROWS}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"No row is named {', '.join(unknown)}. There are: {', '.join(known)}")
    return [known[name] for name in wanted] or list(ROWS)


def run_tests(result: Result) -> None:
    """Build the environment of a row unless it exists, and run the tests in it."""
    python = build(result.row)
    result.versions = versions(python)
    for name, tests in (("unit", UNIT_TESTS), ("dag", DEFERRED_DAG)):
        result.found.append(_pytest(result.row, python, name, tests, result.failed))


def build(row: Row) -> Path:
    """Return the Python of the row's environment for the tests.

    :raises CannotBuildError: it cannot be built.
    """
    folder = HOME / row.name
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    install = ["--editable", ".[form,parquet,sandbox]", "--group", "test", *row.options]
    expected = _fingerprint([str(folder), *install])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == expected:
        return python
    make(row, folder, install)
    stamp.write_text(expected, encoding="utf-8")
    return python


def make(row: Row, folder: Path, install: Sequence[str]) -> Path:
    """Make an environment from scratch, and return its Python.

    :param install: what uv installs into it.
    :raises CannotBuildError: it cannot be built.
    """
    python = folder / "bin" / "python"
    _uv(["venv", "--quiet", "--clear", "--python", _find_python(row.python), str(folder)])
    _uv(["pip", "install", "--quiet", "--python", str(python), *install])
    return python


def _fingerprint(made_from: Sequence[str]) -> str:
    """Return what an environment was made from: its folder, what is installed, and the files that uv reads."""
    files = ("pyproject.toml", "constraints.txt")
    contents = b"".join((ROOT / name).read_bytes() for name in files)
    return hashlib.sha256("\n".join(made_from).encode() + contents).hexdigest()


def _find_python(version: str) -> str:
    """Return what uv takes for a Python: a path or, for uv to look for it or to download it, a version.

    :raises NoPythonError: uv has none.
    """
    if not version:
        return sys.executable
    # The commands that pyenv puts in the way fail for a version that is there, but is not the chosen one.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for found in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")):
        return str(found)
    try:
        _uv(["python", "find", "--quiet", version])
    except CannotBuildError:
        try:
            _uv(["python", "install", "--quiet", version])
        except CannotBuildError:
            raise NoPythonError(f"no Python {version} here") from None
    return version


def _uv(arguments: Sequence[str]) -> None:
    environment = {
        # As pip does: the certificates of the machine count.
        "UV_SYSTEM_CERTS": "1",
        **os.environ,
        # In the clone, where hard links to it save the room of a copy for each environment.
        "UV_CACHE_DIR": str(HOME / "cache"),
        "UV_PYTHON_INSTALL_DIR": str(HOME / "python"),
    }
    command = [sys.executable, "-m", "uv", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT)
    except subprocess.TimeoutExpired:
        raise CannotBuildError(f"uv did not finish within {BUILD_LIMIT:.0f} s") from None
    if done.returncode != 0:
        raise CannotBuildError(done.stderr.strip() or f"uv ended with {done.returncode}")


def versions(python: Path) -> Sequence[str]:
    """Return the versions of Python, Airflow and common-compat in an environment."""
    code = (
        "import platform; from importlib.metadata import version;"
        "print(platform.python_version(), version('apache-airflow'), version('apache-airflow-providers-common-compat'))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def _pytest(row: Row, python: Path, name: str, tests: Sequence[str], failed: list[str]) -> str:
    """Run tests and count them; add what failed."""
    report, log = HOME / f"{row.name}-{name}.xml", HOME / f"{row.name}-{name}.log"
    report.unlink(missing_ok=True)
    temporary = STATE / "tmp"
    temporary.mkdir(exist_ok=True)
    command = [str(python), "-m", "pytest", "--quiet", "-p", "no:cacheprovider", f"--junit-xml={report}", *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"TMPDIR": str(temporary)}
    with log.open("w", encoding="utf-8") as output:
        try:
            code = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=TESTS_LIMIT
            ).returncode
        except subprocess.TimeoutExpired:
            failed.append(f"{name}: not finished within {TESTS_LIMIT:.0f} s; see {log.relative_to(ROOT)}")
            return "unfinished"
    if code != 0:
        failed.extend(f"{name}: {test}" for test in (_failures(report) if report.is_file() else ()))
        failed.append(f"{name}: pytest ended with {code}; see {log.relative_to(ROOT)}")
    return _counts(report) if report.is_file() else "not run"


def _parsed(report: Path) -> ElementTree.Element:
    return ElementTree.parse(report).getroot()  # noqa: S314 - of our own pytest


def _counts(report: Path) -> str:
    (suite,) = _parsed(report).iter("testsuite")
    total, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    bad = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    counted = {"passed": total - bad - skipped, "failed": bad, "skipped": skipped}
    return ", ".join(f"{count} {what}" for what, count in counted.items() if count)


def _failures(report: Path) -> Iterator[str]:
    for case in _parsed(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield f"{case.attrib['classname']}::{case.attrib['name']}"


def _table(steps: Sequence[str], results: Sequence[Result]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("row", "Python", "Airflow", "common-compat", *steps, "seconds"):
        table.add_column(column, no_wrap=True)
    for result in results:
        missing = len(steps) - len(result.found)
        style = "red" if result.failed else "yellow" if missing else ""
        cells = (result.row.name, *result.versions, *result.found, *[""] * missing, f"{result.seconds:.0f}")
        table.add_row(*cells, style=style)
    return table
