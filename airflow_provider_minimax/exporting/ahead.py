"""Reading ahead: while one page is dealt with, the next ones are on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

#: With one alone, the next request would wait for its turn behind the work on the page that has just come. And while
#: the disk makes a part safe, which takes as long as a few pages, the walk goes on.
_AHEAD: Final = 4


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items that are read ahead, in a thread of their own.

    Where this is left early, one item may still be on its way; nobody waits for it.
    """
    reader = ThreadPoolExecutor(1, "minimax-pages")
    try:
        coming = deque(reader.submit(next, items, None) for _ in range(_AHEAD))
        while (item := coming.popleft().result()) is not None:
            coming.append(reader.submit(next, items, None))
            yield item
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
