"""Reading ahead: while one page is dealt with, the next ones are on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

T = TypeVar("T")

#: With one alone, the next request would wait for its turn behind the work on the page that has just come. And while
#: the disk makes a part safe, which takes as long as a few pages, the walk goes on.
_AHEAD: Final = 4
#: Seconds between two checks while the task waits for a thread.
_CHECK_INTERVAL: Final = 0.25


def result_of(future: Future[T], check: Callable[[], None]) -> T:
    """Wait for a result.

    :param check: called now and then meanwhile; what it raises ends the wait.
    """
    while not future.done():
        wait((future,), _CHECK_INTERVAL)
        check()
    return future.result()


def ahead(items: Iterator[T], check: Callable[[], None] = lambda: None) -> Iterator[T]:
    """Yield items that are read ahead, in a thread of their own.

    :param check: called now and then while the next one is not there; what it raises ends the walk.

    Where this is left early, one item may still be on its way; nobody waits for it.
    """
    reader = ThreadPoolExecutor(1, "minimax-pages")
    try:
        coming = deque(reader.submit(next, items, None) for _ in range(_AHEAD))
        while (item := result_of(coming.popleft(), check)) is not None:
            coming.append(reader.submit(next, items, None))
            yield item
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
