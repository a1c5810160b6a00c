"""Reading ahead: while one page is dealt with, the next one is on its way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items that are read one ahead, in a thread of their own.

    Where this is left early, one item may still be on its way; nobody waits for it.
    """
    reader = ThreadPoolExecutor(1, "minimax-pages")
    try:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
