"""What the test button says of networks that fail and of fields that are wrong: over real sockets, each in one line."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from tests.unit.api.network import Server, response
from tests.unit.hooks.networks import (
    TOKEN,
    Network,
    ca_of_somebody_else,
    press_test,
    proxied_by_environment,
    proxied_by_field,
    trusting_environment,
    trusting_field,
)

#: Longest message: one that nobody reads to its end helps nobody.
MAX_MESSAGE = 700


class Case(NamedTuple):
    """A connection that does not work.

    :param fields: makes the fields of the connection.
    :param words: that the message holds.
    """

    fields: Callable[[Network], dict[str, Any]]
    words: tuple[str, ...]


class PlainOnly(Server):
    """Speaks HTTP without TLS, and says so to whoever begins with TLS."""

    def serve(self, sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(response(status="400 Bad Request"))


REFUSED_TUNNEL = response(status="407 Proxy Authentication Required")
REFUSED_REQUEST = response(b"<title>Proxy login</title>", status="407 Proxy Authentication Required")
BLOCKED = response(
    b"<html><head><title>Access denied</title></head><body>Blocked by Example Firewall</body></html>",
    status="403 Forbidden",
)

CASES: dict[str, Case] = {
    # The way to the service
    "misspelt host": Case(
        lambda net: {"host": "https://api.useapi.invalid"},
        (
            "No connection to https://api.useapi.invalid: ",
            "its name was not found",
            "'minimax_default'",
            '"Base URL"',
            "Another test will send it again.",
        ),
    ),
    "refused port": Case(
        lambda net: {"host": f"http://{net.unused()}"},
        ("No connection to http://127.0.0.1:", "it refused the connection", "'minimax_default'", '"Base URL"'),
    ),
    "https to an http port": Case(
        lambda net: {"host": f"https://127.0.0.1:{net.start(PlainOnly()).port}"},
        ("No connection to https://127.0.0.1:", "wrong version number", "speaks no TLS", '"Base URL"'),
    ),
    "http to an https port": Case(
        lambda net: {"host": net.service(tls=True).replace("https:", "http:")},
        ("No response from http://127.0.0.1:", "'minimax_default'", 'begin "Base URL" with https://'),
    ),
    "proxy down": Case(
        lambda net: proxied_by_environment(net, f"http://{net.unused()}", net.service()),
        ("over the proxy http://127.0.0.1:", "the proxy cannot be reached: it refused the connection", "HTTP_PROXY"),
    ),
    "proxy down, field": Case(
        lambda net: proxied_by_field(net, f"http://{net.unused()}", net.service()),
        ("over the proxy http://127.0.0.1:", "the proxy cannot be reached: it refused the connection", '"Proxy"'),
    ),
    "proxy misspelt, field": Case(
        lambda net: proxied_by_field(net, "http://me:hunter2@proxy.invalid:3128", net.service()),
        ("over the proxy http://proxy.invalid:3128: ", "its name was not found", '"Proxy"'),
    ),
    "407 of a tunnel": Case(
        lambda net: proxied_by_environment(net, net.proxy(REFUSED_TUNNEL), net.service(tls=True)),
        ("over the proxy http://127.0.0.1:", "407 Proxy Authentication Required", "user:password@", "HTTPS_PROXY"),
    ),
    "407 of a tunnel, field": Case(
        lambda net: proxied_by_field(net, net.proxy(REFUSED_TUNNEL), net.service(tls=True)),
        (
            "over the proxy http://127.0.0.1:",
            "407 Proxy Authentication",
            "a valid user and password",
            "user:password@",
            '"Proxy"',
        ),
    ),
    "407 of a request": Case(
        lambda net: proxied_by_environment(net, net.proxy(REFUSED_REQUEST), net.service()),
        ("The proxy wants a user and a password (407)", "'Proxy login'", "holds valid ones", '"Proxy"', "HTTP_PROXY"),
    ),
    # Certificates
    "self-signed certificate": Case(
        lambda net: {"host": net.service(tls=True)},
        ("No connection to https://127.0.0.1:", "certificate verify failed: self-signed certificate", '"CA bundle"'),
    ),
    "wrong CA": Case(
        lambda net: trusting_environment(net, ca_of_somebody_else(net)),
        ("certificate verify failed: ", '"Base URL"', '"CA bundle"'),
    ),
    "wrong CA, field": Case(
        lambda net: trusting_field(net, ca_of_somebody_else(net)),
        ("certificate verify failed: ", '"CA bundle" (now /', "certificate.pem"),
    ),
    "CA file without a certificate": Case(
        lambda net: trusting_environment(net, net.file("nothing")),
        ("no certificate or crl found", "The file of REQUESTS_CA_BUNDLE"),
    ),
    "CA file without a certificate, field": Case(
        lambda net: trusting_field(net, net.file("nothing")), ("no certificate or crl found", 'The file of "CA bundle"')
    ),
    "missing CA file": Case(
        lambda net: trusting_environment(net, "/missing/bundle.pem"),
        ("/missing/bundle.pem", "until REQUESTS_CA_BUNDLE", "'minimax_default'"),
    ),
    "missing CA file, field": Case(
        lambda net: trusting_field(net, "/missing/bundle.pem"),
        ("/missing/bundle.pem", 'until "CA bundle" of the connection', "'minimax_default'"),
    ),
    # Fields
    "my..host": Case(lambda net: {"host": "my..host"}, ("'minimax_default'", '"Base URL"', "1 to 63")),
    "my..host in a URL": Case(
        lambda net: {"host": "https://my..host/v1"}, ("'minimax_default'", '"Base URL"', "1 to 63")
    ),
    "label of 64 characters": Case(
        lambda net: {"host": f"https://{'a' * 64}.example"}, ("'minimax_default'", '"Base URL"', "1 to 63")
    ),
    "ftp": Case(
        lambda net: {"host": "ftp://api.example"}, ("'minimax_default'", '"Base URL" is not an http or https address')
    ),
    "user in the host": Case(
        lambda net: {"host": "https://me:hunter2@api.example"}, ("'minimax_default'", '"Base URL"', "no user")
    ),
    "5.5 attempts": Case(
        lambda net: {"extra": {"max_attempts": 5.5}}, ("'minimax_default'", "max_attempts must be an integer")
    ),
    "no token": Case(lambda net: {"password": ""}, ("'minimax_default' has no API token", '"API token"')),
    "token with Bearer": Case(
        lambda net: {"password": f"Bearer {TOKEN}"}, ("'minimax_default'", '"API token"', "without 'Bearer'")
    ),
    "token without user:, refused": Case(
        lambda net: {
            "password": "1234-s3cr3tT0kenValue",
            "host": net.service(response(b'{"error": "Unauthorized", "code": 401}', status="401 Unauthorized")),
        },
        ("The API token is refused (401): Unauthorized", "'minimax_default'", "does not begin with 'user:'"),
    ),
    "malformed proxy, field": Case(
        lambda net: {"host": net.service(), "extra": {"proxy": "http://:8080"}},
        ("'minimax_default'", '"Proxy" is not an address'),
    ),
    "host that the proxy cannot reach": Case(
        lambda net: {"host": "https://api.example", "extra": {"proxy": net.proxy(response(b"", status="503 No Host"))}},
        (
            "over the proxy http://127.0.0.1:",
            "refused the tunnel (503 No Host)",
            '"Base URL" of the connection',
            "reach",
        ),
    ),
    "list for an object": Case(
        lambda net: {"host": net.service(response(b"[]"))},
        ("The response is not an object: []", "'minimax_default'", 'Check "Base URL" (http://127.0.0.1:'),
    ),
    "proxy with a slash in its password": Case(
        lambda net: {"host": net.service(), "extra": {"proxy": "http://bob:topse/cret@proxy.example:3128"}},
        ("'minimax_default'", '"Proxy" is not an address', "percent-encoding", "%2F"),
    ),
    "account with control characters": Case(
        lambda net: {"host": net.service(), "extra": {"account": "4\x1b[31m\n3"}}, ("account 4 3 is not configured",)
    ),
    "JSON without an error message": Case(
        lambda net: {"host": net.service(response(b'{"errors": ["no room"]}', status="500 No"))},
        ('The service failed (500): JSON without an error message: {"errors": ["no room"]}',),
    ),
    "proxy that is no text, field": Case(
        lambda net: {"host": net.service(), "extra": {"proxy": 8080}}, ("'minimax_default'", '"Proxy" takes text')
    ),
    # What the service says
    "401": Case(
        lambda net: {"host": net.service(response(b'{"error": "Unauthorized", "code": 401}', status="401 No"))},
        ("The API token is refused (401): Unauthorized", "'minimax_default'", 'until "API token"'),
    ),
    "a firewall's 403": Case(
        lambda net: {"host": net.service(BLOCKED)},
        (
            "Access denied (403)",
            "'Access denied'",
            "'Blocked by Example Firewall'",
            "firewall or a proxy on the way",
            '"Base URL"',
        ),
    ),
    "429": Case(
        lambda net: {"host": net.service(response(b'{"error": "Too many requests", "code": 429}', status="429 No"))},
        ("No free slot (429): Too many requests.", "'minimax_default'", "Another test will ask again."),
    ),
    "596": Case(
        lambda net: {"host": net.service(response(b'{"error": "On hold", "code": 596}', status="596 No"))},
        ("Account on hold (596): On hold.", "'minimax_default'", "Another test helps only after that."),
    ),
    "403 of the API": Case(
        lambda net: {"host": net.service(response(b'{"error": "Not yours", "code": 403}', status="403 Forbidden"))},
        ("Access denied (403): Not yours.", "another useapi.net user"),
    ),
    "wrong path": Case(
        lambda net: {"host": f"{net.service(response(b'Cannot GET /v1/accounts', status='404 Not Found'))}/v1/"},
        ("Not found (404)", "'Cannot GET /v1/accounts'", '"Base URL" (http://127.0.0.1:', "/v1) is wrong"),
    ),
    "an error with 200": Case(
        lambda net: {"host": net.service(response(b'{"error": "Service paused"}'))},
        ("Service paused", "status is 200", "'minimax_default'"),
    ),
    "message with 500": Case(
        lambda net: {"host": net.service(response(b'{"message": "Upstream is down"}', status="500 Oops"))},
        ("The service failed (500): Upstream is down.", "'minimax_default'"),
    ),
    "detail with 500": Case(
        lambda net: {"host": net.service(response(b'{"detail": "Upstream is down"}', status="500 Oops"))},
        ("The service failed (500): Upstream is down.", "'minimax_default'"),
    ),
    "plain text with 500": Case(
        lambda net: {"host": net.service(response(b"upstream\r\n\x1b[31mdown\x00", status="500 Oops"))},
        ("The service failed (500)", "'upstream down'"),
    ),
    "redirect": Case(
        lambda net: {
            "host": net.service(response(b"", status="302 Found", Location="https://login.example/start?next=abc"))
        },
        ("Redirected (302): to https://login.example/start,", '"Base URL"'),
    ),
    "another service": Case(
        lambda net: {"host": net.service(response(b"<html><title>Welcome to nginx!</title></html>"))},
        ("not JSON but a page titled 'Welcome to nginx!'", '"Base URL" (http://127.0.0.1:'),
    ),
    "another API": Case(
        lambda net: {"host": net.service(response(b'{"hello": "world"}'))},
        ("names no accounts", '"Base URL" (http://127.0.0.1:'),
    ),
    "an account in error": Case(
        lambda net: {"host": net.service(response(b'{"42": {"error": "session\\nexpired\\u001b[0m"}}'))},
        ("42: session expired.", "Set it up again at useapi.net."),
    ),
}


@pytest.mark.parametrize(("fields", "words"), CASES.values(), ids=CASES)
def test_the_button_says_what_is_wrong_and_where_to_look(
    net: Network, fields: Callable[[Network], dict[str, Any]], words: tuple[str, ...]
) -> None:
    is_good, message = press_test(net, fields(net))
    assert not is_good, message
    assert [word for word in words if word not in message] == []
    # It is no task: nothing retries it, and it creates nothing.
    assert "retry" not in message
    assert "created" not in message
    assert message.isprintable()
    assert len(message) < MAX_MESSAGE
    assert "s3cr3t" not in message
    assert "hunter2" not in message


def test_whatever_a_secrets_backend_raises_is_returned_without_its_text(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_: object) -> None:
        raise RuntimeError(f"vault sealed: {TOKEN}")

    monkeypatch.setattr(MiniMaxHook, "get_connection", raise_error)
    is_good, message = MiniMaxHook().test_connection()
    assert not is_good
    assert message.startswith("Connection 'minimax_default' could not be tested: RuntimeError")
    assert "s3cr3t" not in message


# What an unreachable host costs in the log


def test_a_host_that_is_unreachable_for_all_attempts_is_one_warning(
    net: Network, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Transport(Settings(TOKEN, f"http://{net.unused()}/v1/minimax", conn_id="c"), lambda seconds: None)
    with caplog.at_level(logging.INFO), pytest.raises(MiniMaxUpstreamError, match="No connection to http"):
        sender.send(Call("GET", "/images/"))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO", "INFO"]


def test_the_password_of_a_proxy_stands_in_no_text(net: Network, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(TOKEN, "http://127.0.0.1:1/v1", proxy="http://me:hunter2@127.0.0.1:1", conn_id="c")
    with caplog.at_level(logging.DEBUG), pytest.raises(MiniMaxUpstreamError) as caught:
        Transport(settings, lambda seconds: None).send(Call("GET", "/images/"))
    assert "over the proxy http://127.0.0.1:1:" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {settings!r} {caplog.text}"
