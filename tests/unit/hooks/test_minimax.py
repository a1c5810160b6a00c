"""From a connection to the client."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any

import pytest
from airflow.sdk import Connection
from requests_mock import Mocker

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.api.settings import DEFAULT_BASE_URL, Settings
from airflow_provider_minimax.hooks.minimax import MiniMaxHook, read_settings
from airflow_provider_minimax.sandbox import Sandbox

TOKEN = "user:1234-s3cr3tT0kenValue"


def connection(extra: str | None = None, **fields: Any) -> Connection:
    given = {"conn_id": "c", "conn_type": "minimax", "password": TOKEN} | fields
    return Connection(extra=extra, **given)


def settings(**extra: Any) -> Settings:
    return read_settings(connection(json.dumps(extra)), "c")


def define(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    given = {"conn_type": "minimax", "password": TOKEN, "host": "https://api.test"} | fields
    monkeypatch.setenv("AIRFLOW_CONN_MINIMAX_DEFAULT", json.dumps(given))


# Settings


def test_a_connection_of_a_token_alone_is_enough() -> None:
    assert read_settings(connection(), "c") == Settings(TOKEN, DEFAULT_BASE_URL, None, 10.0, 60.0, 5)


def test_the_fields_of_a_connection_become_one_address() -> None:
    found = read_settings(connection(host="127.0.0.1", schema="http", port=8765), "c")
    assert found.base_url == "http://127.0.0.1:8765/v1/minimax"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param({}, (10.0, 60.0, 5), id="left out"),
        pytest.param({"connect_timeout": 3, "read_timeout": 120, "max_attempts": 2}, (3.0, 120.0, 2), id="numbers"),
        pytest.param({"connect_timeout": 0.5, "read_timeout": 1.5}, (0.5, 1.5, 5), id="fractions"),
        pytest.param(
            {"connect_timeout": "3", "read_timeout": "1.5", "max_attempts": " 2 "}, (3.0, 1.5, 2), id="strings"
        ),
        pytest.param({"connect_timeout": "", "read_timeout": None, "max_attempts": ""}, (10.0, 60.0, 5), id="empty"),
    ],
)
def test_extras_may_come_as_numbers_or_strings_or_be_empty(
    extra: dict[str, Any], expected: tuple[float, float, int]
) -> None:
    found = settings(**extra)
    assert (found.connect_timeout, found.read_timeout, found.max_attempts) == expected
    assert [type(value) for value in (found.connect_timeout, found.read_timeout, found.max_attempts)] == [
        float,
        float,
        int,
    ]


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "max_attempts"])
@pytest.mark.parametrize("value", [0, -1, "0", "soon", "nan", "inf", "-inf", [], {}, True], ids=repr)
def test_a_number_that_makes_no_sense_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=f"Connection 'c': the extra {name} must be"):
        settings(**{name: value})


def test_half_a_try_is_refused() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="max_attempts"):
        settings(max_attempts="2.5")


@pytest.mark.parametrize("extra", ["{bad", "[]", '"text"', "5"])
def test_an_extra_that_is_no_json_object_is_refused_without_being_shown(extra: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'c': the extra is not a JSON object"):
        read_settings(connection(extra), "c")


@pytest.mark.parametrize("extra", [None, "", "{}"])
def test_an_extra_may_be_empty(extra: str | None) -> None:
    assert read_settings(connection(extra), "c").account is None


def test_an_unknown_extra_is_warned_of_by_its_name_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        settings(headers={"Authorization": "hunter2"}, account="42")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["Connection 'c': the unknown extra 'headers' is ignored."]
    assert "hunter2" not in caplog.text


def test_known_extras_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    settings(account="42", connect_timeout=1, read_timeout=1, max_attempts=1)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("own", "extra", "account"),
    [
        (None, None, None),
        (None, "42", "42"),
        (None, "", None),
        (None, 42, "42"),
        ("43", "42", "43"),
        ("43", None, "43"),
        pytest.param(43, "42", "43", id="a number, as a template rendered to a native object gives it"),
        ("", "42", "42"),
    ],
)
def test_the_account_of_a_task_wins_over_that_of_the_connection(own: Any, extra: Any, account: str | None) -> None:
    assert read_settings(connection(json.dumps({"account": extra})), "c", own).account == account


@pytest.mark.parametrize(
    ("extra", "configured", "expected"),
    [
        (None, None, "strict"),
        (None, "warn", "warn"),
        (None, "", "strict"),
        ("", "off", "off"),
        ("warn", None, "warn"),
        (" Off ", "warn", "off"),
    ],
)
def test_the_connection_wins_over_the_configuration(
    monkeypatch: pytest.MonkeyPatch, extra: str | None, configured: str | None, expected: str
) -> None:
    if configured is not None:
        monkeypatch.setenv("AIRFLOW__MINIMAX__CHECK_INPUTS", configured)
    assert settings(check_inputs=extra).check_inputs == expected


@pytest.mark.parametrize("value", ["yes", True, 1, [], {}], ids=repr)
def test_a_check_that_is_none_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'c': the extra check_inputs must be one of strict"):
        settings(check_inputs=value)


def test_a_mistake_in_the_configuration_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__CHECK_INPUTS", "yes")
    with pytest.raises(MiniMaxBadRequestError, match=r"\[minimax\] check_inputs must be one of strict, warn, off"):
        settings()


@pytest.mark.parametrize("password", [None, "", "  "])
def test_a_connection_without_a_token_is_refused_by_name(password: str | None) -> None:
    with pytest.raises(MiniMaxAuthError, match="Connection 'c' has no API token"):
        read_settings(connection(password=password), "c")


@pytest.mark.parametrize("fields", [{"host": "ftp://x"}, {"extra": "{"}, {"password": f"Bearer {TOKEN}"}], ids=str)
def test_no_refusal_shows_the_token(fields: dict[str, Any]) -> None:
    with pytest.raises(MiniMaxError) as caught:
        read_settings(connection(**fields), "c")
    assert "s3cr3t" not in str(caught.value)


# The hook


def test_a_hook_makes_one_client_of_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, extra={"account": "42", "max_attempts": 2})
    hook = MiniMaxHook(account="43")
    client = hook.get_conn()
    assert client is hook.get_conn()
    assert client.settings == Settings(TOKEN, "https://api.test/v1/minimax", "43", max_attempts=2)


def test_a_hook_reads_the_connection_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "minimax", "password": "user:9-other"}))
    assert MiniMaxHook("other").get_conn().settings.token == "user:9-other"


def test_a_hook_can_be_made_without_its_connection() -> None:
    hook = MiniMaxHook("nowhere")
    assert (hook.minimax_conn_id, hook.account) == ("nowhere", None)


def test_settings_can_be_had_on_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch)
    assert asyncio.run(MiniMaxHook(account="42").aget_settings()) == MiniMaxHook(account="42").get_conn().settings


def test_a_hook_keeps_neither_connection_nor_token_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch)
    hook = MiniMaxHook()
    hook.get_conn()
    assert "s3cr3t" not in f"{hook!r} {vars(hook)}"
    assert not any(isinstance(value, Connection) for value in vars(hook).values())


def test_every_method_of_the_hook_reaches_the_service(sandbox: Sandbox, tmp_path: Any) -> None:
    hook = MiniMaxHook()
    assert len(hook.list_images(limit=5)["images"]) == 5
    newest = hook.list_images(limit=1)["images"][0]
    assert hook.get_image(newest["imageId"])["imageId"] == newest["imageId"]
    assert [image["imageId"] for image in hook.iter_images(max_images=1)] == [newest["imageId"]]
    assert len(list(hook.iter_images(page_size=25))) == 60
    assert len(hook.create_image("a cat", quantity=2)) == 2
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    video = hook.create_video("go", file_id=hook.upload_file(tmp_path / "a.png"))
    assert hook.get_video(video)["videoId"] == video
    assert video in [each["videoId"] for each in hook.list_videos()]
    hook.cancel_video(video)
    assert list(hook.list_accounts()) == sandbox.accounts
    assert "totalCredits" in hook.get_features()


# The test of a connection


def try_connection(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> tuple[bool, str]:
    define(monkeypatch, **fields)
    return MiniMaxHook().test_connection()


def answer(mocker: Mocker, **response: Any) -> None:
    mocker.get("https://api.test/v1/minimax/accounts", **response)


@pytest.mark.parametrize(
    ("fields", "response", "is_good", "words"),
    [
        pytest.param({"password": ""}, {}, False, ["no API token", "'minimax_default'"], id="no token"),
        pytest.param({"password": "a b"}, {}, False, ["without 'Bearer'"], id="a token that cannot be sent"),
        pytest.param({"host": "ftp://x"}, {}, False, ["host"], id="a host that makes no sense"),
        pytest.param({"extra": {"max_attempts": 0}}, {}, False, ["max_attempts"], id="an extra that makes no sense"),
        pytest.param(
            {}, {"status_code": 401, "json": {"error": "Unauthorized", "code": 401}},
            False, ["401", "Unauthorized", "valid API token"], id="bad token",
        ),
        pytest.param({}, {"status_code": 402, "json": {}}, False, ["402", "subscription"], id="no subscription"),
        pytest.param({}, {"json": {}}, False, ["valid", "no Hailuo account"], id="no account"),
        pytest.param(
            {}, {"json": {"42": {"account": "42", "error": "session expired"}}},
            False, ["42", "session expired"], id="the account in error",
        ),
        pytest.param(
            {}, {"json": {"42": {"error": "expired"}, "43": {"error": "on hold"}}},
            False, ["42: expired", "43: on hold"], id="all accounts in error",
        ),
        pytest.param(
            {"extra": {"account": "43"}}, {"json": {"42": {}, "43": {"error": "on hold"}}},
            False, ["Account 43", "on hold"], id="the default account in error",
        ),
        pytest.param(
            {"extra": {"account": "44"}}, {"json": {"42": {}}}, False, ["44", "not configured"], id="unknown account"
        ),
        pytest.param({}, {"status_code": 502, "text": "<html>"}, False, ["502"], id="a fault"),
        pytest.param({}, {"text": "<html><title>Login</title>"}, False, ["not JSON", "Login"], id="another service"),
        pytest.param({}, {"status_code": 302, "headers": {"Location": "/x"}}, False, ["host"], id="a redirect"),
        pytest.param({}, {"json": {"42": {"account": "42"}}}, True, ["Connected", "42"], id="fine"),
        pytest.param({}, {"json": {"42": {"error": ""}}}, True, ["42"], id="fine, with an empty error"),
        pytest.param(
            {}, {"json": {"42": {}, "43": {"error": "on hold"}, "44": {}}}, True, ["42, 44"], id="one in error",
        ),
        pytest.param({"extra": {"account": "42"}}, {"json": {"42": {}, "43": {}}}, True, ["42"], id="default account"),
    ],
)  # fmt: skip
def test_the_test_of_a_connection_tells_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
    requests_mock: Mocker,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    response: dict[str, Any],
    is_good: bool,
    words: list[str],
) -> None:
    answer(requests_mock, **response)
    with caplog.at_level(logging.DEBUG):
        found, message = try_connection(monkeypatch, **fields)
    assert found is is_good, message
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    assert "s3cr3t" not in message + caplog.text
    assert requests_mock.call_count == (1 if response else 0), "it is tried once"


def test_the_test_of_a_connection_tells_that_the_service_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    found, message = try_connection(monkeypatch, host=f"http://127.0.0.1:{port}")
    assert not found
    assert "cannot be reached" in message
    assert "s3cr3t" not in message


@pytest.mark.usefixtures("undefined_connections")
def test_the_test_of_a_connection_that_does_not_exist_says_so() -> None:
    found, message = MiniMaxHook("nowhere").test_connection()
    assert not found
    assert "nowhere" in message


def test_the_test_of_a_connection_touches_no_generation(sandbox: Sandbox) -> None:
    found, message = MiniMaxHook().test_connection()
    assert found
    assert sandbox.accounts[0] in message
    assert [call.operation for call in sandbox.calls] == ["GET /accounts"]
    assert sandbox.token not in message
