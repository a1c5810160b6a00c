"""How many creates are sent, what is adopted, and how it ends: scenario by scenario.

Each row is run for images and for videos, and under both policies for a create whose outcome is unknown.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_minimax.api import backoff, errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.compat import AirflowRescheduleException
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.submission.record_store import KEY
from tests.unit.operators.support import MemoryStore, Task
from tests.unit.submission.service import FakeService, fake_service

DAY = 86_400.0
#: Seconds: far beyond what two clocks may differ by unnoticed.
TEN_MINUTES = 600.0
LONG = "a paper boat on a quiet river, " * 10


@pytest.fixture(scope="module")
def _served() -> Iterator[FakeService]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(_served: FakeService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> FakeService:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(timing, "MIN_INTERVAL", 0.02)
    monkeypatch.setattr(backoff, "FIRST_DELAY_AT_CAPACITY", 0.01)
    url = _served.url
    _served.__init__()  # type: ignore[misc]
    _served.url = url
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", _served.connection)
    return _served


def make(kind: str, **options: Any) -> Any:
    operator = MiniMaxCreateImageOperator if kind == "image" else MiniMaxCreateVideoOperator
    given = {"prompt": "a paper boat", "poke_interval": 0.02, "timeout": 20, "deferrable": False, "account": "42"}
    given |= options
    return operator(task_id="create", **given)


def ids_of(value: Any) -> list[str]:
    rows = value if isinstance(value, list) else [value]
    return [row if isinstance(row, str) else row.get("imageId") or row["videoId"] for row in rows]


def run(task: Task, kind: str, **options: Any) -> list[str] | str:
    """Run an attempt to its end, over each reschedule; return the ids that it ends with, or the name of its error."""
    for _ in range(10):
        try:
            return ids_of(task.run(make(kind, **options)))
        except AirflowRescheduleException:
            task.try_number -= 1  # Airflow does not count a reschedule.
        except errors.MiniMaxError as error:
            return type(error).__name__
    raise AssertionError("the attempt does not end")


# What the service is like before the create


def nothing(_: FakeService, __: str) -> None:
    pass


def yesterdays(service: FakeService, kind: str) -> None:
    service.add(kind, "a paper boat", age=DAY)
    service.add(kind, "a tin boat", age=DAY / 2)


def empty_for_a_moment(service: FakeService, kind: str) -> None:
    yesterdays(service, kind)
    service.empty_lists = 2


def empty_for_one_look(service: FakeService, kind: str) -> None:
    yesterdays(service, kind)
    service.empty_lists = 1


def empty_for_a_moment_without_times(service: FakeService, kind: str) -> None:
    service.stamped = None
    empty_for_a_moment(service, kind)


def without_times(service: FakeService, kind: str) -> None:
    service.stamped = None
    yesterdays(service, kind)


def all_that_was_there_is_deleted(service: FakeService, kind: str) -> None:
    """Behind the newest jobs lies yesterday's, and they are deleted while the create is on its way."""
    service.stamped = None
    service.add(kind, "a paper boat", age=DAY)
    for number in range(31):
        service.add(kind, f"boat {number}", age=DAY / 2)

    def delete() -> None:
        if service.creates:
            service.jobs = [job for job in service.jobs if not job.shown["desc"].startswith("boat ")]

    service.before_list = delete


def a_strangers_runs_without_ref(service: FakeService, kind: str) -> None:
    """Somebody makes the same in the browser, at the same moment."""
    yesterdays(service, kind)

    def begin() -> None:
        if service.creates and len(service.jobs) == 2:
            service.ends = None
            service.add(kind, "a paper boat")
            service.ends = 2

    service.before_list = begin


def clock(skew: float, date_skew: float | None) -> Callable[[FakeService, str], None]:
    def arrange(service: FakeService, kind: str) -> None:
        service.skew, service.date_skew = skew, date_skew
        yesterdays(service, kind)

    return arrange


def lost_of_all_lists(service: FakeService, kind: str) -> None:
    """The lists are empty while the job is looked for."""
    yesterdays(service, kind)

    def forget() -> None:
        if service.creates:
            service.empty_lists = 1

    service.before_list = forget


def jobs_that_end(status: int) -> Callable[[FakeService, str], None]:
    def arrange(service: FakeService, kind: str) -> None:
        yesterdays(service, kind)
        service.ends = status

    return arrange


UNKNOWN, MODERATED = "MiniMaxUnknownOutcomeError", "MiniMaxModeratedError"
#: The job that the first create has made, that the second has made, and so on.
FIRST, SECOND = 0, 1


@dataclass
class Row:
    """A scenario, and what is right: creates sent, and the job or the error that the attempt ends with."""

    name: str
    script: tuple[str, ...]
    fail: tuple[int, int | str]
    resubmit: tuple[int, int | str]
    arrange: Callable[[FakeService, str], None] = yesterdays


TABLE = [
    Row("answered", (), (1, FIRST), (1, FIRST)),
    Row("the answer is lost", ("lost",), (1, FIRST), (1, FIRST)),
    Row("the answer is lost, no times", ("lost",), (1, FIRST), (1, FIRST), without_times),
    Row("nothing was made", ("void",), (1, UNKNOWN), (2, FIRST)),
    Row("nothing is ever made", ("void",) * 9, (1, UNKNOWN), (2, UNKNOWN)),
    Row("the second answer is lost", ("void", "lost"), (1, UNKNOWN), (2, FIRST)),
    # What was there before.
    Row("empty for a moment, nothing was made", ("void",), (1, UNKNOWN), (2, FIRST), empty_for_a_moment),
    Row("empty for one look, nothing was made", ("void",), (1, UNKNOWN), (2, FIRST), empty_for_one_look),
    Row("empty for one look", ("lost",), (1, FIRST), (1, FIRST), empty_for_one_look),
    Row("all that was there is deleted", ("void",), (1, UNKNOWN), (2, FIRST), all_that_was_there_is_deleted),
    Row("the first job of an account", ("lost",), (1, FIRST), (1, FIRST), nothing),
    Row("all lists are empty after the create", ("lost",), (1, UNKNOWN), (1, UNKNOWN), lost_of_all_lists),
    # Somebody else's.
    Row("a job in the scheduler without a replyRef", ("void",), (1, UNKNOWN), (2, FIRST),
        a_strangers_runs_without_ref),
    # One create after an unknown outcome, whatever then happens.
    Row("the second is moderated", ("void",), (1, UNKNOWN), (2, MODERATED), jobs_that_end(5)),
    Row("the second fails", ("void",), (1, UNKNOWN), (2, "MiniMaxJobFailedError"), jobs_that_end(3)),
    Row("the first was made, and was moderated", ("lost",), (1, MODERATED), (1, MODERATED), jobs_that_end(5)),
    Row("504 and 429 in turn", ("void", "429") * 9, (1, UNKNOWN), (2, UNKNOWN)),
    Row("no room, then 504 and 429 in turn", ("429",) * 5 + ("void", "429") * 9, (6, UNKNOWN), (7, UNKNOWN)),
    Row("504, and out of credits", ("void", "412"), (1, UNKNOWN), (2, UNKNOWN)),
    Row("504, and on hold", ("void", "596"), (1, UNKNOWN), (2, UNKNOWN)),
    # The clock of the service.
    *(Row(f"clock {skew:+.0f} s", ("lost",), (1, FIRST), (1, FIRST), clock(skew, skew))
      for skew in (-TEN_MINUTES, TEN_MINUTES)),
    Row("clock -30 s, without Date", ("lost",), (1, FIRST), (1, FIRST), clock(-30, None)),
    Row("ids that are none", ("garbled",), (1, FIRST), (1, FIRST)),
    Row("ids under another key", ("elsewhere",), (1, FIRST), (1, FIRST)),
]  # fmt: skip


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_one_attempt(service: FakeService, row: Row, kind: str, policy: str) -> None:
    row.arrange(service, kind)
    before = {job.full for job in service.jobs}
    service.script = deque(row.script)
    end = run(Task(), kind, on_unknown_outcome=policy)
    sent, expected = row.fail if policy == "fail" else row.resubmit
    made = [job.full for job in reversed(service.jobs) if job.full not in before and job.ref]
    assert service.sent == sent
    assert end == ([made[expected]] if isinstance(expected, int) else expected)
    # At most one create after an unknown outcome, whatever there is to it.
    assert service.maybe_paid <= (1 if policy == "fail" else 2)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_first_job_of_an_account_alarms_nobody(
    service: FakeService, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    assert run(Task(), kind) == [service.jobs[0].full]
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []
    if kind == "video":
        assert "is then recovered by its replyRef only" in caplog.text


# Without any policy: what was there before is not known


@pytest.mark.parametrize("arrange", [empty_for_a_moment_without_times], ids=lambda one: one.__name__)
@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("script", ["void", "lost"])
def test_what_was_there_before_is_known_and_not_assumed(
    service: FakeService, arrange: Callable[[FakeService, str], None], kind: str, script: str
) -> None:
    if kind == "image":
        # The service counts no images, twice: that is believed, so an image would have to show its time.
        service.stamped = int
        yesterdays(service, kind)
        service.empty_lists = 2
    else:
        arrange(service, kind)
    service.script = deque([script])
    end = run(Task(), kind)
    assert service.sent == 1
    if script == "void" or kind == "video":
        assert end == UNKNOWN
    else:
        assert end == [service.jobs[0].full]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_account_that_was_in_error_and_is_back(service: FakeService, kind: str) -> None:
    service.accounts = ("41", "42")
    service.broken = {"41"}
    service.stamped = None
    service.add(kind, "a paper boat", account="41", age=DAY)
    service.add(kind, "a tin boat", account="42", age=DAY)
    service.script = deque(["void"])

    def mend() -> None:
        if service.creates:
            service.broken = set()

    service.before_list = mend
    task = Task()
    for _ in range(2):
        assert run(task, kind, account=None) == UNKNOWN
    assert service.sent == 1
    assert list(task.store.get(KEY)["known_ids"]) == ["42"]


# The clock of the service


@pytest.mark.parametrize("skew", [-TEN_MINUTES, TEN_MINUTES])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_job_of_another_run_is_not_taken_by_a_clock_that_is_wrong(
    service: FakeService, kind: str, skew: float
) -> None:
    clock(skew, skew)(service, kind)
    service.script = deque(["void"])
    task = Task()
    assert run(task, kind) == UNKNOWN
    # Made ten minutes later or earlier than ours, it shows the time that our own clock had then.
    service.add(kind, "a paper boat", age=skew)
    assert run(task, kind) == UNKNOWN
    assert service.sent == 1


# A worker that dies between the intent and the create


def die_before_the_create(monkeypatch: pytest.MonkeyPatch, task: Task, kind: str, seconds: float) -> None:
    """Run an attempt that dies once the intent is stored; let this be some seconds ago."""

    def dying(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MiniMaxClient, "submit", dying)
        with pytest.raises(KeyboardInterrupt):
            task.run(make(kind))
    record = task.store.get(KEY)
    earlier = {name: record[name] - int(seconds * 1000) for name in ("sent_after", "sent_before")}
    task.store.set(KEY, record | earlier)


@pytest.mark.parametrize(
    ("kind", "ago", "age", "is_adopted"),
    [
        # A create leaves within 60 seconds and the time to connect, 10; two clocks that were compared differ by 15.
        ("image", TEN_MINUTES, TEN_MINUTES - 60, True),
        ("image", TEN_MINUTES, TEN_MINUTES - 80, True),
        ("image", TEN_MINUTES, TEN_MINUTES - 90, False),
        ("image", TEN_MINUTES, TEN_MINUTES - 240, False),
        # Without times: the same, the task's own delay of 300 seconds and two minutes.
        ("video", 480, 0, True),
        ("video", 500, 0, False),
    ],
)
def test_the_job_that_another_run_makes_after_a_dead_worker(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, kind: str, ago: float, age: float, is_adopted: bool
) -> None:
    service.stamped = int if kind == "image" else None
    yesterdays(service, kind)
    task = Task()
    die_before_the_create(monkeypatch, task, kind, ago)
    job = service.add(kind, "a paper boat", age=age)
    assert run(task, kind) == ([job] if is_adopted else UNKNOWN)
    assert service.sent == 0


# After an attempt that has searched to its end


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
def test_a_video_that_appears_after_the_searches_is_not_adopted(service: FakeService, policy: str) -> None:
    without_times(service, "video")
    service.script = deque(["void"] * 9)
    task = Task()
    assert run(task, "video", on_unknown_outcome=policy) == UNKNOWN
    # The next run makes the same within the retry delay.
    service.add("video", "a paper boat")
    assert run(task, "video", on_unknown_outcome=policy) == UNKNOWN
    assert service.sent == (1 if policy == "fail" else 3)


@pytest.mark.parametrize(("age", "is_adopted"), [(TEN_MINUTES / 2, False), (TEN_MINUTES, True)])
def test_an_image_that_was_made_between_two_creates_is_not_adopted(
    service: FakeService, age: float, is_adopted: bool
) -> None:
    """Only while a create was on its way, whichever, the task's own job can have been made."""
    yesterdays(service, "image")
    service.script = deque(["void"] * 9)
    task = Task()
    assert run(task, "image") == UNKNOWN
    record = task.store.get(KEY)
    earlier = {name: record[name] - int(TEN_MINUTES * 1000) for name in ("sent_after", "sent_before")}
    task.store.set(KEY, record | earlier)

    def list_late() -> None:
        if service.sent == 2 and len(service.jobs) == 2:
            service.add("image", "a paper boat", age=age)

    service.before_list = list_late
    assert run(task, "image", on_unknown_outcome="resubmit") == ([service.jobs[0].full] if is_adopted else UNKNOWN)
    assert service.sent == 2


def test_a_video_that_runs_under_our_ref_is_found_after_the_searches(service: FakeService) -> None:
    without_times(service, "video")
    service.script = deque(["void"])
    task = Task()
    assert run(task, "video") == UNKNOWN
    assert task.store.get(KEY)["closed"]
    service.ends = None
    late = service.add("video", "a paper boat", ref=task.store.get(KEY)["reply_ref"])
    service.jobs[0].shown |= {"status": 2, "statusLabel": "completed", "statusFinal": True}
    assert run(task, "video") == [late]


def test_an_attempt_whose_last_search_fails_leaves_the_record_open(service: FakeService) -> None:
    without_times(service, "video")
    service.script = deque(["lost"])
    service.before_list = lambda: setattr(service, "empty_lists", 1 if service.creates else 0)
    task = Task()
    assert run(task, "video") == UNKNOWN
    service.before_list = lambda: None
    service.empty_lists = 0
    assert run(task, "video") == [service.jobs[0].full]
    assert service.sent == 1


# The prompt and the time, as the service may have stored them


@pytest.mark.parametrize(
    ("prompt", "stored", "stamped"),
    [
        ("a paper\r\nboat", lambda text: text.replace("\r\n", "\n"), int),
        ("a  paper \n boat ", lambda text: " ".join(text.split()), int),
        ("un caf\u00e9", lambda text: text.replace("\u00e9", "e\u0301"), int),
        (LONG, lambda text: text[:200], int),
        (LONG, lambda text: text[:200] + "...", int),
        ("a paper boat", str, lambda moment: moment // 1000),
        ("a paper boat", str, str),
        ("a paper boat", str, lambda moment: str(moment // 1000)),
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_lost_create_is_found_in_whichever_form(
    service: FakeService, kind: str, prompt: str, stored: Callable[[str], str], stamped: Callable[[int], Any]
) -> None:
    service.stored, service.stamped = stored, stamped
    yesterdays(service, kind)
    service.script = deque(["lost"])
    assert run(Task(), kind, prompt=prompt) == [service.jobs[0].full]
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_prompt_that_was_cut_is_not_told_from_its_like(service: FakeService, kind: str) -> None:
    service.stored = lambda text: text[:200]
    service.add(kind, f"{LONG} at dawn", age=DAY)
    service.script = deque(["lost"])
    assert run(Task(), kind, prompt=f"{LONG} at noon") == UNKNOWN
    assert service.sent == 1


@pytest.mark.parametrize("map_index", [0, 7])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_truncated_prompt_is_not_told_from_that_of_a_mapped_sibling(
    service: FakeService, kind: str, map_index: int
) -> None:
    """A fan-out over the ends of one long prompt, and the first sibling's create made no job."""
    service.stored = lambda text: text[:200]
    yesterdays(service, kind)
    service.script = deque(["void"])

    def make_the_siblings_job() -> None:
        if service.creates and len(service.jobs) == 2:
            service.add(kind, f"{LONG} at dawn")

    service.before_list = make_the_siblings_job
    task = Task(map_index=map_index)
    for _ in range(2):
        assert run(task, kind, prompt=f"{LONG} at noon") == UNKNOWN
    assert service.sent == 1


# What a retry makes of an end


@pytest.mark.parametrize(
    ("status", "label", "sent", "end"),
    [
        (3, "failed", 2, None),
        (5, "moderated", 2, None),
        (7, "moderated", 2, None),
        (14, "moderated", 2, None),
        (99, "Failed", 2, None),
        (99, "taken under review", 1, "MiniMaxJobFailedError"),
        (99, None, 1, "MiniMaxJobFailedError"),
        (10, "appeal approved", 1, "MiniMaxJobFailedError"),
        (2, "completed", 1, None),
    ],
)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_what_a_retry_sends_after_an_end(
    service: FakeService, kind: str, status: int, label: str | None, sent: int, end: str | None
) -> None:
    task = Task()
    run(task, kind, wait_for_completion=False)
    service.jobs[0].shown |= {"status": status, "statusLabel": label, "downloadURL": ""}
    found = run(task, kind)
    assert service.sent == sent
    assert found == (end or [service.jobs[0].full])


def test_one_of_several_images_with_an_end_that_nobody_knows(service: FakeService) -> None:
    task = Task()
    run(task, "image", wait_for_completion=False)
    record = task.store.get(KEY)
    other = service.add("image", "a paper boat")
    task.store.set(KEY, record | {"ids": [*record["ids"], other]})
    service.jobs[0].shown |= {"status": 5, "statusLabel": "moderated"}
    service.jobs[1].shown |= {"status": 99, "statusLabel": "taken under review", "downloadURL": ""}
    operator = make("image")
    with pytest.raises(errors.MiniMaxError, match=r"Unknown final status of .*status 99.*clear the task"):
        task.run(operator)
    assert service.sent == 1


@pytest.mark.parametrize(("missing", "sent"), [(1, 1), (99, 2)])
def test_a_job_is_gone_when_it_is_missing_twice(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, missing: int, sent: int
) -> None:
    task = Task()
    run(task, "image", wait_for_completion=False)
    monkeypatch.setattr("airflow_provider_minimax.operators.job_wait.GRACE", -60.0)
    # Only asked for by its id.
    service.missing = missing
    service.before_list = lambda: setattr(service, "empty_lists", 1)
    end = run(task, "image", wait_for_completion=False)
    assert service.sent == sent
    assert end == [service.jobs[0].full]


# The store


class Failing(MemoryStore):
    """A ``state_store_backend`` that raises what it likes."""

    def __init__(self, *phases: str) -> None:
        super().__init__()
        self.phases = phases

    def set(self, key: str, value: Any) -> None:
        if value.get("phase") in self.phases:
            raise OSError("the bucket is gone")
        super().set(key, value)


class Unreadable(MemoryStore):
    def get(self, key: str, default: Any = None) -> Any:
        raise ConnectionError("the bucket is gone")


@pytest.mark.parametrize("stamped", [int, None])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_ids_outlive_any_error_of_the_store(service: FakeService, kind: str, stamped: Any) -> None:
    service.stamped = stamped
    yesterdays(service, kind)
    task = Task(store=Failing("created"))
    (job,) = run(task, kind)
    assert task.store.get(KEY)["phase"] == "intent"
    # Its retry begins after Airflow's default delay.
    record = task.store.get(KEY)
    service.jobs[0].shown |= {"createTime": record["sent_after"] - 299_000} if stamped else {}
    task.store.set(KEY, record | {name: record[name] - 299_000 for name in ("sent_after", "sent_before")})
    assert run(task, kind) == [job]
    assert service.sent == 1


@pytest.mark.parametrize("phase", ["intent", "created"])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_damaged_record_submits_nothing(service: FakeService, kind: str, phase: str) -> None:
    task = Task()
    run(task, kind)
    task.store.set(KEY, task.store.get(KEY) | {"phase": phase, "ids": [], "foreign_ids": [1] * (phase == "intent")})
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="is unreadable; it names replyRef"):
        task.run(make(kind))
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
def test_nothing_is_sent_without_a_record(service: FakeService, kind: str) -> None:
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"the bucket is gone.*Nothing was submitted"):
        Task(store=Failing("intent")).run(make(kind))
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"the bucket is gone.*Nothing was submitted"):
        Task(store=Unreadable()).run(make(kind))
    assert service.sent == 0


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_result_of_a_trigger_outlives_a_store_that_cannot_be_read(service: FakeService, kind: str) -> None:
    from airflow_provider_minimax.polling import events

    rows = [{f"{kind}Id": service.add(kind, "a paper boat")}]
    task = Task(store=Unreadable())
    assert ids_of(make(kind).execute_complete(task.context(), events.success_event(rows))) == ids_of(rows)


# Ids, accounts, and Airflow before 3.3


@pytest.mark.parametrize(("script", "quoted"), [("garbled", "'not an id'"), ("elsewhere", "'what came'")])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_ids_that_are_none_are_quoted_in_each_attempt(
    service: FakeService, kind: str, script: str, quoted: str
) -> None:
    service.script = deque([script])
    service.stored = lambda _: "what nobody asked for"
    task = Task()
    for _ in range(2):
        with pytest.raises(errors.MiniMaxUnknownOutcomeError, match=rf"{quoted}.*is paid for.*'a paper boat'"):
            task.run(make(kind, on_unknown_outcome="resubmit"))
    assert service.sent == 1


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("second", ["429", "412", "596", "void"])
def test_auto_sends_one_create_after_an_unknown_outcome(service: FakeService, kind: str, second: str) -> None:
    service.accounts = ("41", "42", "43")
    service.script = deque(["void", second])
    assert run(Task(), kind, account="auto", on_unknown_outcome="resubmit") == UNKNOWN
    assert service.sent == 2


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_without_a_store_no_attempt_comes_back_after_an_unknown_outcome(
    service: FakeService, kind: str, deferrable: bool
) -> None:
    service.script = deque(["void", "429"])
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="it is not retried"):
        Task(store=None).run(make(kind, on_unknown_outcome="resubmit", deferrable=deferrable))
    assert service.sent == 2


@pytest.mark.parametrize("kind", ["image", "video"])
def test_each_attempt_sends_one_more_where_that_is_wanted(service: FakeService, kind: str) -> None:
    service.script = deque(["void"] * 9)
    task = Task()
    for sent in (2, 3, 4):
        assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
        assert service.sent == sent
    # What is lost first and turns up later is the task's own, too.
    refs = task.store.get(KEY)["earlier_refs"]
    assert len(refs) == 3
    service.ends = None
    late = service.add(kind, "a paper boat", ref=refs[0])
    service.ends = 2
    service.jobs[0].shown |= {"status": 2, "statusLabel": "completed", "statusFinal": True}
    assert run(task, kind, on_unknown_outcome="resubmit") == [late]
    assert service.sent == 4


@pytest.mark.parametrize(("status", "end"), [(5, MODERATED), (3, "MiniMaxJobFailedError")])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_what_a_retry_resubmits_and_ends_badly_at_once_is_the_last(
    service: FakeService, kind: str, status: int, end: str
) -> None:
    task = Task()
    service.script = deque(["void"])
    assert run(task, kind) == UNKNOWN
    service.ends = status
    assert run(task, kind, on_unknown_outcome="resubmit") == end
    assert service.sent == 2


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_lost_job_that_was_found_and_has_failed_is_followed_by_one(service: FakeService, kind: str) -> None:
    task = Task()
    service.script = deque(["void", "void", "void"])
    assert run(task, kind) == UNKNOWN
    record = task.store.get(KEY)
    service.ends = None
    late = service.add(kind, "a paper boat", ref=record["reply_ref"])
    service.jobs[0].shown |= {"status": 3, "statusLabel": "failed", "statusFinal": True}
    # Found by its replyRef, it has failed; what follows is lost, and that is the end of the attempt.
    assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
    assert service.sent == 2
    assert late in task.store.get(KEY)["foreign_ids"]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_refused_second_create_does_not_hide_the_first(service: FakeService, kind: str) -> None:
    task = Task()
    service.script = deque(["void", "429"])
    assert run(task, kind, on_unknown_outcome="resubmit") == UNKNOWN
    # The retry does not take the refusal for "nothing was made".
    assert run(task, kind, on_unknown_outcome="fail") == UNKNOWN
    assert service.sent == 2
