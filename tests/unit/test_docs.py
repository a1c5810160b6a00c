"""The README and the docs: their links lead somewhere, their code runs, their words are the field's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from airflow.sdk import DAG
from markdown_it import MarkdownIt
from markdown_it.token import Token

from airflow_provider_minimax.provider_info import get_provider_info
from tests.support import ROOT

README = ROOT / "README.md"
PAGES = [README, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]
PAGES += sorted((ROOT / "docs").glob("*.md"))
MAX_README_LINES = 120
PACKAGE = "airflow_provider_minimax"

#: Words that the docs do not use, whatever they speak of. CONTRIBUTING names them, and the words to say instead.
UNWANTED = re.compile(
    r"\banew\b|\bgiven up\b|\bbeyond doubt\b|\btaken away by a person\b|\blooked for and found\b|\bin nobody's hands\b"
    r"|\borders? (a|an|the|no|new|nothing)\b|\bordered\b|\bpatience\b|\bof no use\b|\bwhat is meant\b"
    r"|\bnone that is known\b|\bwhat there is not\b|\bgo(es)? on from the\b|\blets? go of\b|\bletting go of\b"
    r"|\b(earlier|later|next|one|this|killed|each) try\b|\btries of\b|\bits answer\b|\bthe answers?\b|\ban answer\b"
    r"|\b(MOST|LONGEST|LARGEST)_",
    re.IGNORECASE,
)


class Block(NamedTuple):
    """A Python block of a page."""

    page: Path
    line: int
    code: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or ():
            if child.type == "link_open":
                yield str(child.attrs["href"])
            elif child.type == "image":
                yield str(child.attrs["src"])
                yield from (str(one.attrs["href"]) for one in child.children or () if one.type == "link_open")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub, and MyST with ``myst_heading_anchors``, give the headings of a page."""
    found: list[str] = []
    for heading, inline in zip(tokens(page), tokens(page)[1:], strict=False):
        if heading.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            repeated = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in found)
            found.append(f"{slug}-{repeated}" if repeated else slug)
    return frozenset(found)


def broken(page: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme != "https"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(parts.fragment) and (target.suffix != ".md" or parts.fragment not in anchors(target))


def blocks() -> list[Block]:
    return [
        Block(page, token.map[0] + 1, token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.info == "python" and token.map
    ]


def identify(value: Path | Block) -> str:
    return value.name if isinstance(value, Block) else str(value.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_link_and_anchor_resolves(page: Path) -> None:
    assert [link for link in links(page) if broken(page, link)] == []


def test_a_broken_link_is_seen() -> None:
    assert broken(README, "docs/missing.md")
    assert broken(README, "docs/index.md#missing")
    assert broken(README, "../outside.md")
    assert broken(README, "http://example.invalid")
    assert not broken(README, "docs/index.md#classes")


def test_every_page_of_the_docs_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {index, *((index.parent / urlsplit(link).path).resolve() for link in links(index))}
    assert {page for page in PAGES if page.parent == index.parent} <= reached


def test_the_readme_is_of_one_screen() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("block", blocks(), ids=identify)
def test_every_python_block_runs(block: Block) -> None:
    # The line numbers of the page, for whoever reads a failure.
    code = compile("\n" * block.line + block.code, str(block.page), "exec")
    try:
        # Tasks that depend on each other want a DAG; a block that has its own uses that.
        with DAG("docs"):
            exec(code, {"__name__": "docs"})
    except ImportError as error:
        if "needs Airflow" not in str(error):
            raise
        pytest.skip(str(error))


def test_the_dag_of_the_readme_is_short() -> None:
    (block,) = (block for block in blocks() if block.page == README)
    assert len(block.code.splitlines()) <= 12
    found: dict[str, object] = {}
    exec(block.code, found)
    assert found["images"].dag.task_ids == ["images", "choose", "video", "files"]  # type: ignore[attr-defined]


def test_the_readme_and_the_index_name_every_class() -> None:
    info = get_provider_info()
    modules = [
        module
        for section in ("operators", "sensors", "hooks")
        for integration in info[section]
        for module in integration["python-modules"]
    ]
    wanted = {
        f"{module.removeprefix(f'{PACKAGE}.')}.{name}"
        for module in [*modules, f"{PACKAGE}.retry_policy"]
        for name in public_classes(module)
    }
    # Those triggers that a DAG names itself.
    events = {f"triggers.new_media.{name}" for name in public_classes(f"{PACKAGE}.triggers.new_media")}
    for page, also in ((README, set()), (ROOT / "docs" / "index.md", events)):
        named = set(re.findall(r"`([a-z_.]+\.MiniMax\w+)`", page.read_text(encoding="utf-8")))
        assert named - events == wanted
        assert also <= named


def public_classes(module: str) -> list[str]:
    """Return the classes that a module defines, without importing it: one of them needs a newer Airflow."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("MiniMax")]


def test_every_error_is_explained() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    wanted = public_classes(f"{PACKAGE}.api.errors")
    assert len(wanted) > 10
    assert [name for name in wanted if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=identify)
def test_the_words_are_those_of_the_field(page: Path) -> None:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    assert [f"{number}: {word[0]}" for number, line in lines for word in UNWANTED.finditer(line)] == []


def test_a_commit_and_make_lint_use_the_same_ruff() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    rev = re.search(r"ruff-pre-commit\n +rev: v(\S+)", hooks)
    pinned = re.search(r"^ruff==(\S+)", constraints, re.MULTILINE)
    assert rev is not None
    assert pinned is not None
    assert rev[1] == pinned[1]
