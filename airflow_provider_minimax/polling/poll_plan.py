"""Plan a round with few requests: which pages of the list to read, and which jobs to request by id.

A page of the list returns many jobs, a request by id returns one. The cheaper way depends on the place of the
awaited jobs in the list, which the round before has shown.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

#: The rank of a job that the list does not show, or too far back: it is requested by id.
NOT_LISTED: Final = -1
#: Rounds that search the list again for jobs that it did not show: early at first, since a list may lag behind a
#: create, then every few rounds.
_EARLY_SEARCHES: Final = (2, 4)
_SEARCH_EVERY: Final = 8
#: Seconds for which the list shows a job as unfinished before the job itself is checked: a list may be stale. Each
#: check that confirms the list doubles the time to the next one.
_FIRST_CHECK_AFTER: Final = 90.0
#: Checks in one round: this many, or one in fifty of the jobs, where that is more.
_MIN_CHECKS: Final = 5
_JOBS_PER_CHECK: Final = 50
#: Jobs that the last round before a deadline requests by id, although the list shows them.
MAX_BY_ID_AT_DEADLINE: Final = 30
#: Jobs that a round requests by id while the response to their list is still pending.
MAX_BY_ID_WITHOUT_LIST: Final = 20
#: An id that was refused once is requested in every second round, after that in every fourth.
_ROUNDS_BETWEEN: Final = (1, 2, 4)
#: The position of a job in the list, newest first, from 0; ``NOT_LISTED``; None before the first search.
Rank = int | None


def pages_to_read(ranks: Iterable[Rank], page_size: int) -> int:
    """Return how many pages to read so that pages and requests by id are fewest together.

    Jobs that were never searched are taken for the newest ones, as those just created are.
    """
    known = list(ranks)
    never_searched = known.count(None)
    jobs_on_page = Counter(rank // page_size for rank in known if rank is not None and rank != NOT_LISTED)
    jobs_on_page.update(position // page_size for position in range(never_searched))
    best, lowest_cost = 0, len(known)
    remaining = len(known)
    for page in sorted(jobs_on_page):
        remaining -= jobs_on_page[page]
        cost = page + 1 + remaining
        if cost < lowest_cost:
            best, lowest_cost = page + 1, cost
    return best


def should_read_next_page(*, read: int, planned: int, missing: int, never_searched: int, found: int) -> bool:
    """Return whether to read the next page, rather than to request the missing jobs by id.

    :param read: pages that this round has read.
    :param planned: pages that were worth reading at its start.
    :param missing: awaited jobs that the list may show and that are not found yet.
    :param never_searched: those of them that no round has searched before.
    :param found: awaited jobs on the last page.
    """
    if missing == 0:
        return False
    if read < planned:
        return True
    if missing == 1:
        return False
    # New jobs at the head of the list push the others back. A first search reads no more pages than requests by id
    # would have cost.
    return found > 0 or read < never_searched


def searches_again(round_number: int) -> bool:
    """Return whether a round also searches the list for the jobs that it did not show before.

    One by one they may cost more than all pages of the list.

    :param round_number: counted from 1.
    """
    return round_number in _EARLY_SEARCHES or round_number % _SEARCH_EVERY == 0


def is_due(round_number: int, refusals: int) -> bool:
    """Return whether a round requests an id or a list that was refused so often in a row."""
    return round_number % _ROUNDS_BETWEEN[min(refusals, len(_ROUNDS_BETWEEN) - 1)] == 0


class ListedUnfinished(NamedTuple):
    """A job that the list shows as unfinished.

    :param since: when it first did; seconds by any clock.
    :param checks: how often the job itself was requested since.
    """

    since: float
    checks: int = 0


def due_checks(listed: Mapping[str, ListedUnfinished], now: float, seed: int) -> list[str]:
    """Return the jobs to request by id although the list shows them as unfinished: few in each round.

    :param now: seconds by the clock of ``since``.
    :param seed: differs from round to round.
    """
    due = [job_id for job_id, one in listed.items() if now - one.since >= _FIRST_CHECK_AFTER * 2**one.checks]
    return sample_ids(due, seed, max(_MIN_CHECKS, len(listed) // _JOBS_PER_CHECK))


def sample_ids(ids: Sequence[str], seed: int, count: int) -> list[str]:
    """Return at most so many ids, others for each seed."""
    # Sampled and not in rotation, which would need state: the ids change, and so do the processes.
    return list(ids) if len(ids) <= count else random.Random(seed).sample(ids, count)
