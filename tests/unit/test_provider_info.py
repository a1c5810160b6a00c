"""What Airflow discovers, held against the schemas that Airflow ships."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_minimax.compat import conf
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.provider_info import get_provider_info

INFO = get_provider_info()
AIRFLOW = Path(airflow.__path__[0])
CONNECTION = INFO["connection-types"][0]


def schema(name: str) -> Any:
    return json.loads((AIRFLOW / name).read_text(encoding="utf-8"))


def reads_the_form_from_the_description() -> bool:
    """Tell whether Airflow itself has fields for what `provider_info` describes (3.2), and asks no hook for them."""
    return "conn-fields" in json.dumps(schema("provider.yaml.schema.json"))


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


@pytest.mark.skipif(not reads_the_form_from_the_description(), reason="this Airflow's schema knows no form")
def test_a_mistake_in_the_form_would_be_found() -> None:
    whole = schema("provider.yaml.schema.json")
    wrong = [{**CONNECTION, "ui-field-behaviour": {"hidden-fields": ["pasword"]}}]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, whole["properties"]["connection-types"])


def test_airflow_knows_each_option_with_its_default() -> None:
    # Airflow 3.1 reads what providers describe when it starts a component; later ones when an option is read.
    ProvidersManager().initialize_providers_configuration()
    ((section, described),) = INFO["config"].items()
    assert {name: conf.get(section, name) for name in described["options"]} == {
        name: option["default"] for name, option in described["options"].items()
    }


@pytest.mark.parametrize("section", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_it_names_is_there(section: str) -> None:
    for group in INFO[section]:
        for name in group["python-modules"]:
            assert importlib.import_module(name).__doc__


def test_the_links_that_it_names_are_those_of_the_operators() -> None:
    links = MiniMaxCreateVideoOperator(task_id="create", prompt="a lamp").operator_extra_links
    assert [f"{type(link).__module__}.{type(link).__qualname__}" for link in links] == INFO["extra-links"]


def resolve(path: str) -> object:
    """Return what a path of the description names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_hook_that_it_names_is_ours() -> None:
    assert resolve(CONNECTION["hook-class-name"]) is MiniMaxHook
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
    bases = {"base", "create"}
    there = {
        f"airflow_provider_minimax.{folder}.{path.stem}"
        for folder in ("hooks", "operators", "sensors", "triggers")
        for path in (package / folder).glob("*.py")
        if path.stem not in bases and "\nclass MiniMax" in path.read_text(encoding="utf-8")
    }
    assert named == there


@pytest.fixture(scope="module")
def _has_forms() -> None:
    if not reads_the_form_from_the_description():
        pytest.importorskip("wtforms", reason="this Airflow makes its forms with WTForms: the extra form")


@pytest.mark.usefixtures("_has_forms")
def test_airflow_shows_the_form() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.hooks["minimax"] is not None
    assert manager.hooks["minimax"].hook_name == MiniMaxHook.hook_name
    assert manager.hooks["minimax"].connection_testable
    behaviour = manager.field_behaviours["minimax"]
    assert behaviour["relabeling"]["password"] == "API token"
    widgets = {name for name in manager.connection_form_widgets if name.startswith("extra__minimax__")}
    assert widgets == {f"extra__minimax__{name}" for name in CONNECTION["conn-fields"]}


@pytest.mark.usefixtures("_has_forms")
def test_airflow_s_pages_get_the_same_form_from_every_release() -> None:
    # In a process of its own, as in Airflow's API server: what has been read of a form is kept.
    probe = """if True:
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        (form,) = (meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "minimax")
        print(form.model_dump_json())
    """
    done = subprocess.run([sys.executable, "-W", "default", "-c", probe], capture_output=True, check=True, text=True)
    assert "MiniMaxHook" not in done.stderr, "no warning of a form that is defined in two ways"
    form = json.loads(done.stdout.splitlines()[-1])

    shown = {name: field for name, field in form["standard_fields"].items() if field is not None}
    assert {name for name, field in shown.items() if field["hidden"]} == {"login", "url_schema", "port"}
    assert {name: (field["title"], field["placeholder"]) for name, field in shown.items() if not field["hidden"]} == {
        "password": ("API token", "user:1234-..."),
        "host": ("Base URL", "https://api.useapi.net/v1/minimax"),
    }
    fields = form["extra_fields"]
    assert {name: (field["schema"]["title"], field["description"]) for name, field in fields.items()} == {
        name: (field["label"], field["description"]) for name, field in CONNECTION["conn-fields"].items()
    }
    assert all("null" in field["schema"]["type"] for field in fields.values()), "each may be left empty"
