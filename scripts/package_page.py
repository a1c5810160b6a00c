"""The page of the package index: the README, with links that also work away from the repository.

Hatchling runs this when it builds the package; ``pyproject.toml`` names it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The target of a link that neither names a scheme nor stays on the page.
_RELATIVE = r"(?![a-z]+:|#)([^)\s]+)\)"


def with_absolute_links(text: str, repository: str) -> str:
    """Return Markdown whose links to files of the repository, and pictures of it, name their whole address.

    :param repository: the address of the repository.
    """
    text = re.sub(rf"(!\[[^\]]*\]\(){_RELATIVE}", rf"\1{repository}/raw/main/\2)", text)
    return re.sub(rf"(\]\(){_RELATIVE}", rf"\1{repository}/blob/main/\2)", text)


class PackagePage(MetadataHookInterface):
    """Sets the field ``readme`` of the package's metadata."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Read the README, and change its links."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        page = with_absolute_links(text, metadata["urls"]["Source"])
        metadata["readme"] = {"content-type": "text/markdown", "text": page}
