"""What registries and Airflow's own pages read of the provider, beyond the connection type."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_provider_minimax.provider_info import get_provider_info

INFO = get_provider_info()
SCHEMA = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text(encoding="utf-8"))
PACKAGE = "airflow_provider_minimax"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def test_it_names_no_section_that_airflow_does_not_know() -> None:
    # The schema allows any: a misspelled one would be ignored.
    assert set(INFO) <= set(SCHEMA["properties"])


def test_every_module_belongs_to_an_integration_that_is_described() -> None:
    described = {one["integration-name"] for one in INFO["integrations"]}
    named = {
        group["integration-name"]
        for section in INFO.values()
        if isinstance(section, list)
        for group in section
        if isinstance(group, dict) and "python-modules" in group
    }
    assert named == described


@pytest.mark.parametrize("path", sorted({text for text in strings(INFO) if text.startswith(f"{PACKAGE}.")}))
def test_every_path_that_it_names_can_be_imported(path: str) -> None:
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
