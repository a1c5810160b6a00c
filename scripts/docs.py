"""Build the site of the docs and check it, without network: every warning and every broken link is an error.

Run by ``make docs``. Links to other hosts are not followed; what a page loads has to come with the site.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from scripts.local_airflow import ROOT

SITE: Final = ROOT / "docs" / "_build" / "html"

#: Attributes by which a page loads something.
_LOADS: Final = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
#: Links of a page's head that load nothing.
_NOT_LOADED: Final = {"canonical", "index", "search", "next", "prev", "edit"}


class _Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        loaded = values.get(_LOADS.get(tag, ""))
        if loaded and not (tag == "link" and values.get("rel") in _NOT_LOADED):
            self.loads.append(loaded)


def faults(site: Path) -> list[str]:
    """Return what is wrong with the links of a site: each with its page.

    :param site: the folder of the site.
    """
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        broken = [link for link in page.links if _is_broken(path, link, pages)]
        foreign = [link for link in page.loads if urlsplit(link).netloc or not _target(path, link).is_file()]
        name = path.relative_to(site)
        found += [f"{name}: the link {link} leads nowhere" for link in broken]
        found += [f"{name}: {link} does not come with the site" for link in foreign if not link.startswith("data:")]
    return found


def _target(page: Path, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    target = (page.parent / path).resolve() if path else page
    return target / "index.html" if target.is_dir() else target


def _is_broken(page: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme not in ("https", "mailto")
    target = _target(page, link)
    if not target.is_file():
        return True
    return bool(parts.fragment) and target in pages and unquote(parts.fragment) not in pages[target].anchors


def main() -> int:
    """Build the site, check it, and say where it is."""
    # From scratch: pages of an earlier build would hide a missing one.
    shutil.rmtree(SITE.parent, ignore_errors=True)
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(SITE.parent / "doctrees")]
    built = subprocess.run([sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(SITE)], check=False)
    if built.returncode != 0:
        return built.returncode
    found = faults(SITE.resolve())
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        return 1
    count = sum(1 for _ in SITE.rglob("*.html"))
    print(f"{count} pages without a warning or a broken link: {(SITE / 'index.html').relative_to(ROOT)}")
    return 0
