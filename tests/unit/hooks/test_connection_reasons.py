"""What the test button says of networks that fail and of fields that are wrong: over real sockets, each in one line."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from tests.unit.api.network import Proxy, Server, Service, answering, make_certificate, response

TOKEN = "user:1234-s3cr3tT0kenValue"
ACCOUNTS = response(b'{"42": {"account": "42"}}')
#: Longest message: one that nobody reads to its end helps nobody.
MAX_MESSAGE = 700


class Network:
    """What a case builds: servers that live as long as the test, files, and variables of the environment."""

    def __init__(self, stack: ExitStack, folder: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack, self.folder, self.certificate, self._monkeypatch = stack, folder, certificate, monkeypatch

    def start(self, server: Any) -> Any:
        return self._stack.enter_context(server)

    def service(self, whole: bytes = ACCOUNTS, *, tls: bool = False) -> str:
        """Return the origin of a service that sends this response to each request."""
        server = self.start(Service(answering(whole), self.certificate if tls else None))
        return f"http{'s' if tls else ''}://127.0.0.1:{server.port}"

    def proxy(self, whole: bytes | None = None) -> str:
        """Return the address of a proxy that passes requests on, or sends this response instead."""
        at_once = None if whole is None else (lambda sock: sock.sendall(whole))
        url: str = self.start(Proxy(at_once)).url
        return url

    def unused(self) -> str:
        """Return host and port on which nothing listens."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{taken.getsockname()[1]}"

    def file(self, text: str) -> str:
        path = self.folder / "bundle.pem"
        path.write_text(text)
        return str(path)

    def setenv(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)


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


class IPv6Service(Service):
    """A service on the loopback address of IPv6."""

    def __init__(self) -> None:
        super().__init__(answering(ACCOUNTS))
        self._listener.close()
        self._listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.port = self._listener.getsockname()[1]


def proxied_by_field(net: Network, proxy: str, host: str) -> dict[str, Any]:
    return {"host": host, "extra": {"proxy": proxy}}


def proxied_by_environment(net: Network, proxy: str, host: str) -> dict[str, Any]:
    net.setenv(http_proxy=proxy, https_proxy=proxy)
    return {"host": host}


def trusting_field(net: Network, file: str) -> dict[str, Any]:
    return {"host": net.service(tls=True), "extra": {"ca_bundle": file}}


def trusting_environment(net: Network, file: str) -> dict[str, Any]:
    net.setenv(REQUESTS_CA_BUNDLE=file)
    return {"host": net.service(tls=True)}


def ca_of_somebody_else(net: Network) -> str:
    (net.folder / "other").mkdir()
    return str(make_certificate(net.folder / "other"))


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def net(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with ExitStack() as stack:
        yield Network(stack, tmp_path, certificate, monkeypatch)


def press_test(net: Network, fields: dict[str, Any]) -> tuple[bool, str]:
    given = {"conn_type": "minimax", "password": TOKEN} | fields
    net.setenv(AIRFLOW_CONN_MINIMAX_DEFAULT=json.dumps(given))
    return MiniMaxHook().test_connection()


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


# Connections that work


@pytest.mark.parametrize("host", ["::1", "[::1]", "http://[::1]", "http://::1"])
def test_an_ipv6_address_is_a_host_like_any_other(net: Network, host: str) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    service = net.start(IPv6Service())
    fields = {"host": f"{host}:{service.port}"} if host.startswith("http://[") else {"host": host, "port": service.port}
    # A host with a scheme of its own takes its port from a URI only, which also has a path.
    schema = "v1/minimax" if host == "http://::1" else "http"
    assert press_test(net, fields | {"schema": schema}) == (True, "Connected. Usable Hailuo account: 42")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("minimax://http://:{token}@127.0.0.1:{port}/a/b", "/a/b/accounts"),
        ("minimax://:{token}@http%3A%2F%2F127.0.0.1%3A{port}%2Fa", "/a/accounts"),
        ("minimax://:{token}@127.0.0.1:{port}/http", "/v1/minimax/accounts"),
    ],
)
def test_a_uri_reaches_the_address_that_it_names(net: Network, uri: str, target: str) -> None:
    service = net.start(Service(answering(ACCOUNTS)))
    net.setenv(AIRFLOW_CONN_MINIMAX_DEFAULT=uri.format(token=TOKEN, port=service.port))
    assert MiniMaxHook().test_connection()[0]
    assert [request.target for request in service.received] == [target]


def test_the_path_of_a_uri_with_one_scheme_counts(net: Network) -> None:
    service = net.start(Service(answering(ACCOUNTS), net.certificate))
    net.setenv(
        REQUESTS_CA_BUNDLE=str(net.certificate),
        AIRFLOW_CONN_MINIMAX_DEFAULT=f"minimax://:{TOKEN}@127.0.0.1:{service.port}/v1/minimax",
    )
    assert MiniMaxHook().test_connection()[0]
    assert [request.target for request in service.received] == ["/v1/minimax/accounts"]


def test_a_hidden_port_does_not_redirect_the_token(net: Network) -> None:
    right, wrong = net.start(Service(answering(ACCOUNTS))), net.start(Service(answering(ACCOUNTS)))
    assert press_test(net, {"host": f"http://127.0.0.1:{right.port}", "port": wrong.port})[0]
    assert (len(right.received), wrong.accepted) == (1, 0)


@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1", "*"])
def test_the_proxy_of_the_connection_wins_over_the_environment(net: Network, no_proxy: str) -> None:
    own, other = net.start(Proxy()), net.start(Proxy())
    net.setenv(http_proxy=other.url, all_proxy=other.url, no_proxy=no_proxy)
    assert press_test(net, proxied_by_field(net, f" 127.0.0.1:{own.port} ", net.service()))[0]
    assert (own.passed_on, other.accepted) == (1, 0)


def test_the_ca_bundle_of_the_connection_wins_over_the_environment(net: Network) -> None:
    net.setenv(REQUESTS_CA_BUNDLE=ca_of_somebody_else(net), CURL_CA_BUNDLE="/missing/bundle.pem")
    assert press_test(net, trusting_field(net, str(net.certificate)))[0]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_empty_fields_leave_it_to_the_environment(net: Network, empty: str | None) -> None:
    net.setenv(REQUESTS_CA_BUNDLE=str(net.certificate))
    fields = {"host": net.service(tls=True), "extra": {"proxy": empty, "ca_bundle": empty}}
    assert press_test(net, fields)[0]


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


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


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
