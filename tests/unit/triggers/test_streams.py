"""Many waits on one poll, on Airflow's own manager of shared streams."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_minimax.api import client, errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.triggers.support import Triggerer, run, trigger

pytestmark = pytest.mark.usefixtures("quick_rounds")

LIST = "GET /images/"
READ = "GET /images/{id}"


def test_waits_of_one_account_share_a_stream_whether_or_not_they_name_it() -> None:
    first, second = "user:1-minimax:2-image:3", "user:1-minimax:2-image:4"
    other = "user:1-minimax:9-image:3"
    assert trigger(first).shared_stream_key() == trigger(second, account="2").shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(other).shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger("user:9-minimax:2-image:3").shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(first, poke_interval=7.0).shared_stream_key()
    assert trigger(first).shared_stream_key() != trigger(first, minimax_conn_id="another").shared_stream_key()


def test_fifty_waits_cost_as_much_as_one_page_a_round(sandbox: Sandbox, triggerer: Triggerer) -> None:
    ids = [sandbox.create_image(f"lamp {n} [hold]")[0] for n in range(50)]

    async def wait() -> list[Any]:
        loop, three_rounds = asyncio.get_running_loop(), asyncio.Event()

        def count(*_: object) -> None:
            if sandbox.stats.count(LIST) == 3:
                loop.call_soon_threadsafe(three_rounds.set)

        sandbox.on_call = count
        waits = asyncio.create_task(triggerer.run_all(*(trigger(image_id) for image_id in ids)))
        await three_rounds.wait()
        sandbox.on_call = None
        for image_id in ids:
            sandbox.release(image_id)
        return await waits

    events = run(wait())
    assert [event["jobs"][0]["imageId"] for event in events] == ids
    assert sandbox.stats.count(READ) <= 2
    assert shared_poll.streams == {}


def test_each_wait_ends_in_its_own_way(sandbox: Sandbox, triggerer: Triggerer) -> None:
    good, bad = sandbox.create_image("a lamp")[0], sandbox.create_image("a lamp [moderate]")[0]
    stuck = sandbox.create_image("a lamp [stuck]")[0]
    events = run(
        triggerer.run_all(trigger(good), trigger(bad), trigger(stuck, seconds=0.7), trigger(f"{good}0"), trigger("7"))
    )
    assert [event["end"] for event in events] == ["completed", "failed", "timed out", "failed", "failed"]
    assert [event.get("error") for event in events] == [
        None,
        "MiniMaxModeratedError",
        None,
        "MiniMaxNotFoundError",
        "MiniMaxBadRequestError",
    ]


def test_a_wait_may_join_a_stream_that_runs_and_begin_one_that_has_ended(
    sandbox: Sandbox, triggerer: Triggerer
) -> None:
    async def wait() -> None:
        stuck = asyncio.create_task(triggerer.run(trigger(sandbox.create_image("a lamp [stuck]")[0])))
        await asyncio.sleep(0)
        assert (await triggerer.run(trigger(sandbox.create_image("a lamp")[0])))[0]["end"] == "completed"
        assert len(shared_poll.streams) == 1
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        for _ in range(5):
            assert (await triggerer.run(trigger(sandbox.create_image("a lamp")[0])))[0]["end"] == "completed"

    run(wait())
    assert shared_poll.streams == {}


@pytest.mark.parametrize(("fault", "error"), [("401", "MiniMaxAuthError"), ("596", "MiniMaxAccountOnHoldError")])
def test_a_fatal_response_ends_all_waits_with_one_request(
    sandbox: Sandbox, triggerer: Triggerer, fault: str, error: str
) -> None:
    """401 is the token's, and 596 to the list that of the account which all of them wait on."""
    ids = [sandbox.create_image(f"lamp {n} [stuck]")[0] for n in range(100)]
    sandbox.fail(fault, times=0)
    events = run(triggerer.run_all(*(trigger(image_id) for image_id in ids)))
    assert {(event["error"], event["status"]) for event in events} == {(error, int(fault))}
    assert len(sandbox.calls) == 1


@pytest.mark.parametrize("fault", ["402", "403"])
def test_if_every_id_is_refused_only_requested_ids_end_as_final_and_few_requests_are_sent(
    sandbox: Sandbox, triggerer: Triggerer, fault: str
) -> None:
    ids = [sandbox.create_image(f"lamp {n} [stuck]")[0] for n in range(100)]
    sandbox.fail(fault, times=0)
    events = run(triggerer.run_all(*(trigger(image_id) for image_id in ids)))
    assert {event["status"] for event in events} == {int(fault)}
    final = sum(event["error"] == "MiniMaxAuthError" for event in events)
    passing = sum(event["error"] == "MiniMaxUpstreamError" for event in events)
    assert (final + passing, final <= sandbox.stats.count(READ)) == (100, True)
    # Three in the first round, the list among them, and one in each of the others.
    assert len(sandbox.calls) <= 3 + timing.MAX_FAILURES - 1


class Refused(MiniMaxClient):
    """A client to which one id is answered by an error."""

    job_id: str
    error: errors.MiniMaxError

    def get_job(self, kind: Any, job_id: str) -> dict[str, Any]:
        if job_id == self.job_id:
            raise self.error
        return super().get_job(kind, job_id)


@pytest.mark.parametrize(
    "error",
    [
        errors.MiniMaxAuthError("403", status=403),
        errors.MiniMaxBadRequestError("400", status=400),
        errors.MiniMaxUpstreamError("500", status=500),
    ],
    ids=str,
)
def test_one_id_that_is_refused_ends_no_other_wait(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch, error: errors.MiniMaxError
) -> None:
    good = [sandbox.create_image(f"lamp {n}")[0] for n in range(10)]
    bad = f"{good[0]}0"
    monkeypatch.setattr(Refused, "job_id", bad, raising=False)
    monkeypatch.setattr(Refused, "error", error, raising=False)
    monkeypatch.setattr(client, "MiniMaxClient", Refused)
    events = run(triggerer.run_all(*(trigger(image_id) for image_id in [*good[:5], bad, *good[5:]])))
    assert [event["end"] for event in events] == ["completed"] * 5 + ["failed"] + ["completed"] * 5
    assert (events[5]["error"], events[5]["status"]) == (type(error).__name__, error.status)


def test_a_running_stream_uses_a_renewed_token(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = sandbox.create_image("a lamp [hold]")[0]
    connection = json.dumps({"conn_type": "minimax", "host": sandbox.url, "password": sandbox.token})
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", connection.replace(sandbox.token, "user:1-old"))

    async def wait() -> Any:
        real = shared_poll.Stream._read_jobs
        rounds = 0

        def renew_after_the_first_round(*args: Any) -> Any:
            nonlocal rounds
            rounds += 1
            result = real(*args)
            if rounds == 1:
                monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", connection)
                sandbox.release(image_id)
            return result

        monkeypatch.setattr(shared_poll.Stream, "_read_jobs", renew_after_the_first_round)
        return await triggerer.run(trigger(image_id))

    (event,) = run(wait())
    assert event["end"] == "completed"
    assert sandbox.stats.statuses[401] == 1


@pytest.mark.parametrize(("status", "end"), [(2, "completed"), (7, "failed")])
def test_a_wait_that_a_worker_has_just_deferred_is_not_ended_at_once(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch, status: int, end: str
) -> None:
    """Airflow's scheduler would take the task for lost. Nor is it asked for again meanwhile."""
    image_id = sandbox.create_image("a lamp")[0]
    sandbox.finish(image_id, status)
    monkeypatch.setattr(timing, "min_deferral", lambda _: 1.5)
    earliest = time.monotonic() + 1.5
    (event,) = run(triggerer.run(trigger(image_id, seconds=1.0)))
    assert event["end"] == end
    assert time.monotonic() >= earliest
    assert len(sandbox.calls) == 1


def test_a_clock_that_is_set_back_meanwhile_holds_no_wait_back(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = sandbox.create_image("a lamp")[0]
    sandbox.finish(image_id, 2)
    now, behind = time.time, 0.0

    class SetBack(MiniMaxClient):
        def get_job(self, kind: Any, job_id: str) -> dict[str, Any]:
            nonlocal behind
            behind = 3600.0
            return super().get_job(kind, job_id)

    monkeypatch.setattr(time, "time", lambda: now() - behind)
    monkeypatch.setattr(client, "MiniMaxClient", SetBack)
    (event,) = run(asyncio.wait_for(triggerer.run(trigger(image_id)), 60))
    assert event["end"] == "completed"


def test_a_passing_failure_ends_no_wait(sandbox: Sandbox, triggerer: Triggerer) -> None:
    image_id = sandbox.create_image("a lamp")[0]
    sandbox.fail("429", operation=READ, times=3, retry_after=0)
    (event,) = run(triggerer.run(trigger(image_id)))
    assert event["end"] == "completed"


def test_each_wait_logs_changes_in_its_own_context(
    sandbox: Sandbox, triggerer: Triggerer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    image_id = sandbox.create_image("a lamp")[0]
    run(triggerer.run(trigger(image_id)))
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("polling.poller")]
    assert lines[-1] == f"{image_id}: completed"
    assert len(lines) == len(set(lines))
