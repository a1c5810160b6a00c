"""Which images of an account are meant: by status and by time of creation.

The service filters by neither, so both are applied to what the list gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import KNOWN_LABELS, Job, check_labels, counts_as, created_at
from airflow_provider_minimax.api.paging import Image, Page

#: A point in time as a parameter gives it.
Moment = datetime | str | None


@dataclass(frozen=True)
class Selection:
    """Images with one of these statuses, created within ``[created_from, created_to)``.

    :param statuses: status labels; None for all.
    :param created_from: aware; None for no bound.
    :param created_to: aware; None for no bound.
    """

    statuses: frozenset[str] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    @classmethod
    def parse(
        cls, statuses: Collection[str] | None = None, created_from: Moment = None, created_to: Moment = None
    ) -> Self:
        """Read the parameters of a task, after their templates are rendered.

        :param statuses: labels such as ``"completed"``.
        :param created_from: a datetime or an ISO string; UTC where it names no zone. Inclusive.
        :param created_to: the same; exclusive.
        :raises MiniMaxBadRequestError: an unknown label, a time that is none, or an empty window.
        """
        start, end = _moment("created_from", created_from), _moment("created_to", created_to)
        if start is not None and end is not None and start >= end:
            raise MiniMaxBadRequestError(
                f"The window [{start.isoformat()}, {end.isoformat()}) is empty: created_from must be before "
                "created_to. (A schedule such as '@daily' gives an interval of no length; use "
                "CronDataIntervalTimetable.)"
            )
        labels = None if statuses is None else check_labels("statuses", statuses, KNOWN_LABELS)
        if labels is not None and not labels:
            raise MiniMaxBadRequestError("statuses is an empty list: no image can match. Leave it out for all.")
        return cls(labels, start, end)

    def describe(self) -> dict[str, Any]:
        """Return the selection as plain JSON."""
        return {
            "statuses": None if self.statuses is None else sorted(self.statuses),
            "created_from": self.created_from and self.created_from.isoformat(),
            "created_to": self.created_to and self.created_to.isoformat(),
        }

    def accepts(self, image: Job) -> bool:
        """Tell whether an image is meant. One without a time of creation lies in no window."""
        return (self.statuses is None or counts_as(image) in self.statuses) and self.covers(image)

    def covers(self, image: Job) -> bool:
        """Tell whether an image was created within the window, whatever its status."""
        if self.created_from is None and self.created_to is None:
            return True
        created = created_at(image)
        if created is None:
            return False
        return not (
            (self.created_from is not None and created < _milliseconds(self.created_from))
            or (self.created_to is not None and created >= _milliseconds(self.created_to))
        )

    def lies_behind(self, page: Sequence[Job]) -> bool:
        """Tell whether a walk that met this page has passed the window and may stop.

        The order of the list is not documented, newest first is what is seen: so the whole page has to be
        older than the window, and in that order.
        """
        if self.created_from is None or not page:
            return False
        times = [created for image in page if (created := created_at(image)) is not None]
        return len(times) == len(page) and max(times) < _milliseconds(self.created_from) and times[0] >= times[-1]


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000


def _moment(parameter: str, value: Moment) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            hint = " (this run has no data interval)" if value == "None" else ""
            raise MiniMaxBadRequestError(f"{parameter}: {value!r} is not an ISO time{hint}.") from None
    if not isinstance(value, datetime):
        raise MiniMaxBadRequestError(f"{parameter} takes a datetime or an ISO string, not {value!r}.")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class Chosen(NamedTuple):
    """What a page holds of the selection, and how many images the walk has met so far."""

    images: list[Image]
    scanned: int


def choose(pages: Iterable[Page], selection: Selection, limit: int | None = None) -> Iterator[Chosen]:
    """Go through the pages of a walk until the selection cannot hold more.

    :param limit: the number of chosen images after which to stop; None for all.
    """
    scanned = chosen = 0
    for page in pages:
        scanned += len(page.images)
        images = [image for image in page.images if selection.accepts(image)]
        if limit is not None:
            images = images[: limit - chosen]
        chosen += len(images)
        yield Chosen(images, scanned)
        if chosen == limit or selection.lies_behind(page.images):
            return
