"""The summary of `make test`; running its parts is what the target does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.suite import PARTS, URGENT, count, summarize
from tests.support import ROOT


@pytest.mark.parametrize(
    ("attributes", "ended"),
    [
        ('tests="9" failures="0" errors="0" skipped="0"', {"passed": 9}),
        ('tests="9" failures="2" errors="1" skipped="3"', {"failures": 2, "errors": 1, "skipped": 3, "passed": 3}),
        ('tests="1" failures="1" errors="0" skipped="0"', {"failures": 1}),
    ],
)
def test_a_report_is_counted(tmp_path: Path, attributes: str, ended: dict[str, int]) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f'<?xml version="1.0"?><testsuites><testsuite name="pytest" {attributes} /></testsuites>')
    assert count(report) == ended


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"passed": 5261}, "5261 passed"),
        ({"passed": 5261, "skipped": 2, "errors": 0}, "5261 passed"),
        ({"passed": 7, "failures": 1, "errors": 2}, "1 failures, 2 errors, 7 passed"),
        ({}, "none ran"),
    ],
)
def test_the_counts_are_put_into_words(counts: dict[str, int], words: str) -> None:
    assert summarize(Counter(counts)) == words


def reads(arguments: Sequence[str], file: Path) -> bool:
    """Return whether pytest with these arguments reads a file."""
    ignored = [argument.removeprefix("--ignore=") for argument in arguments if argument.startswith("--ignore=")]
    given = [argument for argument in arguments if argument.startswith("tests/")]
    return any(map(file.is_relative_to, given)) and not any(map(file.is_relative_to, ignored))


def test_each_test_is_in_one_part() -> None:
    files = [
        file.relative_to(ROOT)
        for folder in ("unit", "integration")
        for file in (ROOT / "tests" / folder).rglob("test_*.py")
    ]
    found = {tuple(name for name, arguments in PARTS.items() if reads(arguments, file)) for file in files}
    # Two share the other integration tests by their marker.
    assert found == {("unit",), ("unit-tasks",), ("creates",), ("integration", "waits")}
    assert (PARTS["integration"][-1], PARTS["waits"][-1]) == ("not running_airflow", "running_airflow")
    assert set(URGENT) < set(PARTS)
