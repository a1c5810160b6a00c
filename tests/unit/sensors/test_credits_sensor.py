"""The sensor for credits in its three modes, and its trigger on the shared poll, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import shared_poll, timing
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.sensors.credits import MiniMaxCreditsSensor
from airflow_provider_minimax.triggers.credits import MiniMaxCreditsTrigger
from tests.conftest import CONFIG
from tests.support import connect
from tests.unit.sensors.test_image_sensor import MODES, run
from tests.unit.triggers.support import Triggerer

FEATURES = "GET /features/"
ACCOUNTS = "GET /accounts"

pytestmark = pytest.mark.usefixtures("quick_rounds")


def sensor(min_credits: object = 100, **options: Any) -> Callable[[], Any]:
    arguments: dict[str, Any] = {"poke_interval": 0.001, "timeout": 30, **options}
    return lambda: MiniMaxCreditsSensor(task_id="wait", min_credits=min_credits, **arguments)


def top_up(sandbox: Sandbox, number: int, *, after: int, account: str | None = None) -> None:
    """Set the credits once the features have been requested so many times."""

    def count(*_: object) -> None:
        if sandbox.stats.count(FEATURES) >= after:
            sandbox.set_credits(number, account)

    sandbox.on_call = count


@pytest.fixture(autouse=True)
def _no_callback(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.on_call = None


@pytest.mark.parametrize("mode", MODES)
def test_it_ends_when_there_are_enough(sandbox: Sandbox, mode: str) -> None:
    sandbox.reset(replace(CONFIG, credits=99))
    top_up(sandbox, 100, after=3)
    assert run(sensor(), mode) == {"account": None, "credits": 100}
    assert sandbox.stats.count(FEATURES) >= 4


@pytest.mark.parametrize("mode", MODES)
def test_any_account_that_has_enough(sandbox: Sandbox, mode: str) -> None:
    sandbox.reset(replace(CONFIG, accounts=3, credits=50, accounts_in_error=(0,)))
    _, _, third = sandbox.accounts
    top_up(sandbox, 150, after=4, account=third)
    assert run(sensor(account="auto"), mode) == {"account": third, "credits": 150}
    assert sandbox.stats.count(FEATURES) == 2 * sandbox.stats.count(ACCOUNTS), "none for the account in error"


def test_an_account_that_does_not_respond_does_not_hide_another(sandbox: Sandbox) -> None:
    sandbox.reset(replace(CONFIG, accounts=2))
    sandbox.fail("502", FEATURES)
    assert run(sensor(account="auto"), "poke")["account"] == sandbox.accounts[1]


@pytest.mark.parametrize("account", [None, "auto"])
def test_the_account_of_the_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, account: str | None) -> None:
    sandbox.reset(replace(CONFIG, accounts=2))
    connect(monkeypatch, sandbox.url, sandbox.token, account=sandbox.accounts[1])
    assert run(sensor(account=account), "poke") == {"account": sandbox.accounts[1], "credits": 10_000}
    assert sandbox.stats.count() == 1


@pytest.mark.parametrize("given", [10_000, "10000", 10_000.0, 0])
def test_a_number_or_its_text(sandbox: Sandbox, given: object) -> None:
    assert run(sensor(given), "poke")["credits"] == 10_000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", ["many", None, -1, ""])
def test_anything_else_is_refused_before_a_request(sandbox: Sandbox, given: object, mode: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError, match="min_credits must be a number of at least 0"):
        run(sensor(given), mode)
    assert not sandbox.calls


SKIPPED = AirflowSkipException
ENDS: list[tuple[str, dict[str, bool], type[BaseException]]] = [
    ("401", {}, errors.MiniMaxAuthError),
    ("401", {"soft_fail": True}, SKIPPED),
    ("596", {}, errors.MiniMaxAccountOnHoldError),
    ("400", {}, errors.MiniMaxBadRequestError),
    ("502-html", {}, errors.MiniMaxUpstreamError),
    ("502-html", {"never_fail": True}, SKIPPED),
    ("502-html", {"silent_fail": True}, AirflowSensorTimeout),
    ("not-json", {}, errors.MiniMaxUpstreamError),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("fault", "flag", "end"), ENDS)
def test_a_failure_ends_it_alike_in_every_mode(
    sandbox: Sandbox, fault: str, flag: dict[str, bool], end: type[BaseException], mode: str
) -> None:
    sandbox.fail(fault, FEATURES, times=0)
    with pytest.raises(end) as raised:
        run(sensor(timeout=0.3 if end is AirflowSensorTimeout else 30, **flag), mode)
    assert type(raised.value) is end


@pytest.mark.parametrize("mode", MODES)
def test_a_short_outage_ends_nothing(sandbox: Sandbox, mode: str) -> None:
    sandbox.fail("502-html", FEATURES, times=timing.MAX_FAILURES - 1)
    assert run(sensor(), mode)["credits"] == 10_000


@pytest.mark.parametrize("mode", MODES)
def test_a_time_out_says_what_there_is_and_what_to_do(sandbox: Sandbox, mode: str) -> None:
    with pytest.raises(AirflowSensorTimeout) as raised:
        run(sensor(20_000, timeout=0.3), mode)
    assert str(raised.value) == (
        "Not enough credits within 0.3 s: the connection's account (10000 of 20000 credits). Top up the account, lower "
        "min_credits, or clear the task to wait again."
    )


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_first_poke_that_takes_all_the_time_is_followed_by_a_last_one(sandbox: Sandbox, mode: str) -> None:
    sandbox.reset(replace(CONFIG, credits=1))
    sandbox.fail("slow", FEATURES, delay=0.5)
    top_up(sandbox, 100, after=1)
    assert run(sensor(timeout=0.3), mode)["credits"] == 100


def test_the_last_round_before_the_deadline_counts(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "min_deferral", lambda _: 0.0)
    sandbox.reset(replace(CONFIG, accounts=2, credits=1))
    top_up(sandbox, 500, after=1, account=sandbox.accounts[0])
    assert run(sensor(account=sandbox.accounts[0], poke_interval=30, timeout=0.2), "deferrable")["credits"] == 500


def test_waits_for_one_account_share_a_poll(sandbox: Sandbox) -> None:
    sandbox.reset(replace(CONFIG, credits=5))
    top_up(sandbox, 100, after=3)
    triggerer = Triggerer()

    def trigger(min_credits: float) -> MiniMaxCreditsTrigger:
        return sensor(min_credits)()._make_trigger(
            replace(sensor(min_credits)()._spec(), deadline=2**31, poke_interval=0.05)
        )

    async def wait() -> list[Any]:
        async with asyncio.timeout(20):
            return await triggerer.run_all(*(trigger(10 + n) for n in range(50)))

    events = asyncio.run(wait())
    assert {event["end"] for event in events} == {"completed"}
    assert sandbox.stats.count(FEATURES) < 10, "one a round, not one for each of fifty waits"
    assert shared_poll.streams == {}


def test_the_default_interval_is_five_minutes() -> None:
    made = MiniMaxCreditsSensor(task_id="wait", min_credits=1)
    assert (made.poke_interval, made.timeout) == (300.0, 43_200.0)


def test_it_takes_no_parameter_of_the_sensors_of_jobs() -> None:
    with pytest.raises(TypeError, match="require"):
        MiniMaxCreditsSensor(task_id="wait", min_credits=1, require="any")


# The hook


def test_the_hook_returns_the_credits(sandbox: Sandbox) -> None:
    sandbox.set_credits(7)
    assert MiniMaxHook().get_credits() == 7


def test_credits_that_are_no_number_are_no_credits(sandbox: Sandbox) -> None:
    sandbox.fail("wrong-shape", FEATURES, times=0)
    with pytest.raises(errors.MiniMaxUpstreamError, match=r"no number of credits|not an object"):
        MiniMaxHook().get_conn().without_retries().get_credits()
