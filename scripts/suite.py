"""Run all tests, in five processes side by side: those with a running Airflow mostly wait for it.

Run by ``make test``. The output of the first part is shown as it comes, that of each other one when it has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

from scripts.local_airflow import ROOT, STATE

#: A third of the integration tests by time. The last ones start a running Airflow, as the part ``waits`` does.
CREATES = tuple(
    f"tests/integration/test_{name}.py" for name in ("paid_once", "resubmitted_once", "paid_once_live", "choosing")
)
OTHERS = ("tests/integration", *(f"--ignore={file}" for file in CREATES))
#: Half of the unit tests by time.
TASKS = ("tests/unit/export", "tests/unit/operators")
#: Arguments of pytest for each part.
PARTS: Mapping[str, Sequence[str]] = {
    "unit": ("tests/unit", *(f"--ignore={folder}" for folder in TASKS)),
    "unit-tasks": TASKS,
    "integration": (*OTHERS, "-m", "not running_airflow"),
    "waits": (*OTHERS, "-m", "running_airflow"),
    "creates": CREATES,
}
#: Parts that take the longest, however little they compute.
URGENT = ("integration", "waits", "creates")


def main() -> int:
    """Run the parts, and print how many tests passed; return 0 if all did."""
    # Ctrl-C reaches the parts, too. They end what they have started, and are waited for.
    signal.signal(signal.SIGINT, lambda *_: None)
    started = time.monotonic()
    folder = STATE / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    # The tests start hundreds of processes: each would compile the package again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    reports = [folder / f"{name}.xml" for name in PARTS]
    with ExitStack() as files:
        outputs = [None, *(files.enter_context((folder / f"{name}.txt").open("w+")) for name in list(PARTS)[1:])]
        processes = [
            subprocess.Popen(
                [*priority(name), sys.executable, "-m", "pytest", f"--junit-xml={report}", *part],
                cwd=ROOT,
                env=environment,
                stdout=output,
            )
            for (name, part), report, output in zip(PARTS.items(), reports, outputs, strict=True)
        ]
        for process, output in zip(processes, outputs, strict=True):
            process.wait()
            if output is not None:
                output.seek(0)
                print(f"\n{output.read()}", end="", flush=True)
    counts = sum(map(count, reports), Counter[str]())
    print(f"\nAll tests: {summarize(counts)} in {time.monotonic() - started:.0f} s", flush=True)
    return int(any(process.returncode for process in processes))


def priority(part: str) -> Sequence[str]:
    """Return the command that lets a part compute in the pauses of the urgent ones; empty for these."""
    return () if part in URGENT else ("nice", "-n", "5")


def count(report: Path) -> Counter[str]:
    """Return how many tests ended in which way, by a report of pytest in the form of JUnit."""
    suite = ElementTree.parse(report).getroot()[0]  # noqa: S314 - pytest has just written it
    ended = Counter({name: int(suite.get(name, "0")) for name in ("failures", "errors", "skipped")})
    return ended + Counter(passed=int(suite.get("tests", "0")) - ended.total())


def summarize(counts: Counter[str]) -> str:
    """Return the counts in words, without those of zero.

    A file that is skipped counts once for each part that would read it; the parts themselves say what they skip.
    """
    names: Iterable[str] = ("failures", "errors", "passed")
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name]) or "none ran"
