"""The pages of the docs that are generated: one for each public class, the example DAGs, errors, the changelog.

Which classes there are says the description of the provider, what they do say their docstrings, and the examples are
the statements of the example DAGs that use them. So a new class has its page, and none of it can be out of date.
"""

from __future__ import annotations

import ast
import importlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airflow_provider_minimax.provider_info import get_provider_info
from scripts.local_airflow import EXAMPLE_DAGS, ROOT

DOCS: Final = ROOT / "docs"
#: Holds generated pages only, and is made again by each build.
REFERENCE: Final = DOCS / "reference"
ERRORS: Final = "airflow_provider_minimax.api.errors"

#: A part of the reference, the section of `provider_info`, and modules that none of its sections names.
_PARTS: Final = (
    ("Operators", "operators", ()),
    ("Sensors", "sensors", ()),
    ("Triggers", "triggers", ()),
    ("Hook and retries", "hooks", ("airflow_provider_minimax.retry_policy",)),
)
#: How the names of public classes end. A module may hold a helper beside them.
_KINDS: Final = ("Operator", "Sensor", "Trigger", "Hook", "Policy")
_WITH_METHODS: Final = ("Hook and retries",)
#: All but those that only Airflow, or the provider itself, calls.
_METHODS: Final = """\
   :members:
   :member-order: bysource
   :exclude-members: get_connection_form_widgets, get_ui_field_behaviour, evaluate, serialize, deserialize, sleep,
      aget_settings
"""

_INTRODUCTION: Final = """\
# Reference

Every public class, with its parameters and an example that runs in the tests. The guides say when to use which.
"""
_MORE: Final = """
## More

| page | what it has |
|---|---|
| [Classes of errors](errors.md) | what Airflow retries, and what it does not |
| [Example DAGs](examples.md) | each of them whole |
| [Changelog](changelog.md) | what changed for a user |
"""


@dataclass(frozen=True)
class PublicClass:
    """A class that has a page.

    :param part: the part of the index that it stands in.
    """

    part: str
    module: str
    name: str

    @property
    def path(self) -> str:
        """What a DAG imports."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Example:
    """The lines of an example DAG that use a class, from 1, both included."""

    file: Path
    first: int
    last: int
    indent: int


def public_classes() -> list[PublicClass]:
    """Return the classes that `provider_info` names, module by module, in the order of their definition."""
    info = get_provider_info()
    found = []
    for part, section, further in _PARTS:
        modules = [name for group in info.get(section, ()) for name in group["python-modules"]]
        for module in (*modules, *further):
            names = [name for name in _defined_in(module) if name.endswith(_KINDS)]
            found += [PublicClass(part, module, name) for name in names]
    return found


def error_names() -> list[str]:
    """Return the names of the errors."""
    return _defined_in(ERRORS)


def examples_of(name: str) -> list[Example]:
    """Return where the example DAGs use a class: one statement a file, with the comment above it."""
    found = []
    for file in sorted(EXAMPLE_DAGS.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        lines = text.splitlines()
        statement = next((node for node in _simple_statements(ast.parse(text)) if _uses(node, name)), None)
        if statement is not None:
            first = statement.lineno
            while lines[first - 2].lstrip().startswith("#"):
                first -= 1
            found.append(Example(file, first, statement.end_lineno or first, statement.col_offset))
    return found


def guides(index: str) -> dict[str, str]:
    """Return the guide of each class: the first link of its row in the table of classes.

    :param index: the Markdown of the page that holds the table.
    """
    rows = re.findall(r"^\| `[a-z_.]+\.(MiniMax\w+)` \| .*?\]\(([\w-]+\.md(?:#[\w-]+)?)\)", index, re.MULTILINE)
    return dict(rows)


def contents(index: str) -> str:
    """Return the table of contents of the site: the guides, then the generated pages.

    :param index: the Markdown of the first page, whose table of pages names the guides in their order.
    """
    guide_pages = re.findall(r"^\| \[[^\]]+\]\(([\w-]+)\.md\) \|", index, re.MULTILINE)
    classes = public_classes()
    parts = [("Guides", guide_pages)]
    parts += [(part, [f"reference/{one.name}" for one in classes if one.part == part]) for part, *_ in _PARTS]
    parts.append(("More", [f"reference/{name}" for name in ("index", "errors", "examples", "changelog")]))
    return "".join(
        "\n```{{toctree}}\n:hidden:\n:caption: {}\n\n{}\n```\n".format(part, "\n".join(names)) for part, names in parts
    )


def write_pages() -> None:
    """Write all pages, in the place of those of an earlier build."""
    shutil.rmtree(REFERENCE, ignore_errors=True)
    REFERENCE.mkdir()
    for name, text in pages().items():
        (REFERENCE / f"{name}.md").write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its name."""
    classes = public_classes()
    guide = guides((DOCS / "index.md").read_text(encoding="utf-8"))
    return {
        "index": _index(classes),
        "errors": _errors(),
        "examples": _examples(),
        "changelog": "```{include} ../../CHANGELOG.md\n:relative-docs: docs/\n```\n",
        **{one.name: _class_page(one, guide.get(one.name)) for one in classes},
    }


def _defined_in(module: str) -> list[str]:
    members = vars(importlib.import_module(module))
    return [name for name, value in members.items() if name.startswith("MiniMax") and value.__module__ == module]


def _simple_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Iterate over the statements that hold no others."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body"))


def _uses(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return False
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(statement))


def _index(classes: list[PublicClass]) -> str:
    text = [_INTRODUCTION]
    for part, *_ in _PARTS:
        text.append(f"\n## {part}\n\n| class | what it does |\n|---|---|\n")
        text += [f"| [{one.name}]({one.name}.md) | {_summary(one)} |\n" for one in classes if one.part == part]
    return "".join([*text, _MORE])


def _summary(one: PublicClass) -> str:
    doc = getattr(importlib.import_module(one.module), one.name).__doc__
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[.;:]) ", paragraph)[0].rstrip(".;:").replace("``", "`").replace("|", "\\|")


def _class_page(one: PublicClass, guide: str | None) -> str:
    text = [f"# {one.name}\n\n"]
    if guide is not None:
        title = (DOCS / guide.split("#")[0]).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        text.append(f"The guide for it: [{title}](../{guide}).\n\n")
    examples = examples_of(one.name)
    if one.part == "Triggers" and guide is None:
        text.append("Operators and sensors start this trigger; a DAG does not name it.\n\n")
    options = _METHODS if one.part in _WITH_METHODS else ""
    text.append(f"```python\nfrom {one.module} import {one.name}\n```\n\n")
    text.append(f"```{{eval-rst}}\n.. autoclass:: {one.path}\n{options}```\n")
    for number, example in enumerate(examples):
        text.append("\n## Example\n" if number == 0 else "")
        text.append(
            f"\nFrom [{example.file.name}](examples.md#{example.file.stem}), which runs in the tests as it is:\n\n"
            f"```{{literalinclude}} ../../example_dags/{example.file.name}\n:language: python\n"
            f":lines: {example.first}-{example.last}\n:dedent: {example.indent}\n```\n"
        )
    return "".join(text)


def _errors() -> str:
    names = "".join(f".. autoexception:: {ERRORS}.{name}\n   :show-inheritance:\n\n" for name in error_names())
    return f"# Classes of errors\n\n[Errors](../errors.md) says what to do about each.\n\n```{{eval-rst}}\n{names}```\n"


def _examples() -> str:
    text = ["# Example DAGs\n\nEach of them runs in the tests as it is.\n"]
    for file in sorted(EXAMPLE_DAGS.glob("*.py")):
        summary = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        text.append(
            f"\n## {file.stem}\n\n{summary}\n\n"
            f"```{{literalinclude}} ../../example_dags/{file.name}\n:language: python\n```\n"
        )
    return "".join(text)
