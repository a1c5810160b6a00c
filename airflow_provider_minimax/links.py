"""The extra links of operators: buttons on the page of a task."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from airflow_provider_minimax.compat import BaseOperatorLink, conf
from airflow_provider_minimax.provider_info import CONFIG_SECTION
from airflow_provider_minimax.storage.location import plain_url

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

log = logging.getLogger(__name__)

#: The option of Airflow's configuration that says where a browser finds stored files.
_PREFIXES: Final = "link_prefixes"
_WEB: Final = ("http://", "https://")


class MiniMaxMediaLink(BaseOperatorLink):
    """Opens the image or the video of a task; the first of several.

    That is what it has created, awaited, listed, chosen or downloaded; of an export, the newest one, or its contact
    sheet. A downloaded file and a contact sheet open where a browser can find them (``http``, ``https``, and what
    Airflow's ``[minimax] link_prefixes`` maps to these); all else at the service. How long the service keeps an address
    is not documented.

    An operator with this link keeps the address in its attribute ``media_url``, None until there is one.
    """

    name = "Open media"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - part of the signature
        """Return the address; empty while the task has no result.

        Airflow calls this on the worker after each run of the task, also when it defers. Reading the task's XCom here
        would log an error at each deferral, as there is none yet.
        """
        return getattr(operator, "media_url", None) or ""


def first_url(urls: Iterable[object]) -> str | None:
    """Return the first of these that a browser can open as an address."""
    return next((url for url in urls if isinstance(url, str) and url.startswith(_WEB)), None)


def browser_url(path: str) -> str | None:
    """Return where a browser finds a stored file; None where nobody has said so."""
    prefixes = _read_prefixes(conf.get(CONFIG_SECTION, _PREFIXES, fallback=""))
    return address_of(plain_url(path), prefixes)


def address_of(url: str, prefixes: Mapping[str, str]) -> str | None:
    """Return the address that takes the place of a URL's longest known prefix; see ``browser_url``.

    :param prefixes: an address for each; a prefix ends where a segment of the path ends.
    """
    if url.startswith(_WEB):
        return url
    for prefix in sorted(prefixes, key=len, reverse=True):
        rest = url.removeprefix(prefix)
        if rest != url and (prefix.endswith("/") or rest.startswith("/")):
            return prefixes[prefix] + quote(rest)
    return None


def _read_prefixes(option: str) -> dict[str, str]:
    """Return the option as a table. A wrong one costs links, and no task."""
    try:
        table = json.loads(option) if option.strip() else {}
    except ValueError:
        table = None
    if isinstance(table, dict) and all(str(address).startswith(_WEB) for address in table.values()):
        return table
    log.warning(
        "[%s] %s is not a JSON object of http(s) addresses by prefix, so tasks do not link to stored files.",
        CONFIG_SECTION,
        _PREFIXES,
    )
    return {}
