"""What the package imports is what it says that it needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.constraints import LEFT_OUT, without_needless_markers
from tests.support import ROOT

PACKAGE = ROOT / "airflow_provider_minimax"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]

#: The parts of the package that may import what an extra brings.
EXTRAS = {
    "form": [PACKAGE / "hooks" / "minimax.py"],
    "openlineage": [PACKAGE / "lineage.py"],
    "parquet": [PACKAGE / "export" / "parquet.py"],
    "sandbox": sorted((PACKAGE / "sandbox").glob("*.py")),
    "testing": sorted((PACKAGE / "testing").glob("*.py")),
}
#: What runs in Airflow's API server only, which brings these; see the test of the plugin.
API_SERVER = PACKAGE / "ui" / "app.py"


def declared(requirements: list[str]) -> set[str]:
    return {str(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}  # type: ignore[index]


def distribution(module: str) -> str:
    """Return the distribution that a module comes with; most are called like their modules."""
    top, *rest = module.split(".")
    if top != "airflow":
        return {"PIL": "pillow"}.get(top, top)
    if rest[:1] == ["providers"]:
        # Of one of them the name has two parts.
        return "-".join(["apache-airflow-providers", *rest[1 : 3 if rest[1] == "common" else 2]])
    return "apache-airflow"


def imported(files: list[Path]) -> set[str]:
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module))
    foreign = {name for name in modules if name.split(".")[0] not in {*sys.stdlib_module_names, PACKAGE.name}}
    return {distribution(name) for name in foreign}


def test_what_is_imported_everywhere_is_a_dependency_and_each_of_those_is_imported() -> None:
    special = {API_SERVER, *(file for files in EXTRAS.values() for file in files)}
    plain = imported([file for file in PACKAGE.rglob("*.py") if file not in special])
    needed = declared(PROJECT["dependencies"])
    assert plain - needed == set()
    assert needed - imported(list(PACKAGE.rglob("*.py"))) == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_a_part_needs_beyond_that_comes_with_an_extra_of_its_own(extra: str) -> None:
    beyond = imported(EXTRAS[extra]) - declared(PROJECT["dependencies"])
    assert beyond == declared(PROJECT["optional-dependencies"][extra]) - {PROJECT["name"]}


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group and of those that it includes."""
    found: list[str] = []
    for one in PYPROJECT["dependency-groups"][name]:
        found += group(one["include-group"]) if isinstance(one, dict) else [one]
    return found


def test_the_gallery_needs_only_what_airflow_itself_is_made_of() -> None:
    # Starlette, which is one of these, runs on anyio.
    needed = {name.lower() for name in (*(requires("apache-airflow-core") or ()), *(requires("starlette") or ()))}
    for library in imported([API_SERVER]) - declared(PROJECT["dependencies"]):
        assert any(re.match(rf"{library}\b", requirement) and "extra ==" not in requirement for requirement in needed)


def test_the_scripts_need_nothing_that_is_not_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    brought = {"apache-airflow", *declared(PROJECT["dependencies"]), *declared(extras["sandbox"] + group("dev"))}
    # Airflow's own ORM, which the script that writes into its database has to speak.
    brought.add("sqlalchemy")
    own = {"scripts", "bench"}
    spelled = {name.replace("_", "-") for name in imported(sorted((ROOT / "scripts").glob("*.py"))) - own}
    assert spelled - brought == set()


def test_extras_are_for_users_and_what_develops_the_provider_is_no_extra() -> None:
    known = {"amazon", "form", "google", "openlineage", "parquet", "sandbox", "testing"}
    assert set(PROJECT["optional-dependencies"]) <= known
    assert known & set(PYPROJECT["dependency-groups"]) == set()


def test_the_constraints_pin_what_is_declared_and_within_its_bounds() -> None:
    pinned: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            one = Requirement(line)
            pinned.setdefault(canonicalize_name(one.name), []).append(one)
    extras = {name: ones for name, ones in PROJECT["optional-dependencies"].items() if name != LEFT_OUT}
    wanted = [*PROJECT["dependencies"], *(one for ones in extras.values() for one in ones)]
    wanted += [one for name in PYPROJECT["dependency-groups"] for one in group(name)]
    assert len(wanted) > 30
    # An extra may bring another one.
    for requirement in (Requirement(one) for one in wanted if not one.startswith(PROJECT["name"])):
        versions = [str(one.specifier)[2:] for one in pinned.get(canonicalize_name(requirement.name), [])]
        assert versions, f"constraints.txt lacks {requirement.name}: make constraints"
        assert all(requirement.specifier.contains(one, prereleases=True) for one in versions), requirement


def test_a_marker_is_kept_where_it_chooses_between_two_versions() -> None:
    two = ["numpy==2.3.0 ; python_full_version < '3.12'", "numpy==2.4.0 ; python_full_version >= '3.12'"]
    lines = [*two, "uvloop==0.22.1 ; sys_platform != 'win32'", "pip==26.3"]
    assert without_needless_markers(lines) == [*two, "uvloop==0.22.1", "pip==26.3"]
