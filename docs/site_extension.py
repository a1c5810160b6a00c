"""What the site has beyond the Markdown of the docs: generated pages, and links between guides and reference."""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import inspect as sphinx_inspect

from scripts import local_airflow, reference_pages
from scripts.local_airflow import ROOT

REPOSITORY = "https://github.com/airflow-provider-minimax/airflow-provider-minimax"
PACKAGE = "airflow_provider_minimax"

#: Where links that leave the folder of the docs lead to on the site: files of the repository, but for these.
_PAGES_OF_THE_SITE = {"CHANGELOG.md": "reference/changelog.md", "example_dags": "reference/examples.md"}


def _fit_to_the_site(_: Sphinx, docname: str, source: list[str]) -> None:
    """Let the links of a guide to files of the repository work on the site, and give the first page its contents.

    Both would be noise where the Markdown is read as it is.
    """

    def target(match: re.Match[str]) -> str:
        path = match[1]
        page = _PAGES_OF_THE_SITE.get(path)
        if page is None and path.startswith("example_dags/"):
            page = f"reference/examples.md#{Path(path).stem}"
        return f"]({page or f'{REPOSITORY}/blob/main/{path}'})"

    if docname == "index":
        source[0] += reference_pages.contents(source[0])
    if "/" not in docname:
        source[0] = re.sub(r"\]\(\.\./([^)]+)\)", target, source[0])


def _show_shared_parameters() -> None:
    """Let each class show the parameters that it shares with others, and those that ``**kwargs`` hides.

    Sphinx reads a signature from ``__signature__`` and the rest from ``__doc__``.
    """
    for one in reference_pages.public_classes():
        cls = getattr(sys.modules[one.module], one.name)
        bases = [base for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]
        signature = _constructor(bases)
        doc = inspect.getdoc(cls) or ""
        own = _fields(doc)
        # Those of the nearest class first.
        shared: dict[str, str] = {}
        for base in bases[1:]:
            shared = {
                **shared,
                **{name: text for name, text in _fields(base.__doc__ or "").items() if name not in shared},
            }
        missing = [text for name, text in shared.items() if name in signature.parameters and name not in own]
        cls.__signature__ = signature
        cls.__doc__ = _insert(doc, "\n".join(missing))


def _constructor(bases: list[type]) -> inspect.Signature:
    """Return the signature of a class, with what its ``**kwargs`` pass on to its bases."""
    found: dict[str, inspect.Parameter] = {}
    for base in bases:
        if "__init__" not in vars(base):
            continue
        parameters = {
            name: one.replace(annotation=_spelled(one.annotation))
            for name, one in sphinx_inspect.signature(base.__init__).parameters.items()
        }
        passed_on = {name: one.replace(kind=one.KEYWORD_ONLY) for name, one in parameters.items() if _is_named(one)}
        rest = found.pop("kwargs", None)
        found |= passed_on if rest else parameters
        found.pop("self", None)
        if "kwargs" not in parameters:
            break
        found["kwargs"] = parameters["kwargs"]
    return inspect.Signature(list(found.values()))


def _spelled(annotation: object) -> object:
    """Return a type with the names that stand for others spelled out."""
    if not isinstance(annotation, str):
        return annotation
    text = re.sub(r"^Templated\[(.+)\]$", r"\1 | XComArg", annotation)
    return re.sub(r"\w+", lambda word: _types().get(word[0], word[0]), text)


@cache
def _types() -> dict[str, str]:
    # Here, for they import Airflow, which `setup` prepares.
    from airflow_provider_minimax import arguments
    from airflow_provider_minimax.api import settings, validation
    from airflow_provider_minimax.export import formats
    from airflow_provider_minimax.polling import wait_spec

    words = {
        "CheckInputs": settings.CheckInputs,
        "ExportMode": arguments.ExportMode,
        "FileFormat": formats.FileFormat,
        "OnEmpty": validation.OnEmpty,
        "OnMediaError": arguments.OnMediaError,
        "OnUnknownOutcome": arguments.OnUnknownOutcome,
        "Require": wait_spec.Require,
    }
    return {name: f"Literal{list(get_args(word))}" for name, word in words.items()} | {
        "Ids": "str | dict | list | XComArg",
        "Location": "str | Path | ObjectStoragePath",
        "PointInTime": "datetime | str | float | None",
    }


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _fields(doc: str) -> dict[str, str]:
    """Return the fields ``:param name:`` of a docstring, each with the lines that belong to it."""
    found = re.findall(r"^(:param (\w+):.*(?:\n[ \t]+.*)*)", inspect.cleandoc(doc), re.MULTILINE)
    return {name: text for text, name in found}


def _insert(doc: str, fields: str) -> str:
    """Insert fields behind the last parameter of a docstring."""
    if not fields:
        return doc
    ends = [match.end() for match in re.finditer(r"^:param \w+:.*(?:\n[ \t]+.*)*", doc, re.MULTILINE)]
    if not ends:
        return f"{doc}\n\n{fields}\n"
    return f"{doc[: ends[-1]]}\n{fields}{doc[ends[-1] :]}"


def _link_classes(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the name of a class, wherever a text has it as code, to the page of the class."""
    targets = {name: ("reference/errors", f"{reference_pages.ERRORS}.{name}") for name in reference_pages.error_names()}
    targets |= {one.name: (f"reference/{one.name}", "") for one in reference_pages.public_classes()}
    for literal in list(doctree.findall(nodes.literal)):
        page, anchor = targets.get(literal.astext().rsplit(".", 1)[-1], (docname, ""))
        if page == docname or isinstance(literal.parent, nodes.reference):
            continue
        uri = app.builder.get_relative_uri(docname, page) + (f"#{anchor}" if anchor else "")
        module, dot, name = literal.astext().rpartition(".")
        # A line may break in front of the name.
        parts = [nodes.Text(module + dot), nodes.raw("", "<wbr>", format="html")] if dot else []
        code = nodes.literal("", "", *parts, nodes.Text(name), classes=literal["classes"])
        literal.replace_self(nodes.reference("", "", code, refuri=uri, internal=True))


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the generated pages, and connect what changes the others."""
    # Defaults of parameters come from Airflow's settings, which must not be those of the shell.
    local_airflow.activate(ROOT / ".airflow" / "docs", dags=local_airflow.EXAMPLE_DAGS)
    reference_pages.write_pages()
    _show_shared_parameters()
    app.connect("source-read", _fit_to_the_site)
    app.connect("doctree-resolved", _link_classes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
