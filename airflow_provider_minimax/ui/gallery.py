"""What a page of the gallery shows: the rows of tasks, from their XComs and their exports. No I/O.

XComs are written by code of DAGs: each value may be anything. What has not the shape of one of our results is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from airflow_provider_minimax.api.cursors import Image, image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_media_id
from airflow_provider_minimax.api.jobs import COMPLETED, media_url
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.export.contact_sheet import cells, media_path, shown_fields
from airflow_provider_minimax.ui.exports import Export, UnreadableError

#: Pictures and videos on a page.
MAX_SHOWN: Final = 1_000
#: Exports out of reach that are named.
_MAX_NAMED: Final = 5
NOTHING: Final = "Nothing here yet: this shows what MiniMax tasks have created, listed, exported or downloaded."
#: Hosts that a page takes pictures from: those of its first rows. A proxy drops a page with long headers.
_MAX_ORIGINS: Final = 10
#: What cannot end a source in a content security policy.
_HOST: Final = re.compile(r"[a-z0-9.-]{1,100}")
#: Exports of one value: each is read.
_MAX_EXPORTS: Final = 10
_MAX_PATH: Final = 1_000
#: Credits that nothing costs.
_MAX_CREDITS: Final = 10**9
#: Lists within lists: mapped tasks give lists of lists.
_MAX_DEPTH: Final = 3


class TaskKey(NamedTuple):
    """A task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    def __str__(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id} [{self.map_index}]"


class Found(NamedTuple):
    """What an XCom shows.

    :param jobs: compact images and videos; of an id alone, only that.
    :param files: where downloaded files are, by the id of their job.
    """

    jobs: list[Image]
    exports: list[str]
    files: dict[str, str]


class Cost(NamedTuple):
    """What a task has submitted.

    :param credits: None where the price is unknown.
    """

    credits: float | None
    jobs: list[object]

    def __str__(self) -> str:
        if self.credits is None:
            return "unknown"
        return f"{self.credits:g} credits" + (f" for the {len(self.jobs)} of this task" if len(self.jobs) > 1 else "")


class XCom(NamedTuple):
    """A value of a task."""

    task: TaskKey
    value: object
    cost: object = None


class Content(NamedTuple):
    """What a page shows.

    :param rows: see ``contact_sheet.cells``.
    :param credits: that the tasks have cost, as far as that is known.
    :param origins: the other hosts that their addresses lead to.
    """

    rows: list[list[object]]
    kind: str
    total: int
    notes: list[str]
    credits: float
    origins: list[str]

    def data(self) -> dict[str, Any]:
        """Return what the script of the page reads."""
        found = {"kind": self.kind, "total": self.total, "rows": self.rows, "notes": self.notes}
        if self.credits:
            found["credits"] = self.credits
        return found if self.rows or self.notes else {**found, "empty": NOTHING}


class _Item(NamedTuple):
    """An image or a video."""

    job: Image
    address: str | None
    facts: dict[str, str]


def gather(
    xcoms: Iterable[XCom],
    read_export: Callable[[str], Export],
    folder: Callable[[TaskKey], str],
    *,
    context: Iterable[XCom] = (),
    name_dag: bool = False,
) -> Content:
    """Return what tasks have made, each image and video once.

    :param xcoms: those of the latest tasks first.
    :param folder: returns the address below which the files of a task's exports are.
    :param context: of other tasks, which may know more of an image than its id.
    :param name_dag: whether to say of which DAG a task is.
    """
    # Each is read once: every run of a sync names the same folder.
    exports: dict[str, Export | None] = {}
    items: dict[str, _Item] = {}
    spent = 0.0
    for xcom in xcoms:
        found, cost = read_value(xcom.value), read_cost(xcom.cost)
        facts = {"Task": f"{xcom.task.dag_id}, {xcom.task}" if name_dag else str(xcom.task)}
        if cost is not None:
            facts["Cost"] = str(cost)
            spent += cost.credits or 0
            found.jobs.extend(read_value(cost.jobs).jobs)
        for job in found.jobs:
            _add(items, _item(job, found, facts))
        for path in found.exports:
            if path not in exports:
                exports[path] = _readable(read_export, path)
            for item in _exported(exports[path], folder(xcom.task), {"Export": path, **facts}):
                _add(items, item)
    for xcom in context:
        found = read_value(xcom.value)
        for job in found.jobs:
            if image_key(job) in items:
                _add(items, _item(job, found, {}))
    shown = list(islice(items.values(), MAX_SHOWN))
    rows = [cells(item.job, item.address, item.facts) for item in shown]
    notes = _lost_notes([path for path, export in exports.items() if export is None])
    total = len(items) + sum(export.total - len(export.rows) for export in exports.values() if export is not None)
    return Content(rows, _kind(items), total, notes, spent, _origins(item.address for item in shown))


def _readable(read_export: Callable[[str], Export], path: str) -> Export | None:
    try:
        return read_export(path)
    except UnreadableError:
        return None


def _lost_notes(lost: list[str]) -> list[str]:
    why = "cannot be read here: gone, or out of the API server's reach."
    notes = [f"The export in {path} {why}" for path in lost[:_MAX_NAMED]]
    rest = len(lost) - len(notes)
    return [*notes, f"{count(rest, 'more export')} {why}"] if rest else notes


def _item(job: Image, found: Found, facts: Mapping[str, str]) -> _Item:
    path = found.files.get(image_key(job) or "")
    return _Item(job, _web_address(media_url(job) or job.get("url")), {**facts, **({"File": path} if path else {})})


def _exported(export: Export | None, folder: str, facts: dict[str, str]) -> Iterator[_Item]:
    for row in export.rows if export is not None else ():
        name = media_path(row)
        yield _Item(row, f"{folder}/{quote(name)}" if name else _web_address(media_url(row)), facts)


def _add(items: dict[str, _Item], item: _Item) -> None:
    """Add an item, or what it says more of one that is there."""
    key = image_key(item.job)
    if key is None:
        return
    known = items.get(key)
    if known is None:
        items[key] = item
        return
    items[key] = _Item(
        _merge((known.job, item.job)),
        # The file that we keep lives longer than the link of the service.
        item.address if _is_ours(item.address) else known.address or item.address,
        # The earlier task is the one that has created it.
        {**known.facts, **item.facts},
    )


def _kind(items: Iterable[str]) -> str:
    kinds = {"video" if "-video:" in key else "image" for key in items}
    return kinds.pop() if len(kinds) == 1 else "item"


def _is_ours(address: str | None) -> bool:
    return address is not None and "://" not in address


def _web_address(url: object) -> str | None:
    """Return an address at the service; None for anything that is no plain web address."""
    return url if isinstance(url, str) and _origin(url) else None


def _origin(url: str) -> str | None:
    """Return scheme, host and port as they may stand in a content security policy."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host or ""):
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _origins(addresses: Iterable[str | None]) -> list[str]:
    origins = dict.fromkeys(origin for address in addresses if address and (origin := _origin(address)))
    return sorted(islice(origins, _MAX_ORIGINS))


def read_value(value: object) -> Found:
    """Return what the value of an XCom shows.

    :param value: as the database holds it: JSON, or its text.
    """
    found = Found([], [], {})
    for one in _flatten(_load(value)):
        if isinstance(one, str):
            if _is_id(one):
                found.jobs.append(_bare_job(one, "submitted"))
        elif isinstance(path := one.get("path"), str):
            _read_path(one, path, found)
        elif _is_id(image_key(dict(one))):
            found.jobs.append(shown_fields(one))
    return found


def _read_path(one: Mapping[str, Any], path: str, found: Found) -> None:
    """Read the summary of an export, or a row of a download."""
    key = one.get("id")
    if isinstance(one.get("manifest"), str):
        if len(found.exports) < _MAX_EXPORTS and len(path) <= _MAX_PATH:
            found.exports.append(path)
    elif isinstance(key, str) and _is_id(key):
        found.jobs.append(_bare_job(key, COMPLETED))
        found.files[key] = path[:_MAX_PATH]


def _merge(jobs: Iterable[Image]) -> Image:
    """Return what several results say of one job; the later ones add what the earlier ones leave out.

    Whatever has more to say than an id comes first.
    """
    merged: dict[str, Any] = {}
    for job in sorted(jobs, key=lambda job: "status" not in job):
        merged |= {name: value for name, value in job.items() if value not in (None, "") and not merged.get(name)}
    return merged


def read_cost(value: object) -> Cost | None:
    """Return what a task's XCom ``minimax_cost`` says; None where it is something else."""
    cost = _load(value)
    if not isinstance(cost, Mapping) or not isinstance(jobs := cost.get("jobs"), list):
        return None
    price = cost.get("credits")
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < _MAX_CREDITS:
        return Cost(None, jobs)
    return Cost(float(price), jobs)


def _load(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        # A text as it is: such as an id.
        return value


def _flatten(value: object, depth: int = 0) -> Iterator[str | Mapping[str, Any]]:
    if isinstance(value, str | Mapping):
        yield value
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for one in value:
            yield from _flatten(one, depth + 1)


def _is_id(value: object) -> bool:
    try:
        parse_media_id(value)
    except MiniMaxBadRequestError:
        return False
    return True


def _bare_job(key: str, label: str) -> Image:
    return {f"{parse_media_id(key).kind}Id": key, "statusLabel": label}
