"""One wait for thousands of jobs beside the other triggers of the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.polling import events
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.wait_spec import WaitSpec
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger
from tests.support import image_id
from tests.unit.triggers.support import Triggerer, run, trigger

pytestmark = pytest.mark.usefixtures("quick_rounds")

COUNT = 5000
#: As the service sends it, about; half of an emoji makes it costly to send on.
IMAGE = {"status": 2, "statusLabel": "completed", "fileID": "f" * 20, "desc": "a lamp \ud83d" * 40}


def pages(_: str) -> Iterator[Sequence[Job]]:
    for start in range(0, COUNT, 100):
        yield [{"imageId": image_id(number), **IMAGE} for number in range(start, start + 100)]


async def longest_turn(watched: asyncio.Future[Any]) -> float:
    """Return the most seconds of work that the thread of the loop did in one turn, without that of other threads."""
    longest, last = 0.0, time.thread_time()
    while not watched.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    return longest


def work_of_one_wait() -> float:
    """Return the seconds that it takes to take in all the jobs of the wait, and to make an event of them."""
    jobs: dict[str, Any] = {str(job["imageId"]): job for page in pages("") for job in page}
    poller = Poller(WaitSpec(tuple(image_id(number) for number in range(COUNT))).checked())
    begun = time.thread_time()
    found = poller.process_round(jobs)
    assert found is not None
    events.success_event(found)
    return time.thread_time() - begun


def test_a_wait_for_thousands_of_jobs_does_not_block_the_event_loop(
    sandbox: Sandbox, triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_memory(*_: object, **__: object) -> Reader:
        return Reader("image", lambda job_id: {"imageId": job_id, **IMAGE}, pages)

    monkeypatch.setattr(Reader, "for_client", in_memory)

    async def hold(waiting: MiniMaxJobTrigger) -> float:
        task = asyncio.create_task(triggerer.run(waiting))
        longest = await longest_turn(task)
        assert (await task)[0]["end"] in ("completed", "left to a worker")
        return longest

    # The first wait of all imports what it needs.
    run(hold(trigger(image_id(0))))
    longest = run(hold(trigger(*map(image_id, range(COUNT)))))
    assert longest < work_of_one_wait() / 5
