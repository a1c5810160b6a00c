"""The types of what operators and sensors take: they are those of the constructors, and type checkers know them."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re

import pytest

from airflow_provider_minimax import arguments
from airflow_provider_minimax.export.formats import FORMATS, FileFormat
from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator
from airflow_provider_minimax.operators.create import MiniMaxCreateOperator
from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator, MiniMaxExportImagesOperator
from airflow_provider_minimax.operators.media_lists import ExportMediaOperator, ListMediaOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator, MiniMaxExportVideosOperator
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from airflow_provider_minimax.sensors.base import MiniMaxJobSensor, MiniMaxWaitSensor
from airflow_provider_minimax.sensors.credits import MiniMaxCreditsSensor
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from tests.support import ROOT

CLASSES = [
    MiniMaxChooseOperator, MiniMaxCreateOperator, MiniMaxDeleteOperator, MiniMaxDownloadOperator,
    MiniMaxUploadFileOperator, MiniMaxCreateImageOperator, MiniMaxExportImagesOperator, ExportMediaOperator,
    ListMediaOperator, MiniMaxCreateVideoOperator, MiniMaxExportVideosOperator, MiniMaxJobSensor, MiniMaxWaitSensor,
    MiniMaxCreditsSensor, MiniMaxImageSensor, MiniMaxVideoSensor,
]  # fmt: skip
#: What a class sets for its base or makes no use of: nobody passes it.
NOT_PASSED = {"max_items", "options", "options_mapping"}
#: Unknown to Airflow 3.1.
NEWER = {"retry_policy", "render_template_as_native_obj"}

#: A type checker reads it with ``make kit``.
USER_DAG = ROOT / "tests" / "typing" / "user_dag.py"


def taken(cls: type) -> dict[str, str]:
    """Return the parameters of a constructor and their types."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {one.name: one.annotation for one in parameters if one.kind is one.KEYWORD_ONLY}


def typed(cls: type) -> dict[str, str]:
    """Return the parameters that ``**kwargs`` of a constructor stands for, and their types."""
    found = re.fullmatch(r"Unpack\[(\w+)\]", inspect.signature(cls.__init__).parameters["kwargs"].annotation)
    assert found
    types = {name: one.__forward_arg__ for name, one in getattr(arguments, found[1]).__annotations__.items()}
    return {name: re.sub(r"^Required\[(.*)\]$", r"\1", text) for name, text in types.items()}


@pytest.mark.parametrize("cls", CLASSES)
def test_what_a_class_passes_on_is_what_its_bases_take(cls: type) -> None:
    bases = [base for base in cls.__mro__[1:] if "__init__" in vars(base) and base is not object]
    theirs = {name for base in bases for name in taken(base)} - NOT_PASSED
    assert theirs - set(taken(cls)) ^ set(typed(cls)) <= NEWER


@pytest.mark.parametrize("cls", CLASSES)
def test_it_has_the_same_types_there(cls: type) -> None:
    ours = [base for base in cls.__mro__[1:] if base.__module__.startswith("airflow_provider_minimax")]
    types = typed(cls)
    for base in ours:
        shared = {name: text for name, text in taken(base).items() if name in types and "__init__" in vars(base)}
        assert {name: types[name] for name in shared} == shared


def test_a_trigger_takes_the_fields_of_what_it_waits_for() -> None:
    fields = {one.name for one in dataclasses.fields(WaitSpec)}
    assert fields - {"ids", "deadline"} == set(arguments.TriggerArguments.__annotations__)


def test_the_formats_of_the_type_are_those_that_there_are() -> None:
    assert FileFormat.__args__ == tuple(FORMATS)


def test_the_dag_of_a_user_is_parsed() -> None:
    pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="needs Airflow 3.3")
    spec = importlib.util.spec_from_file_location("user_dag", USER_DAG)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(module.dag.tasks) > 15


def test_the_dag_uses_every_class_that_the_index_names() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`[a-z_]+\.(?:\w+\.)?(MiniMax\w+)`", index))
    assert len(named) > 10
    used = USER_DAG.read_text(encoding="utf-8")
    assert [name for name in named if f"{name}(" not in used and f"({name}" not in used] == []
