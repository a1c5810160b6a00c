"""Imports point downward: a module knows those below it, and none of those above."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PACKAGE = "airflow_provider_minimax"

#: What each part of the package may know beside itself, the lazy imports and those for types included.
BELOW = {
    "compat": set(),
    "provider_info": set(),
    "sandbox": set(),
    "api": {"compat"},
    "links": {"compat"},
    "retry_policy": {"api"},
    "waiting": {"api", "compat"},
    "exporting": {"api"},
    "ordering": {"api"},
    "hooks": {"api", "compat", "provider_info"},
    "triggers": {"api", "compat", "waiting", "hooks"},
    "sensors": {"api", "compat", "waiting", "hooks", "triggers"},
    "operators": {"api", "compat", "links", "waiting", "exporting", "ordering", "hooks", "triggers"},
}


def imported(part: str) -> Iterator[str]:
    root = ROOT / PACKAGE
    files = [root / f"{part}.py"] if (root / f"{part}.py").exists() else (root / part).rglob("*.py")
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
                yield str(node.module).split(".")[1]


@pytest.mark.parametrize("part", BELOW)
def test_a_part_knows_only_what_lies_below_it(part: str) -> None:
    assert set(imported(part)) - {part} <= BELOW[part]


def test_every_part_has_its_place() -> None:
    parts = (ROOT / PACKAGE).iterdir()
    found = {part.stem for part in parts if part.suffix == ".py" or (part / "__init__.py").exists()}
    assert found - {"__init__"} == BELOW.keys()
