"""What runs on GitHub: pinned actions, few permissions, and the rows and targets that there are here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.matrix import ROWS
from tests.support import ROOT

WORKFLOWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
PARSED = {name: yaml.safe_load(text) for name, text in WORKFLOWS.items()}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for workflow, parsed in PARSED.items():
        for name, job in parsed["jobs"].items():
            yield f"{workflow}/{name}", job


def used(text: str) -> list[str]:
    """Return what a workflow uses, with the comments, but for other workflows of this repository."""
    return [one for one in re.findall(r"\buses: (.+)", text) if not one.startswith("./")]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_action_is_pinned_by_its_hash_and_names_its_version(name: str) -> None:
    assert used(WORKFLOWS[name])
    assert [one for one in used(WORKFLOWS[name]) if not PINNED.fullmatch(one)] == []


def test_an_action_has_the_same_version_everywhere() -> None:
    everywhere = {one for text in WORKFLOWS.values() for one in used(text)}
    assert len(everywhere) == len({one.split("@")[0] for one in everywhere}) > 5


def test_the_rows_are_those_of_make_matrix() -> None:
    assert PARSED["ci"]["jobs"]["matrix"]["strategy"]["matrix"]["row"] == [row.name for row in ROWS]


def test_the_pythons_are_those_that_the_rows_name_and_the_last_one_is_of_all_others() -> None:
    (setup,) = (step for step in PARSED["ci"]["jobs"]["matrix"]["steps"] if "setup-python" in step.get("uses", ""))
    *named, last = setup["with"]["python-version"].split()
    assert sorted(named) == sorted(row.python for row in ROWS if row.python)
    assert last == "3.11"


def test_each_target_of_make_exists() -> None:
    targets = {name for text in WORKFLOWS.values() for name in re.findall(r"run: make (\w+)", text)}
    assert {"lint", "test", "matrix", "wheel", "docs", "package"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


def test_nothing_may_write_but_what_publishes() -> None:
    assert [parsed["permissions"] for parsed in PARSED.values()] == [{"contents": "read"}] * len(PARSED)
    writers = {name: job["permissions"] for name, job in jobs() if "permissions" in job}
    assert writers == {
        "docs/publish": {"pages": "write", "id-token": "write"},
        "release/publish": {"id-token": "write", "attestations": "write", "contents": "write"},
    }


def test_each_job_ends_and_no_checkout_leaves_its_token_behind() -> None:
    for name, job in jobs():
        if "uses" not in job:
            assert job["timeout-minutes"] <= 60, name
        for step in job.get("steps", ()):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"] == {"persist-credentials": False}, name


def test_a_release_waits_for_all_checks_and_needs_no_secret() -> None:
    assert PARSED["release"]["jobs"]["publish"]["needs"] == ["ci", "version"]
    assert "secrets." not in "".join(WORKFLOWS.values())


def test_dependabot_looks_after_the_actions_and_the_packages() -> None:
    found = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert {one["package-ecosystem"] for one in found["updates"]} == {"github-actions", "pip"}
