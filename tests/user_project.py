"""The project of a user with a DAG and its tests, as the guide about testing shows both."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support import ROOT, TIMEOUT

GUIDE = ROOT / "docs" / "testing.md"


def write(folder: Path) -> int:
    """Write the project into an empty folder; return how many tests it has."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    lamp, pick = (block for block in blocks if "with DAG(" in block)
    tests = [block for block in blocks if "def test_" in block]
    (settings,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in {
        "pyproject.toml": settings,
        "dags/lamp.py": lamp,
        "dags/pick.py": pick,
        "tests/test_lamp.py": "\n\n".join(tests),
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(re.findall("^def test_", "\n".join(tests), re.MULTILINE))


def run(python: Path, folder: Path, *options: str, **variables: str) -> Sequence[str]:
    """Run the tests of the project as a user without an Airflow does; return the lines of pytest.

    :param variables: of the environment, which holds nothing of Airflow and of this repository otherwise.
    """
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    home = folder / "home"
    home.mkdir()
    done = subprocess.run(
        [
            python,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--basetemp",
            str(folder / "tmp"),
            "--durations=9",
            *options,
        ],
        cwd=folder,
        env=environment | {"HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-8000:]
    # Airflow has been told where to write before it was imported.
    assert not (home / "airflow").exists()
    return output.splitlines()
