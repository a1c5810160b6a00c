"""What the XComs of tasks say that there is to see. No I/O.

XComs are written by code of DAGs: each value may be anything. What has not the shape of one of our results is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api.cursors import image_key
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_media_id
from airflow_provider_minimax.api.jobs import COMPLETED
from airflow_provider_minimax.api.pagination import Image
from airflow_provider_minimax.export.contact_sheet import shown_fields

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
    :param exports: the folders of exports.
    :param files: where downloaded files are, by the id of their job.
    """

    jobs: list[Image]
    exports: list[str]
    files: dict[str, str]


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


def merge(jobs: Iterable[Image]) -> Image:
    """Return what several results say of one job; the later ones add what the earlier ones leave out.

    Whatever has more to say than an id comes first.
    """
    merged: dict[str, Any] = {}
    for job in sorted(jobs, key=lambda job: "status" not in job):
        merged |= {name: value for name, value in job.items() if value not in (None, "") and not merged.get(name)}
    return merged


class Cost(NamedTuple):
    """What a task has submitted.

    :param credits: None where the price is unknown.
    :param jobs: the ids of images and videos.
    """

    credits: float | None
    jobs: list[object]

    def __str__(self) -> str:
        if self.credits is None:
            return "unknown"
        return f"{self.credits:g} credits" + (f" for the {len(self.jobs)} of this task" if len(self.jobs) > 1 else "")


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
