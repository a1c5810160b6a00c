"""How to ask for many jobs with few requests: from the list, or one by one.

A page of the list answers for all jobs on it, an id for one. Which is cheaper depends on where in the list the
awaited jobs stand, which is known from the round before.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

#: The rank of a job that the list does not show, or too far back: it is asked for by its id.
BEYOND: Final = -1
#: Rounds in which jobs that the list did not show are looked for in it once more: soon at first, since a list may
#: lag behind what was just created, then every so often.
_SOON: Final = (2, 4)
_NOW_AND_THEN: Final = 8
#: Seconds for which the list calls a job unfinished before the job itself is asked: a list may be stale. Each time that
#: it was right, the next doubt takes twice as long.
_FIRST_DOUBT: Final = 90.0
#: Doubts that a round has room for, or one in fifty of the jobs, where that is more.
_MIN_DOUBTS: Final = 5
_SHARE_OF_DOUBTS: Final = 50
#: Jobs that are asked for by id in the last round before their deadline, although the list shows them.
MAX_LAST: Final = 30
#: Jobs that are asked for by id in a round while the response to their list is still to come.
MAX_MADE_UP: Final = 20
#: The position of a job in the list, newest first, from 0; ``BEYOND``; None where it has not been looked for.
Rank = int | None


def pages_worth_reading(ranks: Iterable[Rank], page_size: int) -> int:
    """Return how many pages to read from the newest on, so that pages and remaining ids are fewest together.

    Jobs that have not been looked for are taken to be the newest ones, as those just created are.

    :param ranks: one for each awaited job.
    :param page_size: jobs on a page.
    """
    known = list(ranks)
    unknown = known.count(None)
    pages = [rank // page_size for rank in known if rank is not None and rank != BEYOND]
    pages += [position // page_size for position in range(unknown)]
    best, least = 0, len(known)
    unread = len(known)
    on_page: dict[int, int] = {}
    for page in pages:
        on_page[page] = on_page.get(page, 0) + 1
    for page in sorted(on_page):
        unread -= on_page[page]
        cost = page + 1 + unread
        if cost < least:
            best, least = page + 1, cost
    return best


def worth_another_page(*, read: int, planned: int, unseen: int, unknown: int, met: int) -> bool:
    """Decide after a page whether to read the next one, or to ask for the rest by id.

    :param read: pages read in this round.
    :param planned: pages that were worth reading at its start.
    :param unseen: awaited jobs that the list may hold and that were not met yet.
    :param unknown: those of them that were never looked for.
    :param met: awaited jobs on the last page.
    """
    if unseen == 0:
        return False
    if read < planned:
        return True
    if unseen == 1:
        return False
    # The list has grown at its head and pushed the rest a little back; or, on a first search, no more pages are
    # spent than asking for each of them would have cost.
    return met > 0 or read < unknown


def looks_again(number: int) -> bool:
    """Tell whether a round looks into the list for those, too, that it did not show.

    One id at a time they may cost more than all the pages of the list.

    :param number: of the round, counted from 1.
    """
    return number in _SOON or number % _NOW_AND_THEN == 0


class Listed(NamedTuple):
    """A job that the list has called unfinished.

    :param since: when it did so first; seconds by any clock.
    :param checks: how often the job itself was asked since.
    """

    since: float
    checks: int = 0


def doubtful(listed: Mapping[str, Listed], now: float, number: int) -> list[str]:
    """Return the jobs to ask for by id although the list has just called them unfinished: few in each round.

    :param listed: the jobs that it has called unfinished in this round.
    :param now: seconds by the clock of ``since``.
    :param number: of the round, counted from 1.
    """
    due = [job_id for job_id, one in listed.items() if now - one.since >= _FIRST_DOUBT * 2**one.checks]
    return in_turn(due, number, max(_MIN_DOUBTS, len(listed) // _SHARE_OF_DOUBTS))


def in_turn(ids: Sequence[str], number: int, count: int) -> list[str]:
    """Return so many of some ids, others in each round, so that each has its turn.

    :param number: of the round, or anything else that differs from round to round.
    """
    # Drawn, since to go on after the last one would need to know it: the ids change, and processes do.
    return list(ids) if len(ids) <= count else random.Random(number).sample(ids, count)
