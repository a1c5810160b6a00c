"""Reading ahead: while one page is processed, the next ones are already requested."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Final, TypeVar

T = TypeVar("T")

#: With one alone, the next request would wait behind the work on the page that has just arrived. And the walk goes on
#: while the disk syncs a part, which takes as long as a few pages.
_AHEAD: Final = 8
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
    # A queue in C: each page passes through it, and a future for each would cost as much as parsing a tenth of it.
    ready: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
    room = Semaphore(_AHEAD)
    is_stopped = False

    def read() -> None:
        item: T | None = None
        try:
            while room.acquire() and not is_stopped:
                check()
                item = next(items, None)
                ready.put((item, None))
                if item is None:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the item is awaited
            ready.put((None, error))

    # A daemon, so that a request that hangs does not stop the process from ending.
    Thread(target=read, name="minimax-pages", daemon=True).start()
    try:
        while (item := _next_of(ready, check)) is not None:
            room.release()
            yield item
    finally:
        is_stopped = True
        room.release()


def _next_of(ready: SimpleQueue[tuple[T | None, BaseException | None]], check: Callable[[], None]) -> T | None:
    while True:
        try:
            item, error = ready.get(timeout=_CHECK_INTERVAL)
        except Empty:
            check()
        else:
            if error is not None:
                raise error
            return item
