"""Reading ahead: while one page is processed, the next ones are already requested."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

T = TypeVar("T")

#: With one alone, the next request would wait behind the work on the page that has just arrived. And the walk goes on
#: while the disk syncs a part, which takes as long as a few pages.
_AHEAD: Final = 4
#: Seconds between two checks while the task waits for a thread.
_CHECK_INTERVAL: Final = 0.25


def wait_for_result(future: Future[T], check: Callable[[], None]) -> T:
    """Wait for a result.

    :param check: called every now and then while waiting; if it raises, the wait ends.
    """
    while not future.done():
        wait((future,), _CHECK_INTERVAL)
        check()
    return future.result()


def read_ahead(items: Iterator[T], check: Callable[[], None] = lambda: None) -> Generator[T, None, None]:
    """Yield items that a thread of their own reads ahead.

    When this ends early, one item may still be on its way; nobody waits for it.

    :param check: called before each item, and every now and then while waiting; if it raises, the reading ends.
    """

    def read_next() -> T | None:
        check()
        return next(items, None)

    reader = ThreadPoolExecutor(1, "minimax-pages")
    try:
        coming = deque(reader.submit(read_next) for _ in range(_AHEAD))
        while (item := wait_for_result(coming.popleft(), check)) is not None:
            coming.append(reader.submit(read_next))
            yield item
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
