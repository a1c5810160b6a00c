"""What Airflow discovers, held against the schemas that Airflow ships."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.provider_info import get_provider_info

INFO = get_provider_info()
AIRFLOW = Path(airflow.__path__[0])
CONNECTION = INFO["connection-types"][0]


def schema(name: str) -> Any:
    return json.loads((AIRFLOW / name).read_text(encoding="utf-8"))


def test_the_entry_point_gives_this_description() -> None:
    (entry,) = (one for one in entry_points(group="apache_airflow_provider") if one.module.startswith("airflow_pro"))
    assert entry.load()() == INFO
    assert entry.dist is not None
    assert entry.dist.name == INFO["package-name"]


def test_it_fits_the_schema_of_provider_information() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_the_connection_type_fits_the_schema_of_provider_descriptions() -> None:
    whole = schema("provider.yaml.schema.json")
    part = {**whole["properties"]["connection-types"], "definitions": whole.get("definitions", {})}
    jsonschema.validate(INFO["connection-types"], part)


def test_a_mistake_in_the_form_would_be_found() -> None:
    whole = schema("provider.yaml.schema.json")
    wrong = [{**CONNECTION, "ui-field-behaviour": {"hidden-fields": ["pasword"]}}]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, whole["properties"]["connection-types"])


@pytest.mark.parametrize("section", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_it_names_is_there(section: str) -> None:
    for group in INFO[section]:
        for name in group["python-modules"]:
            assert importlib.import_module(name).__doc__


def test_the_links_that_it_names_are_those_of_the_operators() -> None:
    links = MiniMaxCreateVideoOperator(task_id="create", prompt="a lamp").operator_extra_links
    assert [f"{type(link).__module__}.{type(link).__qualname__}" for link in links] == INFO["extra-links"]


def test_the_hook_that_it_names_is_ours() -> None:
    module, _, name = CONNECTION["hook-class-name"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is MiniMaxHook
    assert CONNECTION["connection-type"] == MiniMaxHook.conn_type
    assert CONNECTION["hook-name"] == MiniMaxHook.hook_name


def test_every_module_with_a_public_class_is_named() -> None:
    package = Path(importlib.import_module("airflow_provider_minimax").__path__[0])
    named = {
        name
        for section in ("hooks", "operators", "sensors", "triggers")
        for g in INFO[section]
        for name in g["python-modules"]
    }
    helpers = {
        "base",
        "choice_page",
        "creating",
        "endings",
        "events",
        "killing",
        "rendered",
        "streams",
        "waiting",
        "__init__",
    }
    there = {
        f"airflow_provider_minimax.{folder}.{path.stem}"
        for folder in ("hooks", "operators", "sensors", "triggers")
        for path in (package / folder).glob("*.py")
        if path.stem not in helpers
    }
    assert named == there


def test_airflow_shows_the_form() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.hooks["minimax"] is not None
    assert manager.hooks["minimax"].hook_name == MiniMaxHook.hook_name
    assert manager.hooks["minimax"].connection_testable
    behaviour = manager.field_behaviours["minimax"]
    assert behaviour["relabeling"]["password"] == "API token"
    if "conn-fields" in json.dumps(schema("provider.yaml.schema.json")):
        widgets = {name for name in manager.connection_form_widgets if name.startswith("extra__minimax__")}
        assert widgets == {f"extra__minimax__{name}" for name in CONNECTION["conn-fields"]}
