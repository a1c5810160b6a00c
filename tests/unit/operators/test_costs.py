"""What a create costs: said before it is sent, kept within a limit, and told to later tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import (
    MiniMaxBadRequestError,
    MiniMaxModeratedError,
    MiniMaxUnknownOutcomeError,
)
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.costs import COST_KEY, add_costs, sum_costs
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission.pricing import AccountLists
from tests.conftest import CONFIG
from tests.support import connect
from tests.unit.operators.creates import image, jobs, lose_worker, posts, video
from tests.unit.operators.support import IMAGES, VIDEOS, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

FEATURES = "GET /features/"
LISTED = "from the account's price list"


def line(caplog: pytest.LogCaptureFixture, text: str) -> str:
    (found,) = (record.message for record in caplog.records if text in record.message)
    return found


# Before it is sent


def test_the_log_says_before_a_create_what_it_will_cost(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    Task().run(image(quantity=4))
    messages = [record.message for record in caplog.records]
    said = messages.index(line(caplog, "Cost: 4 credits (from the account's price list)."))
    assert said < messages.index(line(caplog, "billable from now on"))
    assert sandbox.stats.credits_spent == 4


def test_an_unknown_price_is_said_and_sent(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    task = Task()
    task.run(video(model="Sora-2"))
    assert line(caplog, "Submitting").endswith("Cost: unknown price.")
    assert (task.xcoms[COST_KEY]["credits"], task.xcoms[COST_KEY]["source"]) == (None, None)


def test_more_than_the_limit_is_not_sent(sandbox: Sandbox) -> None:
    task = Task()
    with pytest.raises(MiniMaxBadRequestError, match=r"costs 4 credits .* more than max_credits=3"):
        task.run(image(quantity=4, max_credits=3))
    assert posts(sandbox, "image") == 0
    assert sandbox.stats.credits_spent == 0
    assert task.store.values == {}, "nothing was about to be sent"
    assert COST_KEY not in task.xcoms


@pytest.mark.parametrize("limit", [4, 7, "7"])
def test_each_create_is_judged_on_its_own(sandbox: Sandbox, limit: float | str) -> None:
    for map_index in range(4):
        Task(map_index=map_index).run(image(quantity=4, max_credits=limit, prompt=f"boat {map_index}"))
    assert posts(sandbox, "image") == 4
    assert sandbox.stats.credits_spent == 16


def test_an_unknown_price_is_above_any_limit(sandbox: Sandbox) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=r"Sora-2 is unknown.*\[minimax\] prices"):
        Task().run(video(model="Sora-2", max_credits=1000))
    assert posts(sandbox, "video") == 0


def test_a_limit_that_is_no_number_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="max_credits must be a number"):
        Task().run(image(max_credits="None"))
    assert posts(sandbox, "image") == 0


def test_a_resubmit_is_judged_too(sandbox: Sandbox) -> None:
    task = Task()
    sandbox.fail("504", IMAGES)
    with pytest.raises(MiniMaxUnknownOutcomeError):
        task.run(image(quantity=4, max_credits=4))
    sent = posts(sandbox, "image")
    with pytest.raises(MiniMaxUnknownOutcomeError, match="max_credits=3"):
        task.run(image(quantity=4, max_credits=3, on_unknown_outcome="resubmit"))
    assert posts(sandbox, "image") == sent


# Where the price is from


def test_the_user_s_table_of_the_connection(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(monkeypatch, sandbox.url, sandbox.token, prices={"Sora-2": {"720p-8sec": "5/s"}})
    Task().run(video(model="Sora-2", options="720p-8sec", max_credits=40))
    assert "Cost: 40 credits (from the connection's prices)." in line(caplog, "Submitting")


def test_the_user_s_table_of_airflow(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__PRICES", '{"Sora-2": 30}')
    Task().run(video(model="Sora-2", max_credits=40))
    assert "Cost: 30 credits (from [minimax] prices)." in line(caplog, "Submitting")


def test_the_connection_s_table_wins(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__PRICES", '{"Sora-2": 30}')
    connect(monkeypatch, sandbox.url, sandbox.token, prices='{"Sora-2": 20}')
    prices = MiniMaxHook().get_conn().settings.prices
    assert prices is not None
    assert prices.table == '{"Sora-2": 20}'


def test_a_malformed_table_ends_a_create_and_no_other_task(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox.url, sandbox.token, prices="Sora-2: 20")
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'minimax_default': the extra prices is not a JSON"):
        Task().run(video(model="Sora-2"))
    assert posts(sandbox, "video") == 0
    assert MiniMaxHook().list_images(limit=1)["images"]


def test_a_list_that_cannot_be_read_does_not_stop_a_create(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    # Another account, so that no list is known yet.
    sandbox.reset(replace(CONFIG, accounts=2))
    sandbox.fail("502", FEATURES, times=0)
    Task().run(image(account=sandbox.accounts[1]))
    assert sandbox.stats.count(FEATURES) == 1, "it is not repeated"
    assert "price list could not be read" in line(caplog, "price list")
    assert "Cost: 1 credit (third-party report, September 2026)." in line(caplog, "Submitting")


def client_of(sandbox: Sandbox) -> MiniMaxClient:
    return MiniMaxClient(Settings(sandbox.token, sandbox.base_url))


def test_the_list_of_an_account_is_requested_once_an_hour(sandbox: Sandbox) -> None:
    sandbox.reset(replace(CONFIG, accounts=2))
    now = 0.0
    lists = AccountLists(lambda: now)
    first, second = sandbox.accounts
    for moment, account, requests in (
        (0.0, first, 1),
        (3599.0, first, 1),
        (3599.0, second, 2),
        (3600.0, first, 3),
        (7000.0, first, 3),
    ):
        now = moment
        assert lists.get(client_of(sandbox), account)
        assert sandbox.stats.count(FEATURES) == requests


def test_a_list_that_cannot_be_read_is_requested_once_an_hour_too(sandbox: Sandbox) -> None:
    sandbox.fail("502", FEATURES)
    lists = AccountLists()
    assert lists.get(client_of(sandbox), None) is None
    assert lists.get(client_of(sandbox), None) is None
    assert sandbox.stats.count(FEATURES) == 1


def test_a_create_that_the_list_cannot_price_requests_none(sandbox: Sandbox) -> None:
    # Another account, so that no list is known yet.
    sandbox.reset(replace(CONFIG, seed=7, accounts=2))
    Task().run(image(account=sandbox.accounts[1], resolution="HD"))
    assert (posts(sandbox, "image"), sandbox.stats.count(FEATURES)) == (1, 0)


def test_who_creates_nothing_requests_no_list(sandbox: Sandbox) -> None:
    hook = MiniMaxHook()
    hook.list_images()
    hook.list_accounts()
    hook.test_connection()
    assert sandbox.stats.count(FEATURES) == 0


# What was submitted


def test_the_xcom_of_a_create(sandbox: Sandbox) -> None:
    task = Task()
    made = task.run(image(quantity=2))
    assert task.xcoms[COST_KEY] == {
        "credits": 2,
        "source": LISTED,
        "jobs": jobs(made),
        "model": "image-01",
        "account": sandbox.accounts[0],
    }


def test_it_is_pushed_before_a_deferral(sandbox: Sandbox) -> None:
    task = Task()
    task.deferral(image(deferrable=True, prompt="a slow boat"))
    assert task.xcoms[COST_KEY]["credits"] == 1


def test_a_retry_that_resumes_a_job_tells_the_same_cost(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task()
    lose_worker(monkeypatch, task, image(quantity=2))
    told = json.dumps(task.xcoms)
    assert '"credits": 2,' in told
    task.run(image(quantity=2))
    assert json.dumps(task.xcoms) == told
    assert sandbox.stats.credits_spent == 2


def test_a_recovered_job_counts_once(sandbox: Sandbox) -> None:
    task = Task()
    sandbox.fail("accepted-504", IMAGES)
    made = task.run(image(quantity=2))
    assert (task.xcoms[COST_KEY]["credits"], task.xcoms[COST_KEY]["jobs"]) == (2, jobs(made))
    assert sandbox.stats.credits_spent == 2


def test_a_job_that_failed_and_the_one_after_it_both_count(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task()
    lose_worker(monkeypatch, task, video())
    (failed,) = task.xcoms[COST_KEY]["jobs"]
    sandbox.finish(failed, 3)
    made = task.run(video())
    assert task.xcoms[COST_KEY]["credits"] == 50
    assert task.xcoms[COST_KEY]["jobs"] == [failed, *jobs(made)]


def test_a_task_that_fails_tells_its_cost_as_well(sandbox: Sandbox) -> None:
    task = Task()
    with pytest.raises(MiniMaxModeratedError):
        task.run(image(prompt="[moderate] a boat"))
    assert task.xcoms[COST_KEY]["credits"] == 1


def test_a_refused_create_costs_nothing(sandbox: Sandbox) -> None:
    task = Task()
    sandbox.fail("422", VIDEOS)
    with pytest.raises(MiniMaxModeratedError):
        task.run(video())
    assert COST_KEY not in task.xcoms


def test_an_xcom_that_cannot_be_pushed_does_not_end_the_task(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(dict[str, Any]):
        def update(self, *_: Any, **__: Any) -> None:
            raise OSError("no space left")

    assert jobs(Task(xcoms=Broken()).run(image()))
    assert "minimax_cost could not be pushed: OSError" in line(caplog, "minimax_cost")


# The sum


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        ([], {"credits": 0, "jobs": 0, "unknown_price": 0}),
        ([(4, 1), (2, 2)], {"credits": 6, "jobs": 3, "unknown_price": 0}),
        ([(4, 1), (None, 2)], {"credits": 4, "jobs": 3, "unknown_price": 2}),
        ([(None, 1)], {"credits": None, "jobs": 1, "unknown_price": 1}),
        ([(0, 1)], {"credits": 0, "jobs": 1, "unknown_price": 0}),
    ],
)
def test_a_sum(costs: list[tuple[float | None, int]], total: dict[str, Any]) -> None:
    assert add_costs({"credits": one, "jobs": ["id"] * count} for one, count in costs) == total


def test_the_sum_of_a_run_is_of_the_tasks_upstream(caplog: pytest.LogCaptureFixture) -> None:
    pulled: list[list[str]] = []

    def xcom_pull(task_ids: list[str], key: str) -> list[Any]:
        assert key == COST_KEY
        pulled.append(task_ids)
        return [{"credits": 4, "jobs": ["a"]}, None, {"credits": None, "jobs": ["b", "c"]}]

    context: Any = {
        "ti": SimpleNamespace(xcom_pull=xcom_pull),
        "task": SimpleNamespace(get_flat_relative_ids=lambda *, upstream: {"two", "one"} if upstream else set()),
    }
    assert sum_costs(context) == {"credits": 4, "jobs": 3, "unknown_price": 2}
    assert sum_costs(context, ["one"])["jobs"] == 3
    assert pulled == [["one", "two"], ["one"]]
    assert caplog.messages[0] == ("This run has submitted 3 jobs for 4 credits; the price of 2 of them is unknown.")
