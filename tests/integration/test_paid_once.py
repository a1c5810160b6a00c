"""Whatever dies, and whenever: each create of a task is paid once. With real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.sandbox import Sandbox
from tests.integration.worker import Try, Worker, worker
from tests.support import until
from tests.unit.operators.support import CREATE, add_earlier_videos

KINDS = ("image", "video")


@pytest.fixture(scope="module")
def warm() -> Iterator[Worker]:
    with worker() as started:
        yield started


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """The sandbox of all tests, whose account has made a video before."""
    add_earlier_videos(sandbox)
    return sandbox


class Tries:
    """The tries of one task."""

    def __init__(self, warm: Worker, folder: Path, kind: str) -> None:
        self._warm, self._folder, self.kind = warm, folder, kind
        self._number = 0
        self.options: dict[str, Any] = {"prompt": "a paper boat"} | ({"quantity": 2} if kind == "image" else {})

    def start(self, **order: Any) -> Try:
        self._number += 1
        order = {"try_number": self._number, "connection": os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"]} | order
        return self._warm.start(self._folder, kind=self.kind, options=self.options, **order)

    @property
    def record(self) -> dict[str, Any]:
        store = self._folder / "store.json"
        return json.loads(store.read_text())["minimax_create"] if store.exists() else {}


@pytest.fixture(params=KINDS)
def tries(request: pytest.FixtureRequest, sandbox: Sandbox, warm: Worker, tmp_path: Path) -> Tries:
    return Tries(warm, tmp_path, request.param)


def made(sandbox: Sandbox, kind: str) -> int:
    """How many creates the service has carried out."""
    return sandbox.stats.creates[f"{kind}s"] // (2 if kind == "image" else 1)


def count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


@pytest.mark.parametrize("point", ["before the intent", "before the create"])
def test_death_before_the_create(sandbox: Sandbox, tries: Tries, point: str) -> None:
    assert tries.start(die=point).outcome() == {"killed": signal.SIGKILL}
    assert made(sandbox, tries.kind) == 0
    outcome = tries.start().outcome()
    if point == "before the intent":
        assert "value" in outcome
        assert made(sandbox, tries.kind) == 1
    else:
        # Nobody can know any more that nothing was sent: a person is asked, and told what to look for.
        assert outcome["error"] == "MiniMaxUnknownOutcomeError"
        assert tries.record["reply_ref"] in outcome["message"]
        assert "'a paper boat'" in outcome["message"]
        assert sandbox.stats.count(CREATE[tries.kind]) == 0


def test_death_before_the_create_with_resubmit(sandbox: Sandbox, tries: Tries) -> None:
    tries.options["on_unknown_outcome"] = "resubmit"
    assert tries.start(die="before the create").outcome() == {"killed": signal.SIGKILL}
    assert "value" in tries.start().outcome()
    assert made(sandbox, tries.kind) == 1


def test_death_while_the_create_is_on_its_way(sandbox: Sandbox, tries: Tries) -> None:
    # The service notices that nobody listens any more, and takes no job; nobody can know that.
    sandbox.fail("slow", CREATE[tries.kind], delay=0.3)
    first = tries.start()
    until(lambda: sandbox.stats.count(CREATE[tries.kind]))
    first.kill()
    assert first.outcome() == {"killed": signal.SIGKILL}
    for _ in range(2):
        outcome = tries.start().outcome()
        assert outcome["error"] == "MiniMaxUnknownOutcomeError"
        assert tries.record["reply_ref"] in outcome["message"]
    assert made(sandbox, tries.kind) == 0
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


def test_death_after_the_create_and_before_its_answer(sandbox: Sandbox, tries: Tries) -> None:
    sandbox.fail("drip", CREATE[tries.kind], delay=20.0)
    first = tries.start()
    until(lambda: made(sandbox, tries.kind))
    first.kill()
    assert first.outcome() == {"killed": signal.SIGKILL}
    assert tries.record["phase"] == "intent"
    assert "value" in tries.start().outcome()
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


def test_death_between_the_answer_and_its_record(sandbox: Sandbox, tries: Tries) -> None:
    assert tries.start(die="before the ids are stored").outcome() == {"killed": signal.SIGKILL}
    assert made(sandbox, tries.kind) == 1
    assert "value" in tries.start().outcome()
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


def test_death_again_and_again(sandbox: Sandbox, tries: Tries) -> None:
    tries.options["prompt"] = "a paper boat [hold]"
    for _ in range(3):
        one = tries.start(die="before the ids are stored")
        assert one.outcome() == {"killed": signal.SIGKILL}
    one = tries.start()
    until(lambda: tries.record.get("ids"))
    one.kill()
    one.outcome()
    for job_id in tries.record["ids"]:
        sandbox.release(job_id)
    assert "value" in tries.start().outcome()
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


@pytest.mark.parametrize("ended", [False, True])
def test_death_while_waiting(sandbox: Sandbox, tries: Tries, ended: bool) -> None:
    tries.options["prompt"] = "a paper boat [hold]"
    first = tries.start()
    until(lambda: tries.record.get("ids"))
    first.kill()
    first.outcome()
    if ended:
        for job_id in tries.record["ids"]:
            sandbox.finish(job_id)
        assert "value" in tries.start().outcome()
    else:
        second = tries.start()
        for job_id in tries.record["ids"]:
            sandbox.release(job_id)
        assert "value" in second.outcome()
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


@pytest.mark.parametrize("fault", ["accepted-504", "accepted-502", "accepted-reset", "truncated"])
def test_an_answer_that_is_lost_after_the_scheduler_has_let_go(sandbox: Sandbox, tries: Tries, fault: str) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=0.0))
    add_earlier_videos(sandbox)
    sandbox.fail(fault, CREATE[tries.kind])
    assert "value" in tries.start().outcome()
    assert made(sandbox, tries.kind) == 1
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


# Killed, and by whom


def start_held(tries: Tries, **order: Any) -> Try:
    tries.options["prompt"] = "a paper boat [hold]"
    one = tries.start(**order)
    until(lambda: tries.record.get("ids"))
    return one


@pytest.mark.parametrize("state", ["failed", "success", "restarting", None])
def test_a_person_who_ends_the_task_ends_the_video(sandbox: Sandbox, tries: Tries, state: str | None) -> None:
    one = start_held(tries, state=state)
    begun = time.monotonic()
    one.kill(signal.SIGTERM)
    outcome = one.outcome()
    # The last may come of a round that was under way: the video is cancelled, which the service shows as failed.
    assert outcome["error"] in ("AirflowFailException", "MiniMaxJobFailedError")
    assert time.monotonic() - begun < 5
    assert sandbox.stats.count("POST /videos/cancel") == (1 if tries.kind == "video" else 0)


@pytest.mark.parametrize("state", ["running", "up_for_retry", "queued"])
def test_a_worker_that_is_lost_gives_nothing_up(sandbox: Sandbox, tries: Tries, state: str) -> None:
    one = start_held(tries, state=state)
    one.kill(signal.SIGTERM)
    time.sleep(0.3)
    one.kill(signal.SIGKILL)
    assert one.outcome() == {"killed": signal.SIGKILL}
    assert sandbox.stats.count("POST /videos/cancel") == 0
    for job_id in tries.record["ids"]:
        sandbox.release(job_id)
    assert "value" in tries.start().outcome()
    assert sandbox.stats.count(CREATE[tries.kind]) == 1


def test_a_video_is_left_alone_when_told_so(sandbox: Sandbox, warm: Worker, tmp_path: Path) -> None:
    tries = Tries(warm, tmp_path, "video")
    tries.options["cancel_on_kill"] = False
    one = start_held(tries, state="failed")
    one.kill(signal.SIGTERM)
    one.outcome()
    assert sandbox.stats.count("POST /videos/cancel") == 0


def test_a_service_that_hangs_does_not_hold_the_kill(sandbox: Sandbox, warm: Worker, tmp_path: Path) -> None:
    tries = Tries(warm, tmp_path, "video")
    one = start_held(tries, state="failed")
    sandbox.fail("slow", "POST /videos/cancel", delay=30.0)
    begun = time.monotonic()
    one.kill(signal.SIGTERM)
    one.outcome()
    assert time.monotonic() - begun < 5


def test_a_kill_while_the_create_is_answered_still_cancels(sandbox: Sandbox, warm: Worker, tmp_path: Path) -> None:
    tries = Tries(warm, tmp_path, "video")
    tries.options["prompt"] = "a paper boat [hold]"
    sandbox.fail("drip", CREATE["video"], delay=1.0)
    one = tries.start(state="failed")
    until(lambda: made(sandbox, "video"))
    one.kill(signal.SIGTERM)
    assert one.outcome()["error"] == "AirflowFailException"
    assert sandbox.stats.count("POST /videos/cancel") == 1
