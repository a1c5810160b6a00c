"""Selecting images and videos by status and by creation time.

The service filters by neither, so both are applied to the items of its list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Self

from airflow_provider_minimax.api.cursors import Image, Page
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxScanLimitError
from airflow_provider_minimax.api.jobs import (
    KNOWN_LABELS,
    Job,
    check_labels,
    created_at,
    epoch_milliseconds,
    selection_label,
)
from airflow_provider_minimax.api.kinds import IMAGES, MediaKind
from airflow_provider_minimax.api.validation import optional_text

#: A point in time as a parameter gives it.
PointInTime = datetime | str | float | None

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Nothing was created before; a time outside of this range is in another unit.
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
#: ``2026-01-10`` without its dashes, as ``{{ ds_nodash }}`` gives it.
_BASIC_DATE: Final = re.compile(r"\d{8}", re.ASCII)
_DIGITS: Final = re.compile(r"[\d.]+(e\+?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Selection:
    """Images with one of these status labels, created within ``[created_from, created_to)``. None stands for any.

    Both times are timezone-aware.
    """

    statuses: frozenset[str] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    @classmethod
    def parse(
        cls,
        statuses: Collection[str] | str | None = None,
        created_from: PointInTime = None,
        created_to: PointInTime = None,
    ) -> Self:
        """Parse the rendered parameters of a task.

        :param statuses: labels such as ``"completed"``, or the text of their list.
        :param created_from: inclusive; see ``point_in_time``.
        :param created_to: exclusive.
        :raises MiniMaxBadRequestError: an unknown label, an invalid time, or an empty window.
        """
        start = None if created_from is None else point_in_time("created_from", created_from)
        end = None if created_to is None else point_in_time("created_to", created_to)
        if start is not None and end is not None and start >= end:
            raise MiniMaxBadRequestError(
                f"The window [{start.isoformat()}, {end.isoformat()}) is empty: created_from must be before "
                "created_to. (A schedule such as '@daily' gives an interval of no length; use "
                "CronDataIntervalTimetable.)"
            )
        labels = None if statuses is None else check_labels("statuses", statuses, KNOWN_LABELS)
        if labels is not None and not labels:
            raise MiniMaxBadRequestError("statuses is an empty list: nothing can match. Leave it out for all.")
        return cls(labels, start, end)

    def describe(self) -> dict[str, Any]:
        """Return the selection as plain JSON."""
        return {
            "statuses": None if self.statuses is None else sorted(self.statuses),
            "created_from": self.created_from and self.created_from.isoformat(),
            "created_to": self.created_to and self.created_to.isoformat(),
        }

    def accepts(self, image: Job) -> bool:
        """Return whether an image matches. One without a creation time lies in no window."""
        return (self.statuses is None or selection_label(image) in self.statuses) and self.covers(image)

    def covers(self, image: Job) -> bool:
        """Return whether an image was created within the window, whatever its status."""
        if self.created_from is None and self.created_to is None:
            return True
        created = created_at(image)
        if created is None:
            return False
        return not (
            (self.created_from is not None and created < _milliseconds(self.created_from))
            or (self.created_to is not None and created >= _milliseconds(self.created_to))
        )

    def is_past(self, page: Sequence[Job]) -> bool:
        """Return whether a walk has passed the window with this page, and may stop.

        The order of the list is not documented, only observed (newest first): so the complete page has to be
        older than the window, and in that order.
        """
        if self.created_from is None or not page:
            return False
        times = [created for image in page if (created := created_at(image)) is not None]
        return len(times) == len(page) and max(times) < _milliseconds(self.created_from) and times[0] >= times[-1]


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000


def point_in_time(parameter: str, value: object) -> datetime:
    """Return a time, with its zone.

    :param value: a datetime or an ISO string, UTC where it names no zone; or epoch milliseconds (of ten digits:
        seconds), as a number or as text.
    :raises MiniMaxBadRequestError: it is none.
    """
    moment = value if isinstance(value, datetime) else _read_moment(parameter, value)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _EARLIEST <= moment < _LATEST:
        raise MiniMaxBadRequestError(
            f"{parameter}: {value!r} is {moment.isoformat()}, which is no time from {_EARLIEST.year} to "
            f"{_LATEST.year - 1}. Give a datetime, an ISO time, or epoch milliseconds."
        )
    return moment


def _read_moment(parameter: str, value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MiniMaxBadRequestError(
            f"{parameter} takes a datetime or an ISO string, or epoch milliseconds, not {value!r}."
        )
    text = str(value).strip()
    if text == "None":
        raise MiniMaxBadRequestError(f"{parameter}: {value!r} is not an ISO time (this run has no data interval).")
    optional_text(parameter, value)
    try:
        if _DIGITS.fullmatch(text) and not _BASIC_DATE.fullmatch(text):
            # The standard library would read the digits of a number as a date of the year 1768.
            milliseconds = epoch_milliseconds(text)
            if milliseconds is None:
                raise ValueError(text)
            return _EPOCH + timedelta(milliseconds=milliseconds)
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise MiniMaxBadRequestError(f"{parameter}: {value!r} is not an ISO time.") from None


def check_times(pages: Iterable[Page], selection: Selection, kind: MediaKind) -> Iterator[Page]:
    """Yield the pages of a list, if its items show the times that the selection is by.

    The service does not document a time of videos. Without one nothing would lie in any window, and a task would
    report that nothing was created.

    :raises MiniMaxBadRequestError: the selection has a window, and the first items show no time.
    """
    if kind.has_times or (selection.created_from is None and selection.created_to is None):
        yield from pages
        return
    is_timed = False
    for page in pages:
        if page.images and not is_timed:
            if all(created_at(image) is None for image in page.images):
                raise MiniMaxBadRequestError(
                    f"The list of {kind.plural} shows no creation times (createTime), so created_from and created_to "
                    "can select nothing. Leave them out, and select by statuses."
                )
            is_timed = True
        yield page


class SelectedPage(NamedTuple):
    """The matching images of a page, the images scanned so far, and the service's count of all."""

    images: list[Image]
    scanned: int
    total: int | None = None


def select_pages(
    pages: Iterable[Page],
    selection: Selection,
    limit: int | None = None,
    max_scanned: int | None = None,
    kind: MediaKind = IMAGES,
) -> Iterator[SelectedPage]:
    """Yield the matching images page by page, until no more can match.

    :param limit: stop after so many matching images; None for all.
    :param max_scanned: the most images to scan; None for no bound.
    :param kind: what the pages hold, for the error.
    :raises MiniMaxScanLimitError: older images remain, and they may match.
    """
    scanned = chosen = 0
    for page in pages:
        room = None if max_scanned is None else max_scanned - scanned
        seen = page.images[:room]
        images = [image for image in seen if selection.accepts(image)]
        if limit is not None:
            images = images[: limit - chosen]
        scanned += len(seen)
        chosen += len(images)
        yield SelectedPage(images, scanned, page.total)
        if chosen == limit or selection.is_past(seen):
            return
        if len(seen) < len(page.images):
            raise MiniMaxScanLimitError(
                f"The search stopped at max_scanned={max_scanned}: of the {scanned:,} newest {kind.plural} {chosen:,} "
                "match, and older ones may match, too. A retry would scan the same. Raise max_scanned, leave it "
                "out (created_from bounds the search as well), or ask for fewer."
            )
