"""The package as it is uploaded: its page on the index, its metadata, its files."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from airflow_provider_minimax import __version__
from airflow_provider_minimax.ui.plugin import MiniMaxPlugin
from tests.support import ROOT

pytest.importorskip("hatchling", reason="builds the package: the group dev")
from scripts.package_page import with_absolute_links

PACKAGE = "airflow_provider_minimax"
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(f"{PACKAGE}-{__version__}.dist-info/METADATA").decode())


@pytest.mark.parametrize(
    ("markdown", "wanted"),
    [
        ("[docs](docs/index.md#classes)", "[docs](https://r/blob/main/docs/index.md#classes)"),
        ("![sheet](docs/sheet.png)", "![sheet](https://r/raw/main/docs/sheet.png)"),
        ("[![a](https://b)](LICENSE)", "[![a](https://b)](https://r/blob/main/LICENSE)"),
        ("[![a](c.png)](LICENSE)", "[![a](https://r/raw/main/c.png)](https://r/blob/main/LICENSE)"),
        ("[a](https://b) [c](#here) [d](mailto:e@f)", "[a](https://b) [c](#here) [d](mailto:e@f)"),
    ],
)
def test_links_become_absolute(markdown: str, wanted: str) -> None:
    assert with_absolute_links(markdown, "https://r") == wanted


def test_airflow_finds_the_plugin_and_its_page(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        text = archive.read(f"{PACKAGE}-{__version__}.dist-info/entry_points.txt").decode()
    found = re.search(r"^\[airflow\.plugins\]\n(\S+) = (\S+)$", text, re.MULTILINE)
    assert found
    assert EntryPoint(found[1], found[2], "airflow.plugins").load() is MiniMaxPlugin
    assert {f"{PACKAGE}/export/contact_sheet.{kind}" for kind in ("html", "css", "js")} <= set(names)


def test_no_link_of_the_page_is_relative(metadata: Message) -> None:
    page = str(metadata.get_payload())
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 20
    assert [link for link in links if not link.startswith("https://")] == []
    assert f"{SOURCE}/raw/main/docs/images/contact-sheet.png" in links
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_every_file_that_the_page_links_to_is_in_the_repository(metadata: Message) -> None:
    paths = re.findall(rf"\({re.escape(SOURCE)}/(?:blob|raw)/main/([^)#]+)", str(metadata.get_payload()))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_metadata_say_who_and_under_which_licence(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("airflow-provider-minimax", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert metadata["Author"]
    assert metadata["Maintainer"]


def test_the_classifiers_name_the_pythons_that_the_constraints_are_for(metadata: Message) -> None:
    found = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata.get_all("Classifier", [])))
    header = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1]
    assert found == re.findall(r"3\.\d+", header)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert f"{PACKAGE}/py.typed" in names
    assert {name.split("/")[0] for name in names} == {PACKAGE, f"{PACKAGE}-{__version__}.dist-info"}
    assert [name for name in names if "__pycache__" in name or "/tests/" in name or "/test_" in name] == []


def test_the_wheel_brings_the_example_dags_as_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name.rpartition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if name.startswith(f"{PACKAGE}/example_dags/")
        }
    assert found == {path.name: path.read_bytes() for path in (ROOT / "example_dags").glob("*.py")}
