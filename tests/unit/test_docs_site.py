"""The site of the docs: what its generated pages hold, and what its own check finds."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts import docs, reference_pages
from scripts.reference_pages import DOCS, EXAMPLE_DAGS, PublicClass

# The site shows every class, and one of them needs this.
pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="needs Airflow 3.3")

CLASSES = reference_pages.public_classes()
PAGES = reference_pages.pages()
INDEX = (DOCS / "index.md").read_text(encoding="utf-8")
#: What a DAG uses; triggers are used by these.
IN_DAGS = [one for one in CLASSES if one.part in ("Operators", "Sensors")]


def class_name(one: PublicClass) -> str:
    return one.name


def test_every_class_that_the_index_names_has_a_page() -> None:
    named = set(re.findall(r"`[a-z_.]+\.(MiniMax\w+)`", INDEX))
    assert len(named) > 10
    assert named <= {one.name for one in CLASSES} <= set(PAGES)


@pytest.mark.parametrize("one", IN_DAGS, ids=class_name)
def test_every_operator_and_sensor_is_shown_by_an_example_dag(one: PublicClass) -> None:
    assert "## Example" in PAGES[one.name]


@pytest.mark.parametrize("one", IN_DAGS, ids=class_name)
def test_every_operator_and_sensor_leads_to_its_guide(one: PublicClass) -> None:
    assert "The guide for it: [" in PAGES[one.name]


@pytest.mark.parametrize("one", CLASSES, ids=class_name)
def test_an_example_is_a_whole_statement_that_uses_the_class(one: PublicClass) -> None:
    for example in reference_pages.examples_of(one.name):
        lines = example.file.read_text(encoding="utf-8").splitlines()[example.first - 1 : example.last]
        (statement,) = ast.parse("\n".join(line[example.indent :] for line in lines)).body
        assert one.name in ast.unparse(statement)


@pytest.mark.parametrize("one", IN_DAGS, ids=class_name)
def test_every_parameter_is_described(one: PublicClass) -> None:
    cls = getattr(importlib.import_module(one.module), one.name)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("airflow_provider_minimax")]
    named = {
        name
        for base in ours
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters
        if name not in ("self", "kwargs")
    }
    described = re.findall(r":param (\w+):", "".join(base.__doc__ or "" for base in ours))
    assert named - set(described) == set()


def test_a_comment_above_a_statement_belongs_to_the_example() -> None:
    (example,) = reference_pages.examples_of("MiniMaxListImagesOperator")
    line = example.file.read_text(encoding="utf-8").splitlines()[example.first - 1]
    assert line == "    # A day without an image ends here, and is seen to be one."


def test_every_example_dag_is_shown_whole() -> None:
    assert re.findall(r"^## (\w+)$", PAGES["examples"], re.MULTILINE) == [
        file.stem for file in sorted(EXAMPLE_DAGS.glob("*.py"))
    ]


def test_the_contents_name_every_guide_and_every_generated_page_once() -> None:
    named = re.findall(r"^([\w/-]+)$", re.sub(r"```.*|:.*", "", reference_pages.contents(INDEX)), re.MULTILINE)
    guides = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert sorted(named) == sorted([*guides, *(f"reference/{name}" for name in PAGES)])


def test_the_table_of_classes_leads_to_the_guide_of_each_class() -> None:
    guides = reference_pages.guides(INDEX)
    assert guides["MiniMaxExportImagesOperator"] == "images.md#export-images"
    assert all((DOCS / urlsplit(guide).path).is_file() for guide in guides.values())


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="#here" id="here">', []),
        ('<a href="other.html#there">', []),
        ('<a href="folder/">', []),
        ('<a href="https://example.invalid/page">', []),
        ('<img src="data:image/png;base64,AAAA">', []),
        ('<link rel="next" href="other.html">', []),
        ('<a href="#away">', ["page.html: the link #away leads nowhere"]),
        ('<a href="other.html#away">', ["page.html: the link other.html#away leads nowhere"]),
        ('<a href="missing.html">', ["page.html: the link missing.html leads nowhere"]),
        ('<a href="http://example.invalid">', ["page.html: the link http://example.invalid leads nowhere"]),
        ('<img src="missing.png">', ["page.html: missing.png does not come with the site"]),
        (
            '<script src="https://cdn.invalid/x.js"></script>',
            ["page.html: https://cdn.invalid/x.js does not come with the site"],
        ),
        (
            '<link rel="stylesheet" href="//fonts.invalid/x.css">',
            ["page.html: //fonts.invalid/x.css does not come with the site"],
        ),
    ],
)
def test_what_the_check_of_the_site_finds(tmp_path: Path, html: str, found: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("")
    (tmp_path / "other.html").write_text('<p id="there">')
    (tmp_path / "page.html").write_text(html)
    assert docs.faults(tmp_path) == found
