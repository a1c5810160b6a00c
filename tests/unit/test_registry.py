"""What registries and Airflow's own pages read of the provider, beyond the connection type."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_minimax import __version__
from airflow_provider_minimax.provider_info import get_provider_info
from tests.support import ROOT

INFO = get_provider_info()
(INTEGRATION,) = INFO["integrations"]
AIRFLOW = Path(airflow.__path__[0])
SCHEMA = json.loads((AIRFLOW / "provider_info.schema.json").read_text(encoding="utf-8"))
#: The stricter one, by which Airflow's registry describes a provider.
YAML_SCHEMA = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text(encoding="utf-8"))
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


def test_it_fits_the_schema_of_the_registry() -> None:
    # What the registry needs, and a package says in another place.
    beside = {"state": "ready", "source-date-epoch": 0, "versions": [__version__]}
    info = {**INFO, **beside}
    if "generative-ai" not in json.dumps(YAML_SCHEMA):
        # Airflow 3.1 knows few tags, and allows one.
        info["integrations"] = [{**INTEGRATION, "tags": ["service"]}]
    jsonschema.validate(info, YAML_SCHEMA)


@pytest.mark.parametrize("path", [INTEGRATION["logo"], *INTEGRATION["how-to-guide"]])
def test_the_logo_and_each_guide_is_a_file_of_the_repository(path: str) -> None:
    assert (ROOT / path.lstrip("/")).is_file()


def test_every_option_of_the_configuration_has_what_airflow_shows_of_it() -> None:
    for section in INFO["config"].values():
        assert section["description"]
        for option in section["options"].values():
            assert option["description"].rstrip().endswith(".")
            assert {"default", "example", "type", "version_added"} <= set(option)


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
