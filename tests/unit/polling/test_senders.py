"""Concurrent requests: slow ones continue in the background, up to a maximum."""

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
from airflow_provider_minimax.polling.senders import ClientPool, Sender, SenderFullError, SlowResponseError
from tests.unit.polling.test_reader import DOWN, UNAUTHORIZED, image_id

#: Seconds: enough for a quick response, and the length of a hanging one.
MAX_WAIT, HANG = 0.2, 60.0


class Hanging:
    """A request whose response comes when it is released."""

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


class LateResponses:
    """Waits until a sender reports a late response."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)

    def __call__(self) -> None:
        self._arrived.release()

    def wait(self) -> None:
        assert self._arrived.acquire(timeout=HANG)


@pytest.fixture
def late_responses() -> LateResponses:
    return LateResponses()


@pytest.fixture
def hang() -> Iterator[Callable[..., Hanging]]:
    made: list[Hanging] = []

    def make(response: object = "here") -> Hanging:
        made.append(Hanging(response))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_quick_response_is_returned_and_an_error_raised() -> None:
    sender, refused = Sender(HANG), Hanging(DOWN)
    refused.end()
    assert sender.send("a", lambda: 7) == 7
    with pytest.raises(errors.MiniMaxUpstreamError):
        sender.send("a", refused)
    assert (sender.is_pending("a"), sender.is_slow("a"), list(sender.pop_late())) == (False, False, [])


@pytest.mark.parametrize("response", ["here", DOWN], ids=str)
def test_a_slow_request_continues_in_the_background_and_is_popped_once(
    late_responses: LateResponses, hang: Callable[..., Hanging], response: object
) -> None:
    sender, slow = Sender(MAX_WAIT, late_responses), hang(response)
    with pytest.raises(SlowResponseError):
        sender.send("a", slow)
    assert (sender.is_pending("a"), sender.is_slow("a"), list(sender.pop_late())) == (True, True, [])
    assert sender.send("b", lambda: 7) == 7
    slow.end()
    late_responses.wait()
    ((name, result),) = sender.pop_late()
    if isinstance(response, Exception):
        with pytest.raises(errors.MiniMaxUpstreamError):
            result()
    else:
        assert (name, result()) == ("a", "here")
    assert (sender.is_pending("a"), list(sender.pop_late()), slow.begun) == (False, [], 1)


def test_pending_requests_have_a_maximum_and_slow_ones_leave_one_thread_free(
    late_responses: LateResponses, hang: Callable[..., Hanging]
) -> None:
    sender = Sender(MAX_WAIT, late_responses, max_pending=3)
    first = [hang() for _ in range(3)]
    for number, slow in enumerate(first):
        with pytest.raises(SlowResponseError):
            sender.send(str(number), slow)
    more = hang()
    with pytest.raises(SenderFullError):
        sender.send("3", more)
    assert more.begun == 0
    for slow in first:
        slow.end()
        late_responses.wait()
    assert len(list(sender.pop_late())) == 3
    for number in range(2):
        with pytest.raises(SlowResponseError):
            sender.send(str(number), hang())
    with pytest.raises(SenderFullError):
        sender.send("2", more)
    assert sender.send("healthy", lambda: 7) == 7


def test_a_request_that_is_quick_again_is_waited_for_again(
    late_responses: LateResponses, hang: Callable[..., Hanging]
) -> None:
    sender, slow = Sender(MAX_WAIT, late_responses), hang()
    with pytest.raises(SlowResponseError):
        sender.send("a", slow)
    slow.end()
    late_responses.wait()
    list(sender.pop_late())
    assert sender.is_slow("a")
    # It is not waited for, and may have come all the same.
    with contextlib.suppress(SlowResponseError):
        assert sender.send("a", lambda: 7) == 7
    if sender.is_pending("a"):
        late_responses.wait()
        assert [(name, result()) for name, result in sender.pop_late()] == [("a", 7)]
    assert not sender.is_slow("a")
    assert sender.send("a", lambda: 8) == 8


def test_each_request_has_its_own_client_and_idle_clients_are_reused() -> None:
    clients = ClientPool(MiniMaxClient(Settings("user:1-token", "http://127.0.0.1:1")))
    assert clients._acquire() is clients._client
    second = clients._acquire()
    assert second is not clients._client
    assert second.settings == clients._client.settings
    clients._idle.append(second)
    assert clients._acquire() is second


# In a reader


def test_a_late_refusal_concerns_its_own_id_only(late_responses: LateResponses, hang: Callable[..., Hanging]) -> None:
    """No response at all, say, which at once would mean the service."""
    slow = hang(errors.MiniMaxUpstreamError("no response within the read time-out"))

    def get_job(job_id: str) -> Any:
        return slow() if job_id == image_id(0) else {"imageId": job_id, "status": 1}

    reader = Reader("image", get_job, lambda _: (), sender=Sender(MAX_WAIT, late_responses))
    assert reader.read([image_id(0)]) == ({}, None)
    slow.end()
    late_responses.wait()
    result = reader.read([])
    assert (list(result.jobs), result.failure) == ([image_id(0)], result.jobs[image_id(0)])
    assert reader.read([image_id(1)]).failure is None


def test_a_refused_token_concerns_all_however_late(late_responses: LateResponses, hang: Callable[..., Hanging]) -> None:
    slow = hang(UNAUTHORIZED)
    reader = Reader("image", lambda _: slow(), lambda _: (), sender=Sender(MAX_WAIT, late_responses))
    reader.read([image_id(0)])
    slow.end()
    late_responses.wait()
    assert reader.read([]) == ({}, UNAUTHORIZED)


def test_a_late_list_is_read_on_and_meanwhile_few_of_its_ids_are_requested(
    late_responses: LateResponses, hang: Callable[..., Hanging]
) -> None:
    ids = [image_id(number) for number in range(100)]
    first, requested = hang(), []

    def pages(_: str) -> Iterator[Any]:
        first()
        yield [{"imageId": job_id, "status": 1} for job_id in ids[:50]]
        yield [{"imageId": job_id, "status": 1} for job_id in ids[50:]]

    def get_job(job_id: str) -> Any:
        requested.append(job_id)
        return {"imageId": job_id, "status": 1}

    sender = Sender(MAX_WAIT, late_responses)
    reader = Reader("image", get_job, pages, sender=sender)
    assert len(reader.read(ids).jobs) == len(requested) == 20
    assert len(set(reader.read(ids).jobs) | set(requested)) > 20
    requested.clear()
    first.end()
    late_responses.wait()
    found = dict(reader.read([]).jobs)
    if sender.is_pending("1"):
        # The second page: what is known to be slow is not waited for.
        late_responses.wait()
        found |= reader.read([]).jobs
    assert (set(found), requested) == (set(ids), [])


def test_a_long_round_returns_in_parts_and_requests_each_id_once() -> None:
    now, requested = [0.0], []

    def get_job(job_id: str) -> Any:
        now[0] += 1.0
        requested.append(job_id)
        return {"imageId": job_id, "status": 1}

    ids = [image_id(number) for number in range(10)]
    reader = Reader("image", get_job, lambda _: (), max_seconds=(4.0, 4.0), clock=lambda: now[0])
    parts = []
    for _ in range(3):
        parts.append(list(reader.read(ids).jobs))
        if reader.is_round_complete:
            break
    assert [len(part) for part in parts] == [4, 4, 2]
    assert requested == ids
    assert reader.read_for_last_time(ids[:2]).jobs.keys() == set(ids[:2])
