"""Requests beside each other: what is slow is left to go on apart, and how many there are at most."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.senders import ClientPool, SenderFullError, SlowResponseError, ThreadedSender
from tests.unit.polling.test_reader import DOWN, UNAUTHORIZED, image_id

#: Seconds. What answers at once does so within the one, and what hangs would do so for the other.
PATIENCE, HANG = 0.2, 60.0


class Hanging:
    """A request whose response comes when it is told to."""

    def __init__(self, response: object = "here") -> None:
        self._response = response
        self._may_end = threading.Event()
        self.begun = 0

    def __call__(self) -> Any:
        self.begun += 1
        self._may_end.wait(HANG)
        if isinstance(self._response, Exception):
            raise self._response
        return self._response

    def end(self) -> None:
        self._may_end.set()


class Told:
    """Waits until lanes tell that something has come."""

    def __init__(self) -> None:
        self._told = threading.Semaphore(0)

    def __call__(self) -> None:
        self._told.release()

    def wait(self) -> None:
        assert self._told.acquire(timeout=HANG)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def hang() -> Iterator[Callable[..., Hanging]]:
    made: list[Hanging] = []

    def make(response: object = "here") -> Hanging:
        made.append(Hanging(response))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_response_that_comes_soon_is_returned_and_an_error_raised() -> None:
    lanes, refused = ThreadedSender(HANG), Hanging(DOWN)
    refused.end()
    assert lanes.send("a", lambda: 7) == 7
    with pytest.raises(errors.MiniMaxUpstreamError):
        lanes.send("a", refused)
    assert (lanes.is_pending("a"), lanes.is_slow("a"), list(lanes.pop_late())) == (False, False, [])


@pytest.mark.parametrize("response", ["here", DOWN], ids=str)
def test_one_that_is_slow_goes_on_apart_and_is_taken_late_and_once(
    told: Told, hang: Callable[..., Hanging], response: object
) -> None:
    lanes, slow = ThreadedSender(PATIENCE, told), hang(response)
    with pytest.raises(SlowResponseError):
        lanes.send("a", slow)
    assert (lanes.is_pending("a"), lanes.is_slow("a"), list(lanes.pop_late())) == (True, True, [])
    assert lanes.send("b", lambda: 7) == 7
    slow.end()
    told.wait()
    ((name, result),) = lanes.pop_late()
    if isinstance(response, Exception):
        with pytest.raises(errors.MiniMaxUpstreamError):
            result()
    else:
        assert (name, result()) == ("a", "here")
    assert (lanes.is_pending("a"), list(lanes.pop_late()), slow.begun) == (False, [], 1)


def test_there_are_so_many_at_most_and_what_is_known_to_be_slow_leaves_one_lane_free(
    told: Told, hang: Callable[..., Hanging]
) -> None:
    lanes = ThreadedSender(PATIENCE, told, max_pending=3)
    first = [hang() for _ in range(3)]
    for number, slow in enumerate(first):
        with pytest.raises(SlowResponseError):
            lanes.send(str(number), slow)
    more = hang()
    with pytest.raises(SenderFullError):
        lanes.send("3", more)
    assert more.begun == 0
    for slow in first:
        slow.end()
        told.wait()
    assert len(list(lanes.pop_late())) == 3
    for number in range(2):
        with pytest.raises(SlowResponseError):
            lanes.send(str(number), hang())
    with pytest.raises(SenderFullError):
        lanes.send("2", more)
    assert lanes.send("healthy", lambda: 7) == 7


def test_what_was_slow_and_is_quick_again_is_waited_for_again(told: Told, hang: Callable[..., Hanging]) -> None:
    lanes, slow = ThreadedSender(PATIENCE, told), hang()
    with pytest.raises(SlowResponseError):
        lanes.send("a", slow)
    slow.end()
    told.wait()
    list(lanes.pop_late())
    assert lanes.is_slow("a")
    # It is not waited for, and may have come all the same.
    with contextlib.suppress(SlowResponseError):
        assert lanes.send("a", lambda: 7) == 7
    if lanes.is_pending("a"):
        told.wait()
        assert [(name, result()) for name, result in lanes.pop_late()] == [("a", 7)]
    assert not lanes.is_slow("a")
    assert lanes.send("a", lambda: 8) == 8


def test_each_thread_has_a_client_to_itself_and_idle_ones_are_used_again() -> None:
    clients = ClientPool(MiniMaxClient(Settings("user:1-token", "http://127.0.0.1:1")))
    assert clients._acquire() is clients._client
    second = clients._acquire()
    assert second is not clients._client
    assert second.settings == clients._client.settings
    clients._idle.append(second)
    assert clients._acquire() is second


# In a reader


def test_a_refusal_that_comes_late_is_one_to_that_id_alone(told: Told, hang: Callable[..., Hanging]) -> None:
    """No response at all, say, which at once would mean the service."""
    slow = hang(errors.MiniMaxUpstreamError("no answer within the read time-out"))

    def ask(job_id: str) -> Any:
        return slow() if job_id == image_id(0) else {"imageId": job_id, "status": 1}

    reader = Reader("image", ask, lambda _: (), sender=ThreadedSender(PATIENCE, told))
    assert reader.read([image_id(0)]) == ({}, None)
    slow.end()
    told.wait()
    answers = reader.read([])
    assert (list(answers.jobs), answers.failure) == ([image_id(0)], answers.jobs[image_id(0)])
    assert reader.read([image_id(1)]).failure is None


def test_a_refused_token_is_everybodys_however_late(told: Told, hang: Callable[..., Hanging]) -> None:
    slow = hang(UNAUTHORIZED)
    reader = Reader("image", lambda _: slow(), lambda _: (), sender=ThreadedSender(PATIENCE, told))
    reader.read([image_id(0)])
    slow.end()
    told.wait()
    assert reader.read([]) == ({}, UNAUTHORIZED)


def test_a_list_that_comes_late_is_read_on_and_its_ids_are_asked_for_meanwhile_few_at_a_time(
    told: Told, hang: Callable[..., Hanging]
) -> None:
    ids = [image_id(number) for number in range(100)]
    first, asked = hang(), []

    def pages(_: str) -> Iterator[Any]:
        first()
        yield [{"imageId": job_id, "status": 1} for job_id in ids[:50]]
        yield [{"imageId": job_id, "status": 1} for job_id in ids[50:]]

    def ask(job_id: str) -> Any:
        asked.append(job_id)
        return {"imageId": job_id, "status": 1}

    lanes = ThreadedSender(PATIENCE, told)
    reader = Reader("image", ask, pages, sender=lanes)
    assert len(reader.read(ids).jobs) == len(asked) == 20
    assert len(set(reader.read(ids).jobs) | set(asked)) > 20
    asked.clear()
    first.end()
    told.wait()
    found = dict(reader.read([]).jobs)
    if lanes.is_pending("1"):
        # The second page: what is known to be slow is not waited for.
        told.wait()
        found |= reader.read([]).jobs
    assert (set(found), asked) == (set(ids), [])


def test_a_round_that_takes_long_is_told_in_parts_and_asks_for_each_once() -> None:
    now, asked = [0.0], []

    def ask(job_id: str) -> Any:
        now[0] += 1.0
        asked.append(job_id)
        return {"imageId": job_id, "status": 1}

    ids = [image_id(number) for number in range(10)]
    reader = Reader("image", ask, lambda _: (), max_seconds=(4.0, 4.0), clock=lambda: now[0])
    parts = []
    for _ in range(3):
        parts.append(list(reader.read(ids).jobs))
        if reader.is_round_complete:
            break
    assert [len(part) for part in parts] == [4, 4, 2]
    assert asked == ids
    assert reader.read_last(ids[:2]).jobs.keys() == set(ids[:2])
