"""Write constraints.txt: one exact version of every package, for every supported Python.

Run by ``make constraints``, for the one release of Airflow that the repository is developed on. The newest dependencies
may be too new for an older one to be imported; `make matrix` chooses them by date instead. The index is whatever uv is
configured to use; no address of it gets into the file.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "constraints.txt"

#: An extra for users that nothing here installs: it would more than double the packages of this file.
LEFT_OUT = "google"

#: The Airflow release that the repository is developed and demonstrated on.
AIRFLOW_VERSION = "3.3.2"

HEADER = f"""\
# Exact versions of everything that this repository installs, around Apache Airflow {AIRFLOW_VERSION},
# for Python 3.11, 3.12 and 3.13. Written by `make constraints`; do not edit by hand.
#
# For the development of the provider. An Airflow to be used, this release or another, is installed
# with Airflow's own constraints, and the provider beside it.
"""


def resolve() -> list[str]:
    """Return the versions that uv chooses: lines such as ``name==1.2.3 ; marker``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", "3.11", "--fork-strategy", "fewest", *_everything()]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    # No cache beside that of pip.
    command += ["--no-cache", "--constraint", "-", "pyproject.toml"]
    compiled = subprocess.run(
        command,
        cwd=ROOT,
        input=f"apache-airflow=={AIRFLOW_VERSION}\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [line for line in compiled.stdout.splitlines() if "==" in line]


def _everything() -> list[str]:
    """Return the options for all extras and groups."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = [f"--extra={name}" for name in described["project"]["optional-dependencies"] if name != LEFT_OUT]
    return extras + [f"--group={name}" for name in described["dependency-groups"]]


def without_needless_markers(lines: list[str]) -> list[str]:
    """Drop the markers of packages that have one version only.

    A constraint says nothing about a package that is not installed, so a marker matters only where
    it chooses between two versions.
    """
    versions = Counter(line.split("==")[0] for line in lines)
    return [line if versions[line.split("==")[0]] > 1 else line.split(" ;")[0] for line in lines]


def main() -> int:
    """Resolve the versions and write the file."""
    try:
        lines = without_needless_markers(resolve())
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    TARGET.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(lines)} packages around Airflow {AIRFLOW_VERSION}")
    return 0
