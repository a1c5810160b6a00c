"""What templates render to when what they name is missing: refused, by name, before anything is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.operators.delete import MiniMaxDeleteOperator
from airflow_provider_minimax.operators.files import MiniMaxDownloadOperator, MiniMaxUploadFileOperator
from airflow_provider_minimax.operators.images import (
    MiniMaxCreateImageOperator,
    MiniMaxExportImagesOperator,
    MiniMaxListImagesOperator,
)
from airflow_provider_minimax.operators.videos import (
    MiniMaxCreateVideoOperator,
    MiniMaxExportVideosOperator,
    MiniMaxListVideosOperator,
)
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.images import MiniMaxImageSensor
from airflow_provider_minimax.sensors.videos import MiniMaxVideoSensor
from airflow_provider_minimax.storage.folders import folder_at
from airflow_provider_minimax.storage.location import required_location
from tests.unit.operators.support import Task

IMAGE = "user:1-minimax:2-image:3"
NOTHING = ["", " ", "None", " None "]
MISSING = "{{ dag_run.conf.get('missing') }}"


def required(tmp_path: Path) -> dict[type, dict[str, Any]]:
    source = tmp_path / "picture.png"
    source.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return {
        MiniMaxListImagesOperator: {},
        MiniMaxExportImagesOperator: {"output_path": str(tmp_path / "out")},
        MiniMaxListVideosOperator: {},
        MiniMaxExportVideosOperator: {"output_path": str(tmp_path / "out")},
        MiniMaxDeleteOperator: {"ids": [IMAGE], "confirm_exported": str(tmp_path / "out" / "manifest.json")},
        MiniMaxCreateImageOperator: {"prompt": "a lamp"},
        MiniMaxCreateVideoOperator: {"prompt": "a lamp"},
        MiniMaxUploadFileOperator: {"source_path": str(source)},
        MiniMaxDownloadOperator: {"ids": [IMAGE], "output_path": str(tmp_path / "out")},
        MiniMaxImageSensor: {"image_id": IMAGE},
        MiniMaxVideoSensor: {"video_id": "user:1-minimax:2-video:3"},
    }


KINDS: list[Any] = [
    MiniMaxListImagesOperator,
    MiniMaxExportImagesOperator,
    MiniMaxListVideosOperator,
    MiniMaxExportVideosOperator,
    MiniMaxDeleteOperator,
    MiniMaxCreateImageOperator,
    MiniMaxCreateVideoOperator,
    MiniMaxUploadFileOperator,
    MiniMaxDownloadOperator,
    MiniMaxImageSensor,
    MiniMaxVideoSensor,
]
FIELDS = [pytest.param(kind, field, id=f"{kind.__name__}.{field}") for kind in KINDS for field in kind.template_fields]


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_no_templated_field_of_any_operator_or_sensor_takes_nothing(
    sandbox: Sandbox, tmp_path: Path, kind: Any, field: str, value: str
) -> None:
    operator = kind(task_id="t", **required(tmp_path)[kind])
    # As Airflow sets it when it has rendered.
    setattr(operator, field, value)
    with pytest.raises(MiniMaxBadRequestError) as caught:
        Task().run(operator)
    assert field.replace("_id", "") in str(caught.value).replace(" ", "_").replace("_id", "")
    assert not sandbox.calls
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "field", ["output_path", "storage_conn_id", "created_from", "created_to", "statuses", "account"]
)
@pytest.mark.parametrize("native", [True, False])
def test_a_missing_key_of_the_conf_is_refused_by_the_name_of_the_parameter(
    sandbox: Sandbox, tmp_path: Path, field: str, native: bool
) -> None:
    """With native objects it renders to None, which is not the same as a parameter that was not given."""
    given = {"output_path": str(tmp_path / "out"), field: MISSING}
    with DAG("any", schedule=None, render_template_as_native_obj=native) as dag:
        operator = MiniMaxExportImagesOperator(task_id="export", **given)
    context: Any = {"dag_run": Run(), "dag": dag}
    with pytest.raises(MiniMaxBadRequestError, match=field):
        render_and_run(operator, context)
    assert not sandbox.calls
    assert not (tmp_path / "out").exists()


def render_and_run(operator: Any, context: Any) -> None:
    operator.render_template_fields(context)
    type(operator).execute.__wrapped__(operator, {})


class Run:
    def __init__(self) -> None:
        self.conf: dict[str, str] = {}


def test_what_is_not_given_stays_so(tmp_path: Path) -> None:
    with DAG("any", schedule=None, render_template_as_native_obj=True) as dag:
        operator = MiniMaxExportImagesOperator(task_id="export", output_path="/x/{{ dag_run.conf }}")
    operator.render_template_fields({"dag_run": Run(), "dag": dag})  # type: ignore[typeddict-item]
    assert (operator.account, operator.created_from, operator.statuses) == (None, None, None)


@pytest.mark.parametrize("kind", [str, Path, ObjectStoragePath])
def test_a_path_of_each_kind_is_rendered(kind: type) -> None:
    with DAG("any", schedule=None) as dag:
        operator = MiniMaxExportImagesOperator(task_id="export", output_path=kind("/data/{{ day }}/x"))
    operator.render_template_fields({"day": "2026-01-01", "dag": dag})  # type: ignore[typeddict-unknown-key]
    assert required_location("output_path", operator.output_path) == "/data/2026-01-01/x"


def test_a_mapped_operator_refuses_nothing_too() -> None:
    """Airflow renders it in another way: by the method that is ours."""
    with DAG("any", schedule=None, render_template_as_native_obj=True) as dag:
        operator = MiniMaxExportImagesOperator(task_id="export", output_path="/data", account=MISSING)
    context: Any = {"dag_run": Run(), "dag": dag}
    with pytest.raises(MiniMaxBadRequestError, match="account was rendered to None"):
        operator._do_render_template_fields(
            parent=operator, template_fields=operator.template_fields, context=context,
            jinja_env=operator.get_template_env(), seen_oids=set(),
        )  # fmt: skip


# Paths


HOME = os.path.expanduser("~")  # noqa: PTH111 - what is tested does it, too


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/data/x", "/data/x"),
        ("/data/x/", "/data/x/"),
        (" /data/x\n", "/data/x"),
        ("data/x", "data/x"),
        ("./x", "./x"),
        ("../x", "../x"),
        ("/", "/"),
        ("/data/None-such", "/data/None-such"),
        ("/data/prefix-None/x", "/data/prefix-None/x"),
        ("/data/day=2026-01-01/x", "/data/day=2026-01-01/x"),
        ("file:///data/x", "/data/x"),
        ("file://localhost/data/x", "/data/x"),
        ("FILE:///data/x", "/data/x"),
        ("file:/data/x", "/data/x"),
        ("local:///data/x", "/data/x"),
        ("~", HOME),
        ("~/x", f"{HOME}/x"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/x/", "s3://bucket/x/"),
        ("s3://conn@bucket/x", "s3://conn@bucket/x"),
        ("memory:///x", "memory:///x"),
        ("https://host/a//b.png?x=None", "https://host/a//b.png?x=None"),
        (2026, "2026"),
        (Path("/data/x"), "/data/x"),
        (Path("s3://bucket/x"), "s3://bucket/x"),
        (Path("file:///data/x"), "/data/x"),
        (ObjectStoragePath("/data/x"), "/data/x"),
        (ObjectStoragePath("file:///data/x"), "/data/x"),
        (ObjectStoragePath("file:///data/x", conn_id="conn"), "/data/x"),
        (ObjectStoragePath("s3://x/y"), "s3://x/y"),
    ],
)
def test_a_location_is_a_local_path_or_the_url_of_a_storage(given: object, found: str) -> None:
    assert required_location("output_path", given) == found


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", " ", "None", " None\n", True, ["/x"], {}, b"/x"),
        *("None/x", "./None/x", "/data/None", "/data/None/", "/data/ None /x", "/data//x", "//x", "/data/ /x"),
        *("/data/day=None/x", "/data/day=/x", "/data/day=", "file:///None/x", "file:///data//x", "local:///data//x"),
        *("s3://conn@None/x", "s3://conn@/x", "file://conn@host/x"),
        *("s3://None/x", "s3://bucket/None", "s3://bucket//x", "s3:///x", "s3://", "gs://bucket/day=None/x"),
        *("https://host/None", "file://host/x", "file://x", "file://~/x", "file://", "~nobody-of-this-name/x"),
        *(Path("None/x"), Path("/data/None"), ObjectStoragePath("s3://bucket/None/x"), ObjectStoragePath("/data/None")),
    ],
)
def test_a_location_that_was_rendered_to_nothing_or_is_elsewhere_is_refused_by_name(given: object) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="output_path"):
        required_location("output_path", given)


def test_a_folder_keeps_the_connection_of_its_path() -> None:
    attach("memory", conn_id="of_the_path", fs=MemoryFileSystem())
    for path in (ObjectStoragePath("memory://x/y", conn_id="of_the_path"), "memory://of_the_path@x/y"):
        found = folder_at(path, None)
        assert (type(found.fs), found.path) == (MemoryFileSystem, "/x/y")


@pytest.mark.parametrize("form", ["str", "Path", "ObjectStoragePath", "file://", "file://localhost", "~"])
def test_an_export_goes_where_its_path_says(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out"
    forms = {"str": str(folder), "Path": folder, "ObjectStoragePath": ObjectStoragePath(str(folder)), "~": "~/out"}
    path: Any = forms.get(form, f"{form}{folder}")
    operator = MiniMaxExportImagesOperator(task_id="export", output_path=path)
    summary = Task().run(operator)
    assert summary["path"] == str(folder)
    assert (folder / "manifest.json").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
