"""Which errors of a poll may pass, and how bugs are reported."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.compat import AirflowException, AirflowNotFoundException
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.wait_spec import WaitSpec

IMAGE_ID = "user:1-minimax:2-image:3"


class VaultError(Exception):
    """As the libraries of secrets backends have them."""


BUGS: list[Exception] = [
    TypeError("aget() got an unexpected keyword argument 'hook'"),
    AttributeError("'NoneType' object has no attribute 'get'"),
    ImportError("cannot import name 'x'"),
    ModuleNotFoundError("No module named 'x'"),
    NameError("name 'x' is not defined"),
    UnboundLocalError("cannot access local variable 'x'"),
    KeyError("x"),
    IndexError("list index out of range"),
    ValueError("invalid literal"),
    json.JSONDecodeError("Expecting value", "", 0),
    ZeroDivisionError("division by zero"),
    AssertionError("x"),
    NotImplementedError("x"),
    RecursionError("maximum recursion depth exceeded"),
    StopIteration(),
]
MAY_PASS: list[Exception] = [
    errors.MiniMaxUpstreamError("down", status=502),
    errors.MiniMaxCapacityError("busy", status=429),
    errors.MiniMaxBadRequestError("a ValueError as well"),
    OSError("disk"),
    ConnectionError("restarting"),
    TimeoutError(),
    requests.ConnectionError("refused"),
    requests.exceptions.JSONDecodeError("a ValueError as well", "", 0),
    RuntimeError("can't start new thread"),
    MemoryError(),
    AirflowException("of Airflow"),
    AirflowNotFoundException("no connection"),
    VaultError("sealed"),
]


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_an_error_in_the_code_is_a_bug(error: Exception) -> None:
    assert failures.is_bug(error)
    message = str(failures.to_wait_error(error))
    assert message.startswith(f"This is a bug of the provider, not of the service: {type(error).__name__}")
    assert "report it with the traceback" in message
    assert "a retry waits again" in message


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: type(error).__name__)
def test_an_error_of_the_service_of_the_machine_or_of_a_library_may_pass(error: Exception) -> None:
    assert not failures.is_bug(error)
    assert "bug" not in str(failures.to_wait_error(error))


def test_the_report_of_a_bug_names_its_line() -> None:
    with pytest.raises(KeyError) as caught:
        {}["x"]
    assert "(test_failures.py, line " in str(failures.to_wait_error(caught.value))
    assert "in test_the_report_of_a_bug_names_its_line)" in str(failures.to_wait_error(caught.value))


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_a_bug_ends_a_wait_at_once_even_a_silent_one(error: Exception, silent: bool) -> None:
    def read(_: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        Poller(WaitSpec((IMAGE_ID,), silent_fail=silent)).poll(read)
    assert caught.value is error


@pytest.mark.parametrize("error", [OSError("disk"), VaultError("sealed"), RuntimeError("no thread")], ids=str)
def test_an_error_that_may_pass_counts_and_a_silent_wait_tolerates_any_number(error: Exception) -> None:
    def read(_: Any) -> Any:
        raise error

    waiting = Poller(WaitSpec((IMAGE_ID,)))
    assert [waiting.poll(read) for _ in range(timing.MAX_FAILURES - 1)] == [None] * (timing.MAX_FAILURES - 1)
    with pytest.raises(type(error)):
        waiting.poll(read)
    silent = Poller(WaitSpec((IMAGE_ID,), silent_fail=True))
    assert [silent.poll(read) for _ in range(30)] == [None] * 30


def test_an_undefined_connection_ends_a_wait_at_once_unless_it_is_silent() -> None:
    def read(_: Any) -> Any:
        raise AirflowNotFoundException("The conn_id `x` isn't defined")

    with pytest.raises(AirflowNotFoundException):
        Poller(WaitSpec((IMAGE_ID,))).poll(read)
    assert Poller(WaitSpec((IMAGE_ID,), silent_fail=True)).poll(read) is None


def test_a_failure_that_goes_on_is_logged_less_and_less() -> None:
    assert [number for number in range(1, 70) if failures.is_worth_logging(number)] == [1, 2, 4, 8, 16, 32, 64]
