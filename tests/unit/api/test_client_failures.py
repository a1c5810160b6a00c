"""What the client makes of failures: repeat or not, which error, and what the error never says."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import tenacity
from requests_mock import ANY, Mocker
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.exceptions import SSLError as TLSError

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.api.support import BASE, FILE, IMAGE, TOKEN, VIDEO, Sleeps, answer_all, client

Operation = Callable[[MiniMaxClient], Any]

READS: dict[str, Operation] = {
    "list_images": lambda caller: caller.list_images(),
    "get_image": lambda caller: caller.get_image(IMAGE),
    "get_video": lambda caller: caller.get_video(VIDEO),
    "list_videos": lambda caller: caller.list_videos(),
    "list_accounts": lambda caller: caller.list_accounts(),
    "get_features": lambda caller: caller.get_features(),
    "cancel_video": lambda caller: caller.cancel_video(VIDEO),
}
CREATES: dict[str, Operation] = {
    "create_image": lambda caller: caller.create_image("p"),
    "create_video": lambda caller: caller.create_video("p", file_id=FILE),
}
ALL = READS | CREATES

reads = pytest.mark.parametrize("operation", READS.values(), ids=READS)
creates = pytest.mark.parametrize("operation", CREATES.values(), ids=CREATES)
everything = pytest.mark.parametrize("operation", ALL.values(), ids=ALL)

REFUSALS = {
    400: errors.MiniMaxBadRequestError,
    401: errors.MiniMaxAuthError,
    402: errors.MiniMaxAuthError,
    403: errors.MiniMaxAuthError,
    404: errors.MiniMaxNotFoundError,
    412: errors.MiniMaxOutOfCreditsError,
    422: errors.MiniMaxModeratedError,
    596: errors.MiniMaxAccountOnHoldError,
}
FAULTS = [408, 500, 502, 503, 504, 522]


def fail(operation: Operation, caller: MiniMaxClient) -> errors.MiniMaxError:
    """Return the error of an operation, seen to be free of what the HTTP library knows."""
    with pytest.raises(errors.MiniMaxError) as caught:
        operation(caller)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "\n" not in str(error)
    assert "s3cr3t" not in f"{error} {error!r} {vars(error)}"
    return error


# Statuses


@everything
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_asked_once(requests_mock: Mocker, operation: Operation, status: int) -> None:
    answer_all(requests_mock, status_code=status, json={"error": "the reason"})
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (REFUSALS[status], status)
    assert "the reason" in str(error)
    assert (requests_mock.call_count, sleeps) == (1, [])


@reads
@pytest.mark.parametrize("status", FAULTS)
def test_a_read_is_repeated_after_a_fault_until_the_attempts_are_used_up(
    requests_mock: Mocker, operation: Operation, status: int
) -> None:
    answer_all(requests_mock, status_code=status, text="<html><title>Bad Gateway</title>")
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, status)
    assert (requests_mock.call_count, len(sleeps)) == (5, 4)
    assert all(0 <= seconds <= 1 * 2**n for n, seconds in enumerate(sleeps))


@creates
@pytest.mark.parametrize("status", FAULTS)
def test_a_create_is_sent_once_where_a_fault_may_hide_a_job(
    requests_mock: Mocker, operation: Operation, status: int
) -> None:
    answer_all(requests_mock, status_code=status, text="<html>")
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, status)
    assert (requests_mock.call_count, sleeps) == (1, [])


@everything
def test_a_full_queue_is_asked_again_by_every_call(requests_mock: Mocker, operation: Operation) -> None:
    answer_all(requests_mock, status_code=429, json={"error": "busy"})
    sleeps = Sleeps()
    error = fail(operation, client(sleeps, max_attempts=3))
    assert (type(error), error.status) == (errors.MiniMaxCapacityError, 429)
    assert (requests_mock.call_count, len(sleeps)) == (3, 2)
    assert all(0 <= seconds <= 5 * 2**n for n, seconds in enumerate(sleeps))


def test_an_upload_costs_nothing_and_is_repeated_like_a_read(requests_mock: Mocker, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    answer_all(requests_mock, status_code=502, text="<html>")
    error = fail(lambda caller: caller.upload_file(tmp_path / "a.png"), client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUpstreamError, 5)


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_the_number_of_tries_is_the_users(requests_mock: Mocker, attempts: int) -> None:
    answer_all(requests_mock, status_code=503)
    fail(READS["list_images"], client(max_attempts=attempts))
    assert requests_mock.call_count == attempts


def test_a_client_without_repeats_tries_once(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=429)
    sleeps = Sleeps()
    fail(READS["get_image"], client(sleeps, account="42").without_repeats())
    assert (requests_mock.call_count, sleeps) == (1, [])


def test_a_fault_that_passes_is_not_seen_by_the_caller(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"status_code": 502}, {"exc": requests.ReadTimeout}, {"json": {"totalCredits": 1}})
    assert client().get_features() == {"totalCredits": 1}


@creates
def test_a_create_that_finds_room_at_the_second_try_is_made_once(requests_mock: Mocker, operation: Operation) -> None:
    answer_all(requests_mock, {"status_code": 429}, {"json": {"imageIds": [IMAGE], "videoId": VIDEO}})
    assert operation(client())
    assert requests_mock.call_count == 2


# How long to wait


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_that_the_service_asks_for_is_waited(requests_mock: Mocker, status: int) -> None:
    answer_all(requests_mock, {"status_code": status, "headers": {"Retry-After": "20"}}, {"json": {"images": []}})
    sleeps = Sleeps()
    client(sleeps).list_images()
    assert len(sleeps) == 1
    assert 20.0 <= sleeps[0] <= 22.0


@creates
@pytest.mark.parametrize("asked", ["60", "120", "86400", "99999999999999999999"])
def test_a_create_does_not_wait_beyond_its_budget_but_says_how_long(
    requests_mock: Mocker, operation: Operation, asked: str
) -> None:
    answer_all(requests_mock, status_code=429, headers={"Retry-After": asked})
    sleeps = Sleeps()
    error = fail(operation, client(sleeps))
    assert (requests_mock.call_count, sleeps, error.retry_after) == (1, [], float(asked))


def test_a_read_waits_a_minute_at_the_most(requests_mock: Mocker) -> None:
    answer_all(requests_mock, {"status_code": 429, "headers": {"Retry-After": "86400"}}, {"json": {"images": []}})
    sleeps = Sleeps()
    client(sleeps).list_images()
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

    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: now, sleep=None))
    mocker.register_uri(ANY, ANY, text=answer)
    return Clocked()


def test_a_create_is_not_tried_again_when_its_minute_is_over(
    monkeypatch: pytest.MonkeyPatch, requests_mock: Mocker
) -> None:
    sleeps = spend(monkeypatch, requests_mock, 25.0, 429)
    fail(CREATES["create_image"], client(sleeps, max_attempts=50))
    assert requests_mock.call_count in (2, 3), "tries of 25 s"
    assert sum(sleeps) + 25.0 * (requests_mock.call_count - 1) < 60.0


def test_a_read_is_not_tried_again_when_its_three_minutes_are_over(
    monkeypatch: pytest.MonkeyPatch, requests_mock: Mocker
) -> None:
    sleeps = spend(monkeypatch, requests_mock, 50.0, 503)
    fail(READS["list_images"], client(sleeps, max_attempts=50))
    assert requests_mock.call_count in (3, 4)
    assert sum(sleeps) + 50.0 * (requests_mock.call_count - 1) < 180.0


# Answers that are not the contract's


NO_JSON = {
    "HTML": {"text": "<html><title>Login</title>"},
    "nothing": {"text": ""},
    "half": {"text": '{"images": [{"id"'},
    "garbage": {"content": b"\x00\xff\xfe"},
}
no_json = pytest.mark.parametrize("answer", NO_JSON.values(), ids=NO_JSON)


@pytest.mark.parametrize("name", [name for name in READS if name != "cancel_video"])
@no_json
def test_a_read_that_gets_no_json_is_repeated(requests_mock: Mocker, name: str, answer: dict[str, Any]) -> None:
    answer_all(requests_mock, **answer)
    error = fail(READS[name], client(max_attempts=3))
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)
    assert requests_mock.call_count == 3


@creates
@no_json
def test_a_create_that_gets_no_json_is_sent_once(
    requests_mock: Mocker, operation: Operation, answer: dict[str, Any]
) -> None:
    answer_all(requests_mock, **answer)
    error = fail(operation, client())
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)


@pytest.mark.parametrize(
    "answer", [[], ["x"], {}, {"images": None}, {"images": {}}, {"images": "x"}, {"images": ["x"]}, None, 5, "x"]
)
def test_a_page_without_a_list_of_images_is_an_error_of_the_service(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(READS["list_images"], client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)
    assert "GET /images/" in str(error)


@pytest.mark.parametrize("answer", [{}, {"videos": None}, ["x"], [1], None, "x", {"images": []}])
def test_a_page_without_a_list_of_videos_is_an_error_of_the_service(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(READS["list_videos"], client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


@pytest.mark.parametrize(
    "operation", [READS[name] for name in ("get_image", "get_video", "list_accounts", "get_features")]
)
@pytest.mark.parametrize("answer", [[], [{}], None, "x", 5])
def test_a_read_that_gets_no_object_is_an_error_of_the_service(
    requests_mock: Mocker, operation: Operation, answer: Any
) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(operation, client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


@pytest.mark.parametrize(
    "answer",
    [{}, [], None, {"imageIds": []}, {"imageIds": None}, {"imageIds": IMAGE}, {"imageIds": [1]}, {"imageIds": [""]}],
)
def test_a_create_of_images_without_ids_leaves_its_outcome_unknown(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(CREATES["create_image"], client())
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, 200)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("answer", [{}, [], None, {"videoId": ""}, {"videoId": None}, {"videoId": 7}])
def test_a_create_of_a_video_without_an_id_leaves_its_outcome_unknown(requests_mock: Mocker, answer: Any) -> None:
    answer_all(requests_mock, json=answer)
    error = fail(CREATES["create_video"], client())
    assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, 200)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("answer", [{}, [], {"fileID": ""}, {"fileID": 7}])
def test_an_upload_without_a_file_id_is_an_error_of_the_service(
    requests_mock: Mocker, tmp_path: Path, answer: Any
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    answer_all(requests_mock, json=answer)
    error = fail(lambda caller: caller.upload_file(tmp_path / "a.png"), client())
    assert (type(error), error.status) == (errors.MiniMaxUpstreamError, 200)


# No answer


@reads
@pytest.mark.parametrize(
    "fault", [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError]
)
def test_a_read_that_gets_no_answer_is_repeated(
    requests_mock: Mocker, operation: Operation, fault: type[Exception]
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client(max_attempts=3))
    assert (type(error), error.status, requests_mock.call_count) == (errors.MiniMaxUpstreamError, None, 3)


@creates
@pytest.mark.parametrize(
    "fault", [requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError]
)
def test_a_create_that_gets_no_answer_is_sent_once(
    requests_mock: Mocker, operation: Operation, fault: type[Exception]
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client())
    assert (type(error), error.status, requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, None, 1)


@creates
def test_a_create_that_never_left_is_sent_again(requests_mock: Mocker, operation: Operation) -> None:
    answer_all(requests_mock, {"exc": requests.ConnectTimeout}, {"json": {"imageIds": [IMAGE], "videoId": VIDEO}})
    assert operation(client())
    assert requests_mock.call_count == 2


def unreached(reason: Exception | None, kind: type[Exception] = requests.ConnectionError) -> Exception:
    """Return a failure as the HTTP library gives it when it could not get through to a service."""
    return kind(MaxRetryError(HTTPSConnectionPool("api.test"), "/", reason))


NEVER_LEFT = {
    "no connection": unreached(NewConnectionError(HTTPSConnection("api.test"), "refused")),
    "no such name": unreached(NameResolutionError("api.test", HTTPSConnection("api.test"), socket.gaierror())),
    "connect time-out": requests.ConnectTimeout(),
    "proxy": requests.exceptions.ProxyError(),
    "certificate": unreached(TLSError(ssl.SSLCertVerificationError("self-signed")), requests.exceptions.SSLError),
}
MAY_HAVE_LEFT = {
    "broken TLS": unreached(TLSError(ssl.SSLError("bad record mac")), requests.exceptions.SSLError),
    "TLS without a reason": unreached(TLSError(), requests.exceptions.SSLError),
    "broken connection": requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
    "read time-out": requests.ReadTimeout(),
    "no reason": requests.ConnectionError(),
}


@creates
@pytest.mark.parametrize("fault", NEVER_LEFT.values(), ids=NEVER_LEFT)
def test_a_create_is_repeated_where_it_certainly_never_left(
    requests_mock: Mocker, operation: Operation, fault: Exception
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client(max_attempts=3))
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUpstreamError, 3)
    assert "nothing was sent" in str(error)


@creates
@pytest.mark.parametrize("fault", MAY_HAVE_LEFT.values(), ids=MAY_HAVE_LEFT)
def test_a_create_is_not_repeated_where_it_may_have_left(
    requests_mock: Mocker, operation: Operation, fault: Exception
) -> None:
    answer_all(requests_mock, exc=fault)
    error = fail(operation, client(max_attempts=3))
    assert (type(error), requests_mock.call_count) == (errors.MiniMaxUnknownOutcomeError, 1)
    assert "nothing was sent" not in str(error)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@everything
def test_a_service_that_refuses_connections_is_tried_again_and_got_nothing(
    monkeypatch: pytest.MonkeyPatch, operation: Operation
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    sleeps = Sleeps()
    error = fail(operation, client(sleeps, base_url=f"http://127.0.0.1:{closed_port()}/v1/minimax", max_attempts=3))
    assert type(error) is errors.MiniMaxUpstreamError
    assert "nothing was sent" in str(error)
    assert len(sleeps) == 2


def real(sandbox: Sandbox, **settings: Any) -> MiniMaxClient:
    return MiniMaxClient(Settings(sandbox.token, sandbox.base_url, **settings), sleep=Sleeps())


@pytest.mark.parametrize("fault", ["reset", "accepted-reset", "truncated"])
def test_a_create_whose_connection_breaks_is_sent_once(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault, operation="POST /images/create")
    error = fail(CREATES["create_image"], real(sandbox))
    assert type(error) is errors.MiniMaxUnknownOutcomeError
    assert [call.operation for call in sandbox.calls] == ["POST /images/create"]


def test_a_create_that_is_answered_too_late_is_sent_once(sandbox: Sandbox) -> None:
    sandbox.fail("slow", operation="POST /images/create", delay=5.0)
    error = fail(CREATES["create_image"], real(sandbox, read_timeout=0.1))
    assert type(error) is errors.MiniMaxUnknownOutcomeError
    assert "read time-out" in str(error)
    assert sandbox.stats.requests.total() <= 1


@pytest.mark.parametrize("fault", ["reset", "truncated", "not-json", "wrong-shape"])
def test_a_read_survives_a_broken_answer(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail(fault, operation="GET /images/")
    if fault == "wrong-shape":
        assert type(fail(READS["list_images"], real(sandbox))) is errors.MiniMaxUpstreamError
    else:
        assert len(real(sandbox).list_images()["images"]) == 30


# What an error carries, and what it does not


def test_an_error_survives_being_copied_and_pickled(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=429, headers={"Retry-After": "7"})
    error = fail(READS["get_image"], client(max_attempts=1))
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), again.status, again.retry_after) == (errors.MiniMaxCapacityError, 429, 7.0)
        assert str(again) == str(error)


def test_an_error_says_which_id_it_is_about(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=404, json={"error": "Not found.", "code": 404})
    assert str(fail(READS["get_image"], client())).startswith(f"GET /images/{IMAGE} answered 404: Not found. ")


def test_a_retry_is_told_in_the_log_with_its_reason_and_its_pause(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    answer_all(requests_mock, {"status_code": 429, "json": {"error": "busy"}}, {"json": {"images": []}})
    with caplog.at_level(logging.WARNING):
        client().list_images()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "GET /images/ answered 429: busy" in lines[0]
    assert "Try 2 of 5 in" in lines[0]


@everything
def test_a_service_that_quotes_the_token_does_not_get_it_into_error_or_log(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture, operation: Operation
) -> None:
    answer_all(
        requests_mock,
        {"status_code": 429, "json": {"error": f"busy, Bearer {TOKEN}"}},
        {"status_code": 401, "json": {"error": {"message": f"bad token {TOKEN}"}}},
    )
    with caplog.at_level(logging.DEBUG):
        fail(operation, client())
    assert "s3cr3t" not in caplog.text


def test_the_token_is_in_no_repr_and_in_no_log_of_a_real_request(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caller = real(sandbox)
    sandbox.fail("502-html")
    sandbox.fail("reset")
    with caplog.at_level(logging.DEBUG):
        caller.list_images()
        caller.create_image("p")
        with pytest.raises(errors.MiniMaxNotFoundError):
            caller.get_image("user:1-minimax:2-image:3")
    assert "GET /v1/minimax/images/" in caplog.text, "the HTTP library was heard"
    assert sandbox.token not in f"{caplog.text} {caller!r} {caller.settings!r}"


def test_every_try_of_every_call_goes_to_the_origin_of_the_settings(requests_mock: Mocker) -> None:
    answer_all(requests_mock, status_code=502)
    for operation in ALL.values():
        fail(operation, client(max_attempts=2))
    assert {(request.scheme, request.netloc) for request in requests_mock.request_history} == {("https", "api.test")}
    assert all(request.url.startswith(BASE) for request in requests_mock.request_history)
