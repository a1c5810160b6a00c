"""Where the facts about the service come from, as data."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Source(NamedTuple):
    """Where a fact comes from.

    :param name: what says so.
    :param date: the month of its content, such as ``"May 2026"``.
    :param confidence: ``"A"``: two or more of the vendor's own sources agree; ``"B"``: one of them; ``"C"``: a third
        party, or inferred.
    """

    name: str
    date: str
    confidence: Literal["A", "B", "C"]


IMAGES_PAGE: Final = Source("the vendor's page of POST images/create, and its collection", "May 2026", "A")
IMAGES_PAGE_ALONE: Final = Source("the vendor's page of POST images/create", "May 2026", "B")
VIDEOS_PAGE: Final = Source("the vendor's page of POST videos/create, and its collection", "February 2026", "A")
VIDEOS_PAGE_ALONE: Final = Source("the vendor's page of POST videos/create", "February 2026", "B")
JOB_PAGES: Final = Source("the vendor's pages of GET images and GET videos/{videoId}", "March 2025", "A")
COLLECTION: Final = Source("the vendor's collection", "July 2026", "B")
COMPARE_SCRIPT: Final = Source("the vendor's script that compares video models", "October 2026", "B")
WEB_APPLICATION: Final = Source("a third party's notes on the web application", "September 2026", "C")
