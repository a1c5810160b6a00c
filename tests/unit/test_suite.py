"""The summary of `make test`; running its parts is what the target does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from scripts.suite import CREATES, PARTS, TASKS, URGENT, count, summarize
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


def test_each_test_is_in_one_part() -> None:
    assert all((ROOT / path).exists() for path in (*TASKS, *CREATES))
    paths = [argument for part in PARTS.values() for argument in part if argument.startswith("tests/")]
    assert sorted(paths) == sorted(["tests/integration", "tests/integration", *CREATES, "tests/unit", *TASKS])
    assert PARTS["waits"][3:] == tuple(f"--ignore={file}" for file in CREATES)
    assert PARTS["unit"][1:] == tuple(f"--ignore={folder}" for folder in TASKS)
    assert set(URGENT) < set(PARTS)
