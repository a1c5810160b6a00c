"""What type checkers say of a user's DAG: nothing, and each mistake where one was made.

Run by ``make kit``: a checker reads all of Airflow for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, TIMEOUT

USER_DAG, MISTAKES = (Path(__file__).with_name(name) for name in ("user_dag.py", "mistakes.py"))


def mypy() -> list[str]:
    pytest.importorskip("mypy", reason="needs mypy: the extra dev")
    # As users have it, without the settings of this repository.
    return [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'users'}"]


def pyright() -> list[str]:
    program = shutil.which("pyright", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip("needs pyright: make kit brings it")
    return [program, "--pythonpath", sys.executable]


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_a_type_checker_finds_each_mistake_and_nothing_else(checker: object) -> None:
    command = checker()  # type: ignore[operator]
    done = subprocess.run(
        [*command, USER_DAG, MISTAKES], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    found = re.findall(r"(\w+\.py):(\d+):(?:\d+ -)? error", done.stdout)
    lines = enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), start=1)
    expected = {number: line for number, line in lines if re.match(r"[A-Z]\w*\(", line)}
    assert len(expected) >= 40
    assert {name for name, _ in found} == {MISTAKES.name}, done.stdout + done.stderr
    assert sorted({int(number) for _, number in found}) == sorted(expected), done.stdout
