"""The rows of `make matrix`, and how they are chosen; running them is what the target does."""

from __future__ import annotations

import ast
from datetime import date

import pytest

from scripts import wheel
from scripts.matrix import ROWS, choose
from tests.support import ROOT


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("", [row.name for row in ROWS]),
        (" ", [row.name for row in ROWS]),
        ("lowest", ["lowest"]),
        ("newest,lowest", ["newest", "lowest"]),
        ("lowest newest", ["lowest", "newest"]),
        ("lowest, newest,", ["lowest", "newest"]),
    ],
)
def test_rows_are_chosen_by_their_names(names: str, chosen: list[str]) -> None:
    assert [row.name for row in choose(names)] == chosen


def test_an_unknown_row_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"No row is named 3\.0\. There are: lowest, 3\.1\.0"):
        choose("lowest,3.0")


def test_the_rows_are_in_the_order_of_their_releases() -> None:
    days = [date.fromisoformat(option[:10]) for row in ROWS for option in row.options if option.endswith("T00:00:00Z")]
    assert days == sorted(days)
    assert len(days) == 6


def test_make_wheel_runs_every_probe_and_knows_the_rows() -> None:
    probes = ast.parse((ROOT / "scripts" / "wheel_probe.py").read_text(encoding="utf-8")).body
    public = [one.name for one in probes if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
    assert tuple(public) == wheel.PROBES
    assert set(wheel.FORM_NEEDED) <= {row.name for row in ROWS}
