"""``BENCHMARKS.md``: the tables of a whole run, and what they were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bench._measuring import Row

PATH: Final = Path(__file__).parent.parent / "BENCHMARKS.md"
_PACKAGES: Final = (
    *("airflow-provider-minimax", "apache-airflow", "apache-airflow-providers-http", "apache-airflow-providers-amazon"),
    *("apache-airflow-providers-celery", "celery"),
    *("requests", "urllib3", "msgspec", "s3fs", "boto3"),
)
_INTRO: Final = """# Benchmarks

What the provider costs, beside simpler code that does as much. All of it is measured on one machine against servers on
loopback, in one run: `make bench` measures and writes this page; `make bench PART=export` shows one part only. Ratios
are medians of pairs that run in turn, so a busy machine moves them little. Where it is installed, pages and files come
from nginx, which is faster than its clients (`apt-get install nginx-light`); otherwise from bytes that a Python process
has rendered before. Rows about S3 need the extra `s3`, which `make bench` installs. Creates run on Airflow's
CeleryExecutor where Redis is installed (`apt-get install redis-server`), otherwise on its LocalExecutor, both with
PostgreSQL and four slots.
"""


def report(tables: Mapping[str, list[Row]]) -> str:
    """Return the page."""
    date = datetime.now(UTC).date().isoformat()
    lines = [_INTRO, f"Measured on {date}: {'; '.join(_machine())}.", "", f"Versions: {', '.join(_versions())}."]
    for title, rows in tables.items():
        lines += ["", f"## {title}", "", "| what | found | bound | |", "|---|---|---|---|"]
        lines += [f"| {row.what} | {row.found} | {row.bound} | {_VERDICTS[row.is_kept]} |" for row in rows]
    return "\n".join(lines) + "\n"


_VERDICTS: Final[Mapping[bool | None, str]] = {True: "kept", False: "**broken**", None: ""}


def _machine() -> Iterator[str]:
    cpus = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), "")
    yield f"{os.cpu_count()} cores of {model or platform.machine()}"
    yield f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB of memory"
    yield f"{platform.system()} {platform.release()}"


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} is not installed"
    curl = shutil.which("curl")
    if curl is not None:
        output = subprocess.run([curl, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        yield " ".join(output.split()[:2])
