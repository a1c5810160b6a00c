"""A poll that many waits share: errors outside the service, cancelled drivers, hanging threads."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from airflow_provider_minimax.api.errors import MiniMaxCapacityError, MiniMaxUpstreamError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import shared_poll, streams, timing
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import RoundResult
from airflow_provider_minimax.polling.shared_poll import SharedWait, Stream
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import TIMEOUT
from tests.unit.triggers.support import Triggerer, run, trigger

pytestmark = pytest.mark.usefixtures("quick_rounds")


def image_id(number: int = 3) -> str:
    return f"user:1-minimax:2-image:{number}"


class DeadlockImminentError(BaseException):
    """Like the one of Airflow: no Exception."""


# Through Airflow


def failing(times: float, error: BaseException, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises so many times before it works."""
    called = 0

    def fail(*args: Any, **options: Any) -> Any:
        nonlocal called
        called += 1
        if called <= times:
            raise error
        return real(*args, **options)

    return fail


#: Where an error may come from: our own code, Airflow, the machine.
PLACES: list[tuple[Any, str]] = [(Reader, "read"), (MiniMaxHook, "aget_settings"), (streams, "start_in_own_thread")]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_an_error_that_passes_ends_no_wait(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    ids = [sandbox.create_image("a lamp")[0] for _ in range(3)]
    monkeypatch.setattr(owner, name, failing(3, ConnectionError("restarting"), getattr(owner, name)))
    events = run(triggerer.run_all(*map(trigger, ids)))
    assert [event["end"] for event in events] == ["completed"] * 3


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_a_bug_ends_the_waits_with_its_name_and_logs_its_traceback_once(
    sandbox: Sandbox,
    triggerer: Triggerer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: Any,
    name: str,
) -> None:
    monkeypatch.setattr(owner, name, failing(1e9, LookupError("a bug"), None))
    events = run(triggerer.run_all(*(trigger(image_id(number)) for number in range(3))))
    assert [(event["end"], event["error"]) for event in events] == [("failed", "MiniMaxUpstreamError")] * 3
    assert "LookupError: a bug" in events[0]["message"]
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert shared_poll.streams == {}


def test_an_error_that_is_no_exception_leaves_no_wait_hanging(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MiniMaxHook, "aget_settings", failing(1e9, DeadlockImminentError("deadlock"), None))
    events = run(triggerer.run_all(*(trigger(image_id(number)) for number in range(3))))
    assert [(event["end"], event["error"]) for event in events] == [("failed", "MiniMaxUpstreamError")] * 3


def test_a_bug_in_one_wait_ends_no_other(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [sandbox.create_image("a lamp")[0] for _ in range(3)]
    real = Poller.process_round

    def process_round(self: Poller, *args: Any) -> Any:
        if self.spec.ids == (ids[1],):
            raise LookupError("a bug")
        return real(self, *args)

    monkeypatch.setattr(Poller, "process_round", process_round)
    events = run(triggerer.run_all(*map(trigger, ids)))
    assert [event["end"] for event in events] == ["completed", "failed", "completed"]
    assert "LookupError: a bug" in events[1]["message"]


# On a stream alone


class RecordedStream:
    """A stream that records the ids of its rounds, and returns a given failure."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        interval: float = 3600.0,
        *,
        phase: float = 0.0,
        last_round_within: float = 20.0,
    ) -> None:
        self.rounds: list[list[str]] = []
        self.failure: MiniMaxUpstreamError | MiniMaxCapacityError | None = None
        self.stream = Stream(
            "image", interval, self._get_settings, first_delay=lambda _: phase, last_round_within=last_round_within
        )
        monkeypatch.setattr(Stream, "_read_jobs", self._read_jobs)

    async def _get_settings(self) -> Settings:
        return Settings("user:1-token", "http://127.0.0.1:1")

    def _read_jobs(self, settings: Settings, waits: Collection[SharedWait]) -> RoundResult:
        self.rounds.append([job_id for wait in waits for job_id in wait.poller.pending])
        return RoundResult({}, self.failure)

    def join(self, number: int, seconds: float = 3600.0) -> SharedWait:
        return self.stream.join(Poller(WaitSpec((image_id(number),))), time.time() + seconds)


async def until(true: Callable[[], bool]) -> None:
    """Yield to threads until a condition is true."""
    for _ in range(20_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def turns(count: int = 200) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


def test_after_its_deadline_a_wait_is_polled_once_more_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> None:
        recorded = RecordedStream(monkeypatch)
        soon, _ = recorded.join(1), recorded.join(2)
        driver = asyncio.create_task(recorded.stream.drive())
        await until(lambda: bool(recorded.rounds))
        soon.deadline = time.time()
        assert (await soon.end)["end"] == "timed out"
        await end(driver)
        assert [sorted(ids) for ids in recorded.rounds] == [[image_id(1), image_id(2)], [image_id(1)]]

    run(wait())


def test_a_deadline_passes_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> None:
        recorded = RecordedStream(monkeypatch, last_round_within=0.1)
        assert (await recorded.join(1, seconds=0.1).end)["end"] == "timed out"
        assert recorded.rounds == []

    run(wait())


def test_many_deadlines_at_once_are_spread_over_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> int:
        recorded = RecordedStream(monkeypatch, last_round_within=0.0)
        waits = [recorded.join(number, seconds=-1.0) for number in range(200)]
        ended: list[int] = [0]
        for _ in range(10 * len(waits)):
            await asyncio.sleep(0)
            ended.append(sum(one.end.done() for one in waits))
        assert ended[-1] == len(waits)
        return max(after - before for before, after in itertools.pairwise(ended))

    assert run(wait()) <= shared_poll.MAX_PER_TURN


@pytest.mark.parametrize("failure", [None, MiniMaxCapacityError("busy", status=429, retry_after=5.0)], ids=str)
def test_the_next_driver_keeps_to_the_time_of_the_next_round(monkeypatch: pytest.MonkeyPatch, failure: Any) -> None:
    async def drive() -> None:
        recorded = RecordedStream(monkeypatch, interval=0.05)
        recorded.failure = failure
        pauses: list[tuple[int, float | None]] = []

        def pause(interval: float, failures: int = 0, retry_after: float | None = None) -> float:
            pauses.append((failures, retry_after))
            return 3600.0

        monkeypatch.setattr(timing, "next_delay", pause)
        recorded.join(1)
        first, second = (asyncio.create_task(recorded.stream.drive()) for _ in range(2))
        await until(lambda: len(pauses) == 2)
        await end(first)
        await turns()
        await end(second)
        third = asyncio.create_task(recorded.stream.drive())
        await turns()
        await end(third)
        assert len(recorded.rounds) == 1
        assert pauses[-1] == ((1, 5.0) if failure else (0, None))

    run(drive())


def test_the_thread_of_a_cancelled_driver_stops_and_no_other_runs_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_respond, requested, at_once = threading.Event(), [], []

    def get_job(job_id: str) -> dict[str, Any]:
        at_once.append(job_id)
        requested.append(job_id)
        may_respond.wait(TIMEOUT)
        assert at_once == [job_id]
        at_once.clear()
        return {"imageId": job_id, "status": 2}

    async def get_settings() -> Settings:
        return Settings("user:1-token", "http://127.0.0.1:1")

    async def drive() -> None:
        stream = Stream("image", 0.001, get_settings, first_delay=lambda _: 0.0)
        stream._reader = Reader("image", get_job, lambda account: (), stream._stop_if_abandoned)
        many = stream.join(Poller(WaitSpec(tuple(image_id(number) for number in range(20)))), time.time() + 60)
        first = asyncio.create_task(stream.drive())
        await until(lambda: bool(requested))
        await end(first)
        stream.leave(many)
        one = stream.join(Poller(WaitSpec((image_id(99),))), time.time() + 60)
        second = asyncio.create_task(stream.drive())
        await turns()
        assert len(requested) == 1
        may_respond.set()
        assert (await one.end)["end"] == "completed"
        await end(second)
        assert requested[1:] == [image_id(99)]

    run(drive())


def test_a_reader_forgets_the_ids_of_waits_that_have_left(sandbox: Sandbox, triggerer: Triggerer) -> None:
    async def wait() -> Any:
        stuck = asyncio.create_task(triggerer.run(trigger(sandbox.create_image("a lamp [stuck]")[0])))
        for _ in range(3):
            await triggerer.run(trigger(sandbox.create_image("a lamp")[0]))
        (stream,) = shared_poll.streams.values()
        before = len(sandbox.calls)
        await until(lambda: len(sandbox.calls) >= before + 2)
        await end(stuck)
        return stream._reader

    reader = run(wait())
    assert (len(reader._jobs.by_id), reader._jobs.refusals) == (1, {})
