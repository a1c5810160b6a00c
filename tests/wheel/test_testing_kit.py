"""The guide about testing, followed by a user who has nothing but the wheel and its extra ``testing``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import user_project
from tests.support import ROOT


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment of its own, with the wheel of this repository."""
    folder = tmp_path_factory.mktemp("environment")
    # Settings of another project's Python must not leak into this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def call(*command: str | Path) -> None:
        subprocess.run(command, cwd=ROOT, env=environment, check=True)

    call(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    call(sys.executable, "-m", "venv", folder / "venv")
    (wheel,) = folder.glob("*.whl")
    made = folder / "venv" / "bin" / "python"
    call(made, "-m", "pip", "--quiet", "install", "--constraint", "constraints.txt", f"{wheel}[testing]")
    return made


def test_the_tests_of_the_guide_pass_with_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    count = user_project.write(tmp_path)
    lines = user_project.run(python, tmp_path)
    assert f"{count} passed" in lines[-1]


def test_pytest_lists_the_fixtures_and_what_they_are(python: Path, tmp_path: Path) -> None:
    lines = user_project.run(python, tmp_path, "--fixtures")
    shown = [line.split(" -- ")[0] for line in lines if line.startswith("minimax_")]
    assert shown == ["minimax_airflow", "minimax_sandbox", "minimax_account"]
