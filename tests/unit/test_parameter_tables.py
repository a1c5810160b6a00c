"""The tables of parameters in the docs name what the classes take, with the defaults that they have."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.support import ROOT

OPERATORS = "airflow_provider_minimax.operators"
SENSORS = "airflow_provider_minimax.sensors"
#: Page, heading, and the classes that the tables below it describe together.
TABLES = [
    ("images", "List images", [f"{OPERATORS}.images.MiniMaxListImagesOperator"]),
    ("images", "Export images", [f"{OPERATORS}.images.MiniMaxExportImagesOperator"]),
    ("files", "Upload a file", [f"{OPERATORS}.files.MiniMaxUploadFileOperator"]),
    ("files", "Download files", [f"{OPERATORS}.files.MiniMaxDownloadOperator"]),
    ("files", "Delete images and videos", [f"{OPERATORS}.delete.MiniMaxDeleteOperator"]),
    ("choosing", "Parameters", [f"{OPERATORS}.choose.MiniMaxChooseOperator"]),
    ("waiting", "Parameters", [f"{SENSORS}.images.MiniMaxImageSensor", f"{SENSORS}.videos.MiniMaxVideoSensor"]),
    (
        "creating",
        "Parameters",
        [f"{OPERATORS}.images.MiniMaxCreateImageOperator", f"{OPERATORS}.videos.MiniMaxCreateVideoOperator"],
    ),
]
#: Described once for all (`index.md`), Airflow's own, or shared by both kinds under a name of their own.
ELSEWHERE = {"minimax_conn_id", "account", "max_items"}
AIRFLOWS = {"assigned_users", "notifiers", "params"}


def parameters(path: str) -> dict[str, object]:
    """Return the parameters of a class and of ours above it, with their defaults."""
    module, _, name = path.rpartition(".")
    bases = reversed(getattr(importlib.import_module(module), name).__mro__)
    signatures = [
        inspect.signature(base.__init__).parameters
        for base in bases
        if base.__module__.startswith("airflow_provider_minimax") and "__init__" in vars(base)
    ]
    return {
        name: parameter.default
        for signature in signatures
        for name, parameter in signature.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def rows(page: str, heading: str) -> list[list[str]]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    level, section = next(
        (match[1], text[match.end() :]) for match in re.finditer(rf"^(##+) {heading}$", text, re.MULTILINE)
    )
    section = re.split(rf"^#{{2,{len(level)}}} ", section, flags=re.MULTILINE)[0]
    tables = re.findall(r"^\| parameter .*\n\|[-| ]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for table in tables for row in table.splitlines()]


@pytest.mark.parametrize(
    ("page", "heading", "paths"), TABLES, ids=[f"{page}: {heading}" for page, heading, _ in TABLES]
)
def test_a_table_names_each_parameter_with_its_default(page: str, heading: str, paths: list[str]) -> None:
    taken = {name: default for path in paths for name, default in parameters(path).items()}
    described = {name: row for row in rows(page, heading) for name in re.findall(r"`(\w+)`", row[0])}
    assert set(taken) - set(described) - ELSEWHERE == set()
    assert set(described) - set(taken) - AIRFLOWS == set()
    for name, row in described.items():
        literal = re.fullmatch(r"`(.+)`|([\d,]+)", row[1])
        if len(row) > 2 and literal:
            shown = ast.literal_eval((literal[1] or literal[2]).replace(",", ""))
            assert taken[name] == shown, name
        if row[1] == "required":
            assert taken[name] is inspect.Parameter.empty, name


def test_the_quickstart_names_each_example() -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    assert [file.name for file in sorted((ROOT / "example_dags").glob("*.py")) if f"[{file.name}]" not in text] == []
