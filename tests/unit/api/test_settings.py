"""The address and the token of a connection."""

from __future__ import annotations

import pytest

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxBadRequestError
from airflow_provider_minimax.api.settings import (
    DEFAULT_BASE_URL,
    Settings,
    base_url,
    check_token,
    optional_field,
    origin_of,
    proxy_address,
)

TOKEN = "user:1234-s3cr3tT0kenValue"


@pytest.mark.parametrize(
    ("host", "schema", "port", "url"),
    [
        pytest.param(None, None, None, DEFAULT_BASE_URL, id="nothing"),
        pytest.param("", "", None, DEFAULT_BASE_URL, id="empty"),
        pytest.param("  ", None, None, DEFAULT_BASE_URL, id="blank"),
        pytest.param("http://127.0.0.1:8765", None, None, "http://127.0.0.1:8765/v1/minimax", id="origin"),
        pytest.param("http://127.0.0.1:8765/", None, None, "http://127.0.0.1:8765/v1/minimax", id="origin, slash"),
        pytest.param(" https://proxy ", None, None, "https://proxy/v1/minimax", id="blanks around"),
        pytest.param("https://proxy/a/b", None, None, "https://proxy/a/b", id="path"),
        pytest.param("https://proxy/a/b/", None, None, "https://proxy/a/b", id="path, slash"),
        pytest.param("proxy", None, None, "https://proxy/v1/minimax", id="bare host is https"),
        pytest.param("proxy:8080", None, None, "https://proxy:8080/v1/minimax", id="bare host with port"),
        pytest.param("proxy/a", None, None, "https://proxy/a", id="bare host with path"),
        pytest.param("proxy", "http", None, "http://proxy/v1/minimax", id="schema"),
        pytest.param("proxy", "http", 8080, "http://proxy:8080/v1/minimax", id="schema and port"),
        pytest.param("proxy", None, 8080, "https://proxy:8080/v1/minimax", id="port"),
        pytest.param("http://proxy", "https", None, "http://proxy/v1/minimax", id="the host's own schema wins"),
        pytest.param("http://proxy", None, 8080, "http://proxy/v1/minimax", id="a whole address ignores the port"),
        pytest.param("https://proxy/a", None, 8080, "https://proxy/a", id="with a path, too"),
        pytest.param("http://proxy:1", None, 2, "http://proxy:1/v1/minimax", id="the host's own port wins"),
        pytest.param("HTTP://Proxy", None, None, "http://proxy/v1/minimax", id="capitals"),
        pytest.param("http://[::1]:8765", None, None, "http://[::1]:8765/v1/minimax", id="IPv6 with port"),
        pytest.param("[::1]", "http", 80, "http://[::1]:80/v1/minimax", id="IPv6 bare"),
        pytest.param("http://[2001:db8::2]", None, None, "http://[2001:db8::2]/v1/minimax", id="IPv6"),
        pytest.param("::1", "http", 8765, "http://[::1]:8765/v1/minimax", id="IPv6 without brackets"),
        pytest.param("2001:db8::2", None, None, "https://[2001:db8::2]/v1/minimax", id="IPv6 without anything"),
        pytest.param("https://::1", "v1", 8443, "https://[::1]:8443/v1", id="IPv6 of a URI within a URI"),
        pytest.param(None, None, 33597, DEFAULT_BASE_URL, id="port alone"),
        pytest.param("", "http", 33597, DEFAULT_BASE_URL, id="schema and port alone"),
        pytest.param("proxy", "a/b", None, "https://proxy/a/b", id="the path of a URI"),
        pytest.param("proxy", "/a/b/", 8443, "https://proxy:8443/a/b", id="the path of a URI, slashes, port"),
        pytest.param("proxy", "v1", None, "https://proxy/v1", id="the path of a URI, one segment"),
        pytest.param("http://proxy", "a/b", 8080, "http://proxy:8080/a/b", id="a URI within a URI"),
        pytest.param("https://proxy/a", "b", None, "https://proxy/a", id="the host's own path wins"),
        pytest.param("", "a/b", None, "https://api.useapi.net/a/b", id="a URI without a host"),
        pytest.param(None, "https", None, DEFAULT_BASE_URL, id="schema alone"),
        pytest.param(DEFAULT_BASE_URL, None, None, DEFAULT_BASE_URL, id="the default itself"),
    ],
)
def test_the_fields_of_a_connection_mean_one_address(
    host: str | None, schema: str | None, port: int | None, url: str
) -> None:
    assert base_url(host, schema, port) == url


@pytest.mark.parametrize(
    ("host", "schema"),
    [
        pytest.param("ftp://proxy", None, id="ftp"),
        pytest.param("proxy", "ftp", id="schema ftp"),
        pytest.param("file:///etc/passwd", None, id="file"),
        pytest.param("https://", None, id="no host"),
        pytest.param("https:///path", None, id="path only"),
        pytest.param("https://me:hunter2@proxy", None, id="user and password"),
        pytest.param("me@proxy", None, id="user"),
        pytest.param("https://proxy?x=hunter2", None, id="query"),
        pytest.param("https://proxy/path?x=hunter2", None, id="path and query"),
        pytest.param("https://proxy#hunter2", None, id="fragment"),
        pytest.param("https://proxy:port", None, id="port that is no number"),
        pytest.param("https://proxy:99999", None, id="port too large"),
        pytest.param("fe80::1%eth0", None, id="IPv6 of one machine's interface"),
        pytest.param("proxy", "a?x=hunter2", id="query in the path of a URI"),
        pytest.param("my..host", None, id="empty label"),
        pytest.param(f"{'a' * 64}.example", None, id="label of 64 characters"),
        pytest.param("user:1234-hunter2", None, id="the token"),
        pytest.param("[::1", None, id="IPv6 half in brackets"),
        pytest.param("http://ho\u2100st", None, id="a character that stands for a slash"),
        pytest.param("my proxy", None, id="blank within"),
        pytest.param("https://my proxy/v1", None, id="blank within an address"),
        pytest.param("https://pro\nxy", None, id="newline within"),
    ],
)
def test_what_is_no_plain_address_is_refused_in_one_line(host: str, schema: str | None) -> None:
    with pytest.raises(MiniMaxBadRequestError) as caught:
        base_url(host, schema)
    assert '"Base URL"' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", [TOKEN, f" {TOKEN}\n", f"\t{TOKEN}"])
def test_a_token_is_freed_of_blanks_around_it(text: str) -> None:
    assert check_token(text, "Connection 'c'") == TOKEN


@pytest.mark.parametrize("text", [None, "", "   ", "\n"])
def test_a_missing_token_is_named_as_that(text: str | None) -> None:
    with pytest.raises(MiniMaxAuthError, match="Connection 'c' has no API token"):
        check_token(text, "Connection 'c'")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"Bearer {TOKEN}", id="with Bearer"),
        pytest.param(f"{TOKEN}\n{TOKEN}", id="newline within"),
        pytest.param(f"{TOKEN}\r\nX-Other: 1", id="a header smuggled in"),
        pytest.param(f"{TOKEN}\u2019", id="not latin"),
        pytest.param(f"{TOKEN}\xe9", id="latin, not ASCII"),
        pytest.param(f"{TOKEN}\x00", id="control character"),
    ],
)
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(MiniMaxAuthError) as caught:
        check_token(text, "Connection 'c'")
    assert "Connection 'c'" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_token_is_not_in_the_repr_of_settings() -> None:
    settings = Settings(TOKEN, account="42")
    assert "s3cr3t" not in f"{settings!r} {settings}"
    assert "42" in repr(settings)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        (" http://proxy.example:3128 ", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("https://me:p%40ss@proxy.example", "https://me:p%40ss@proxy.example"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_is_an_address_or_nothing(value: str | None, address: str | None) -> None:
    assert proxy_address(value, "Connection 'c'") == address


@pytest.mark.parametrize(
    "value",
    [
        8080, True, ["http://proxy"], "http://", "http://:3128", "ftp://proxy", "http://proxy:port", "http://proxy:99999",
        "http://a..b", f"http://{'a' * 64}", "http://me:hunter2 @proxy", "me:hunter2", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'c': \"Proxy\"") as caught:
        proxy_address(value, "Connection 'c'")
    assert "hunter2" not in str(caught.value)


def test_a_ca_bundle_is_a_path_or_nothing() -> None:
    assert [optional_field("CA bundle", value, "c") for value in (None, "", " ", " /a b.pem ")] == [
        None,
        None,
        None,
        "/a b.pem",
    ]
    with pytest.raises(MiniMaxBadRequestError, match="Connection 'c': \"CA bundle\" takes text"):
        optional_field("CA bundle", True, "Connection 'c'")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example/v1/minimax", "https://api.example"),
        ("http://me:hunter2@proxy:3128/x", "http://proxy:3128"),
        ("me:hunter2@proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("http://[::1]:1/", "http://[::1]:1"),
        ("http://[::1", ""),
        ("http://proxy:port", ""),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_user_and_path(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_the_proxy_is_not_in_the_repr_of_settings_and_the_connection_makes_no_difference() -> None:
    settings = Settings(TOKEN, proxy="http://me:hunter2@proxy", conn_id="a")
    assert "hunter2" not in repr(settings)
    assert settings == Settings(TOKEN, proxy="http://me:hunter2@proxy", conn_id="b")
    assert settings != Settings(TOKEN, conn_id="a")
