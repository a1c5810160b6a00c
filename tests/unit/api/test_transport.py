"""How a request leaves, when it leaves again, and what it means that no complete response came."""

from __future__ import annotations

import copy
import http.client
import logging
import pickle
import socket
import ssl
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import tenacity
from requests_mock import ANY, Mocker
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
)
from urllib3.exceptions import SSLError as TLSError

from airflow_provider_minimax import __version__
from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api import transport as transport_module
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.api.support import BASE, TOKEN, Sleeps, answer_all, error_of, last, settings

READ = Call("GET", "/images/", params={"limit": 30})
CREATE = Call("POST", "/images/create", json={"prompt": "p"}, billable=True)

either = pytest.mark.parametrize("call", [READ, CREATE], ids=["a read", "a create"])


def transport(sleeps: Sleeps | None = None, **given: Any) -> Transport:
    return Transport(settings(**given), Sleeps() if sleeps is None else sleeps)


def real(sandbox: Sandbox, **given: Any) -> Transport:
    return transport(token=sandbox.token, base_url=sandbox.base_url, **given)


def fail(call: Call, sender: Transport) -> errors.MiniMaxError:
    return error_of(lambda: sender.send(call))


# What is sent


def test_the_token_is_sent_whole_as_a_bearer(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={})
    transport().send(READ)
    assert last(requests_mock).headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_netrc_entry_does_not_replace_the_token(
    requests_mock: Mocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.test login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    answer_all(requests_mock, json={})
    requests.get(BASE, timeout=1)
    assert last(requests_mock).headers["Authorization"].startswith("Basic "), "the entry is in force"
    transport().send(READ)
    assert last(requests_mock).headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_service_is_told_who_asks(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={})
    transport().send(READ)
    agent = last(requests_mock).headers["User-Agent"]
    assert agent.startswith(f"airflow-provider-minimax/{__version__} apache-airflow/3.")
    assert "python-requests/" in agent
    assert last(requests_mock).headers["Accept"] == "application/json"


@either
def test_every_request_has_both_time_outs(requests_mock: Mocker, call: Call) -> None:
    answer_all(requests_mock, json={})
    transport(connect_timeout=3.5, read_timeout=7.5).send(call)
    assert last(requests_mock).timeout == (3.5, 7.5)


def test_the_time_outs_of_the_contract_are_the_default(requests_mock: Mocker) -> None:
    answer_all(requests_mock, json={})
    transport().send(READ)
    assert last(requests_mock).timeout == (10.0, 60.0)


# Redirects


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(requests_mock: Mocker, status: int) -> None:
    requests_mock.get(f"{BASE}/images/", status_code=status, headers={"Location": "https://elsewhere.test/"})
    elsewhere = requests_mock.get("https://elsewhere.test/", json={})
    error = fail(READ, transport())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, status)
    assert "Redirects are not followed" in str(error)
    assert (elsewhere.called, requests_mock.call_count) == (False, 1)


def test_a_create_that_is_redirected_is_sent_once(requests_mock: Mocker) -> None:
    requests_mock.post(f"{BASE}/images/create", status_code=307, headers={"Location": f"{BASE}/images/create2"})
    error = fail(CREATE, transport())
    assert type(error) is errors.MiniMaxUnknownOutcomeError
    assert "Redirects are not followed" in str(error)
    assert requests_mock.call_count == 1


# How often, and how long to wait


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_the_number_of_tries_is_the_users(requests_mock: Mocker, attempts: int) -> None:
    answer_all(requests_mock, status_code=503)
    fail(READ, transport(max_attempts=attempts))
    assert requests_mock.call_count == attempts


def test_a_fault_that_passes_is_not_seen_by_the_caller(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"status_code": 502}, {"exc": requests.ReadTimeout}, {"json": {"totalCredits": 1}})
    assert transport().send(READ) == {"totalCredits": 1}


def test_a_create_that_finds_room_at_the_second_try_is_made_once(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"status_code": 429}, {"json": {"imageIds": ["a"]}})
    assert transport().send(CREATE) == {"imageIds": ["a"]}
    assert requests_mock.call_count == 2


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_that_the_service_asks_for_is_waited(requests_mock: Mocker, status: int) -> None:
    answer_all(requests_mock, {"status_code": status, "headers": {"Retry-After": "20"}}, {"json": {}})
    sleeps = Sleeps()
    transport(sleeps).send(READ)
    assert len(sleeps) == 1
    assert 20.0 <= sleeps[0] <= 22.0


@pytest.mark.parametrize("asked", ["60", "120", "86400"])
def test_a_create_does_not_wait_beyond_its_budget_but_says_how_long(requests_mock: Mocker, asked: str) -> None:
    answer_all(requests_mock, status_code=429, headers={"Retry-After": asked})
    sleeps = Sleeps()
    error = fail(CREATE, transport(sleeps))
    assert (requests_mock.call_count, sleeps, error.retry_after) == (1, [], float(asked))


def test_a_read_waits_a_minute_at_the_most(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"status_code": 429, "headers": {"Retry-After": "86400"}}, {"json": {}})
    sleeps = Sleeps()
    transport(sleeps).send(READ)
    assert sleeps == [60.0]


def spend(monkeypatch: pytest.MonkeyPatch, mocker: Mocker, seconds_a_try: float, status: int) -> Sleeps:
    """Let each try, and each sleep, take its time on a clock of its own."""
    now = 0.0

    class Clocked(Sleeps):
        def __call__(self, seconds: float) -> None:
            nonlocal now
            now += seconds
            super().__call__(seconds)

    def answer(_: Any, context: Any) -> str:
        nonlocal now
        now += seconds_a_try
        context.status_code = status
        return ""

    for module in (tenacity, transport_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now, time=time.time, sleep=None))
    mocker.register_uri(ANY, ANY, text=answer)
    return Clocked()


def test_a_create_is_not_tried_again_when_its_minute_is_over(
    monkeypatch: pytest.MonkeyPatch, requests_mock: Mocker
) -> None:
    sleeps = spend(monkeypatch, requests_mock, 25.0, 429)
    fail(CREATE, transport(sleeps, max_attempts=50))
    assert requests_mock.call_count in (2, 3), "tries of 25 s"
    assert sum(sleeps) + 25.0 * (requests_mock.call_count - 1) < 60.0


def test_a_read_is_not_tried_again_when_its_three_minutes_are_over(
    monkeypatch: pytest.MonkeyPatch, requests_mock: Mocker
) -> None:
    sleeps = spend(monkeypatch, requests_mock, 50.0, 503)
    fail(READ, transport(sleeps, max_attempts=50))
    assert requests_mock.call_count in (3, 4)
    assert sum(sleeps) + 50.0 * (requests_mock.call_count - 1) < 180.0


def test_a_retry_is_told_in_the_log_with_its_reason_and_its_pause(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    answer_all(requests_mock, {"status_code": 429, "json": {"error": "busy"}}, {"json": {}})
    with caplog.at_level(logging.WARNING):
        transport().send(READ)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "No free slot (429): busy. GET /images/" in lines[0]
    assert "Attempt 2 of 5 in" in lines[0]


# No answer


def unreached(reason: Exception | None, kind: type[Exception] = requests.ConnectionError) -> Exception:
    """Return a failure as the HTTP library gives it when it could not get through to a service."""
    return kind(MaxRetryError(HTTPSConnectionPool("api.test"), "/", reason))


NEVER_LEFT = {
    "no connection": unreached(NewConnectionError(HTTPSConnection("api.test"), "refused")),
    "no such name": unreached(NameResolutionError("api.test", HTTPSConnection("api.test"), socket.gaierror())),
    "connect timeout": requests.ConnectTimeout(),
    "no connection to the proxy": unreached(
        ProxyError("Unable to connect", NewConnectionError(HTTPSConnection("proxy.test"), "refused")),
        requests.exceptions.ProxyError,
    ),
    "no connection to the proxy in time": unreached(
        ProxyError("Unable to connect", ConnectTimeoutError()), requests.exceptions.ProxyError
    ),
    "a tunnel that is refused": unreached(
        ProxyError("Unable to connect", OSError("Tunnel connection failed: 403 Forbidden")),
        requests.exceptions.ProxyError,
    ),
    "certificate": unreached(TLSError(ssl.SSLCertVerificationError("self-signed")), requests.exceptions.SSLError),
}
MAY_HAVE_LEFT = {
    "broken TLS": unreached(TLSError(ssl.SSLError("bad record mac")), requests.exceptions.SSLError),
    "TLS without a reason": unreached(TLSError(), requests.exceptions.SSLError),
    "broken connection": requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
    "read timeout": requests.ReadTimeout(),
    "no reason": requests.ConnectionError(),
    "proxy without a reason": requests.exceptions.ProxyError(),
    "a response that a proxy lost": unreached(
        ProxyError("Unable to connect", http.client.RemoteDisconnected("Remote end closed connection")),
        requests.exceptions.ProxyError,
    ),
    "a connection that a proxy reset": unreached(
        ProxyError("Unable to connect", ConnectionResetError(104, "Connection reset by peer")),
        requests.exceptions.ProxyError,
    ),
    "a proxy that is silent": unreached(
        ProxyError("Unable to connect", TimeoutError("timed out")), requests.exceptions.ProxyError
    ),
    "an error of the operating system": ConnectionResetError(104, "Connection reset by peer"),
    "headers that contradict each other": requests.exceptions.InvalidHeader("Content-Length"),
    "a fault of the layer below": HTTPError(),
}


def test_a_create_that_never_left_is_sent_again(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"exc": requests.ConnectTimeout}, {"json": {"imageIds": ["a"]}})
    assert transport().send(CREATE) == {"imageIds": ["a"]}
    assert requests_mock.call_count == 2


@pytest.mark.parametrize("fault", NEVER_LEFT.values(), ids=NEVER_LEFT)
def test_a_create_is_repeated_where_it_certainly_never_left(requests_mock: Mocker, fault: Exception) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(CREATE, transport(max_attempts=3))
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUpstreamError, 3)
    assert "nothing was sent" in str(error)


@pytest.mark.parametrize("fault", MAY_HAVE_LEFT.values(), ids=MAY_HAVE_LEFT)
def test_a_create_is_not_repeated_where_it_may_have_left(requests_mock: Mocker, fault: Exception) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(CREATE, transport(max_attempts=3))
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)
    assert "nothing was sent" not in str(error)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@either
def test_a_service_that_refuses_connections_is_tried_again_and_got_nothing(
    monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    sleeps = Sleeps()
    error = fail(call, transport(sleeps, base_url=f"http://127.0.0.1:{closed_port()}/v1/minimax", max_attempts=3))
    assert type(error) is errors.MiniMaxUpstreamError
    assert "nothing was sent" in str(error)
    assert len(sleeps) == 2


@pytest.mark.parametrize("fault", ["reset", "accepted-reset", "truncated"])
def test_a_create_whose_connection_breaks_is_sent_once(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault, operation="POST /images/create")
    assert type(fail(CREATE, real(sandbox))) is errors.MiniMaxUnknownOutcomeError
    assert [call.operation for call in sandbox.calls] == ["POST /images/create"]


def test_a_create_that_is_answered_too_late_is_sent_once(sandbox: Sandbox) -> None:
    sandbox.fail("slow", operation="POST /images/create", delay=5.0)
    error = fail(CREATE, real(sandbox, read_timeout=0.1))
    assert type(error) is errors.MiniMaxUnknownOutcomeError
    assert "read timeout" in str(error)
    assert sandbox.stats.requests.total() <= 1


@pytest.mark.parametrize("fault", ["reset", "truncated", "not-json"])
def test_a_read_survives_a_broken_answer(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault, operation="GET /images/")
    assert len(real(sandbox).send(READ)["images"]) == 30


# What an error carries, and what nothing shows


def test_an_error_survives_being_copied_and_pickled(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=429, headers={"Retry-After": "7"})
    error = fail(READ, transport(max_attempts=1))
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), again.status, again.retry_after) == (errors.MiniMaxCapacityError, 429, 7.0)
        assert str(again) == str(error)


def test_the_token_is_in_no_repr_and_in_no_log_of_a_real_request(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sender = real(sandbox)
    sandbox.fail("502-html")
    sandbox.fail("reset")
    with caplog.at_level(logging.DEBUG):
        sender.send(READ)
        sender.send(CREATE)
        fail(Call("GET", "/images/user:1-minimax:2-image:3"), sender)
    assert "GET /v1/minimax/images/" in caplog.text, "the HTTP library was heard"
    assert sandbox.token not in f"{caplog.text} {sender!r} {vars(sender)!r}"
