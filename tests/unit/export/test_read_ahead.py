"""What is read in which thread, and that nothing is lost or read twice in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from queue import Empty, SimpleQueue

import pytest

from airflow_provider_minimax.export.walk import _AHEAD, ReadAhead
from tests.support import TIMEOUT, until


class Items:
    """Numbers from 0; counts what was read, and by which threads."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.read = 0
        self.threads: list[threading.Thread] = []
        self.go_on: SimpleQueue[None] | None = None
        self._count, self._error = count, error

    def __iter__(self) -> Iterator[int]:
        for number in range(self._count):
            if self.go_on is not None:
                self.go_on.get(timeout=TIMEOUT)
            self.threads.append(threading.current_thread())
            self.read += 1
            yield number
        if self._error is not None:
            raise self._error


def ahead(items: Items) -> ReadAhead[int]:
    return ReadAhead(iter(items), lambda: None)


def test_who_is_not_busy_reads_by_itself_and_nothing_ahead() -> None:
    items = Items(30)
    for number in ahead(items):
        assert items.read == number + 1
    assert set(items.threads) == {threading.current_thread()}


def test_a_busy_caller_finds_the_next_items_there() -> None:
    items = Items(30)
    reading = ahead(items)
    numbers = iter(reading)
    found = [next(numbers)]
    with reading.busy():
        until(lambda: items.read == 1 + _AHEAD)
        with reading.busy():
            assert items.read == 1 + _AHEAD, "no more than that"
    found += numbers
    assert found == list(range(30))
    assert items.threads[0] is items.threads[-1] is threading.current_thread()
    assert threading.current_thread() not in items.threads[1 : 1 + _AHEAD]


def test_busy_times_that_end_while_an_item_is_on_its_way_add_no_room() -> None:
    items = Items(100)
    items.go_on = SimpleQueue()
    asked: SimpleQueue[None] = SimpleQueue()
    reading = ReadAhead(iter(items), lambda: asked.put(None))
    with reading.busy():
        asked.get(timeout=TIMEOUT)
    for _ in range(20):
        with reading.busy():
            pass
    with reading.busy():
        for _ in range(100):
            items.go_on.put(None)
        for _ in range(_AHEAD - 1):
            asked.get(timeout=TIMEOUT)
        with pytest.raises(Empty):
            asked.get(timeout=0.2)


def test_a_caller_that_stays_busy_is_given_all_items_in_order() -> None:
    items = Items(50)
    reading = ahead(items)
    with reading.busy():
        assert list(reading) == list(range(50))
    assert threading.current_thread() not in items.threads


def test_an_item_on_its_way_is_awaited_and_not_read_twice() -> None:
    items = Items(20)
    items.go_on = SimpleQueue()
    reading = ahead(items)
    numbers = iter(reading)
    for busy in range(4):
        with reading.busy():
            pass
        for _ in range(5):
            items.go_on.put(None)
        assert [next(numbers) for _ in range(5)] == list(range(busy * 5, busy * 5 + 5))
    assert list(numbers) == []
    assert items.read == 20


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_error_is_raised_behind_the_items_before_it(is_busy: bool) -> None:
    reading = ahead(Items(3, OSError("broken")))
    numbers = iter(reading)
    with reading.busy() if is_busy else nullcontext():
        assert [next(numbers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="broken"):
            next(numbers)


class StoppedError(Exception):
    pass


def test_a_stop_ends_the_wait_for_a_page_that_hangs() -> None:
    items = Items(1)
    items.go_on = SimpleQueue()
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks > 2 and threading.current_thread() is threading.main_thread():
            raise StoppedError

    reading = ReadAhead(iter(items), check)
    with reading.busy(), pytest.raises(StoppedError):
        next(iter(reading))
    items.go_on.put(None)


def test_only_the_callers_own_thread_reads_in_its_context() -> None:
    inside: list[threading.Thread] = []
    items = Items(3)

    @contextmanager
    def interruptible() -> Iterator[None]:
        inside.append(threading.current_thread())
        before = items.read
        yield
        assert items.read - before <= 1

    assert list(ReadAhead(iter(items), lambda: None, interruptible)) == [0, 1, 2]
    assert inside == [threading.current_thread()] * 4
    inside.clear()
    reading = ReadAhead(iter(Items(3)), lambda: None, interruptible)
    with reading.busy():
        assert list(reading) == [0, 1, 2]
    # Once, for the end.
    assert inside == [threading.current_thread()]
