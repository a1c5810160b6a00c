"""What was resubmitted is known to whoever comes after, and in whichever process. With real ones, really killed."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker import Try, Worker, worker
from tests.support import until
from tests.unit.submission.service import FakeService, fake_services

UNKNOWN, RESCHEDULE = "MiniMaxUnknownOutcomeError", "AirflowRescheduleException"


@pytest.fixture(scope="module")
def warm() -> Iterator[Worker]:
    with worker() as started:
        yield started


@pytest.fixture(scope="module")
def _fake_services() -> Iterator[Callable[[], FakeService]]:
    with fake_services() as start:
        yield start


@pytest.fixture
def service(_fake_services: Callable[[], FakeService]) -> Iterator[FakeService]:
    service = _fake_services()
    yield service
    service.release.set()


@pytest.fixture(params=["image", "video"])
def start(request: pytest.FixtureRequest, service: FakeService, warm: Worker, tmp_path: Path) -> Callable[..., Try]:
    """Start an attempt, or one turn of it, in a process of its own."""
    service.add_job(request.param, "an earlier one", age=3600.0)
    # A create that finds no room is sent once.
    connection = json.dumps(json.loads(service.connection) | {"extra": {"max_attempts": 1}})

    def start(attempt: int, policy: str, **order: Any) -> Try:
        options = {"prompt": "a paper boat", "account": "42", "on_unknown_outcome": policy}
        return warm.start(
            tmp_path, kind=request.param, options=options, connection=connection, try_number=attempt, **order
        )

    return start


def test_504_and_429_in_turn_pay_twice_at_most(service: FakeService, start: Callable[..., Try]) -> None:
    service.outcomes = deque(["429", "void", "429", "void", "429", "void"])
    turns = [start(1, "resubmit").outcome()["error"] for _ in range(2)]
    assert turns == [RESCHEDULE, UNKNOWN]
    assert service.creates == ["429", "void", "429"]
    # Were the same attempt to come back all the same, it would send nothing.
    assert start(1, "resubmit").outcome()["error"] == UNKNOWN
    assert service.sent == 3
    # The next one sends one more.
    assert start(2, "resubmit").outcome()["error"] == UNKNOWN
    assert service.sent == 4


@pytest.mark.parametrize("second", ["made", "void"])
def test_death_while_the_second_create_is_on_its_way(
    service: FakeService, start: Callable[..., Try], second: str
) -> None:
    service.outcomes = deque(["void", second, "void"])
    service.held_create = 2
    first = start(1, "resubmit")
    until(lambda: service.sent == 2)
    first.kill()
    assert first.outcome() == {"killed": signal.SIGKILL}
    service.release.set()
    retried = start(2, "fail").outcome()
    assert service.sent == 2
    if second == "made":
        assert "value" in retried
    else:
        assert retried["error"] == UNKNOWN
        assert start(3, "resubmit").outcome()["error"] == UNKNOWN
        assert service.sent == 3


def test_death_between_the_ids_and_their_record(service: FakeService, start: Callable[..., Try]) -> None:
    assert start(1, "resubmit", die="before the ids are stored").outcome() == {"killed": signal.SIGKILL}
    assert "value" in start(2, "resubmit").outcome()
    assert service.sent == 1


def test_death_with_a_clock_that_is_ten_minutes_off(service: FakeService, start: Callable[..., Try]) -> None:
    service.skew = service.date_skew = -600.0
    assert start(1, "fail", die="before the ids are stored").outcome() == {"killed": signal.SIGKILL}
    assert "value" in start(2, "fail").outcome()
    assert service.sent == 1
