"""A create on its way through real proxies and real TLS: what is lost after it left is never sent again."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.transport import Call, Transport
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from tests.support import connect
from tests.unit.api.network import (
    PATIENCE,
    Proxy,
    Server,
    Service,
    answering,
    cut,
    make_certificate,
    reset,
    response,
    silent,
)
from tests.unit.api.support import TOKEN, Sleeps, error_of, settings

CREATE = Call("POST", "/images/create", json={"prompt": "p"}, billable=True)
READ = Call("GET", "/images/", params={"limit": 30})

Ending = Callable[[socket.socket], None]
endings = pytest.mark.parametrize("ending", [cut, reset], ids=["FIN", "RST"])
routes = pytest.mark.parametrize("route", ["http", "https"], ids=["a forward proxy", "a tunnel with TLS"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> pytest.MonkeyPatch:
    """An environment without proxies, whose certificates are the test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return monkeypatch


def use(proxy: Proxy, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("http_proxy", proxy.url)
    environment.setenv("https_proxy", proxy.url)


def transport(service: Service | None = None, **given: Any) -> Transport:
    base = {} if service is None else {"base_url": service.base_url}
    return Transport(settings(**base | {"max_attempts": 3} | given), Sleeps())


def fail(sender: Transport, call: Call = CREATE) -> errors.MiniMaxError:
    return error_of(lambda: sender.send(call))


def was_unsent(error: errors.MiniMaxError) -> bool:
    return type(error) is errors.MiniMaxUpstreamError and "nothing was sent" in str(error)


@routes
def test_a_create_passes_through_a_proxy(environment: pytest.MonkeyPatch, certificate: Path, route: str) -> None:
    made = answering(response(b'{"imageIds": ["a"]}'))
    with Service(made, certificate if route == "https" else None) as service, Proxy() as proxy:
        use(proxy, environment)
        assert transport(service).send(CREATE) == {"imageIds": ["a"]}
        assert (proxy.passed_on, service.creates) == (1, 1)


@routes
@endings
def test_a_response_that_is_lost_behind_a_proxy_is_one_create(
    environment: pytest.MonkeyPatch, certificate: Path, route: str, ending: Ending
) -> None:
    with Service(silent, certificate if route == "https" else None) as service, Proxy(at_end=ending) as proxy:
        use(proxy, environment)
        assert type(fail(transport(service))) is errors.MiniMaxUnknownOutcomeError
        assert (proxy.passed_on, service.creates) == (1, 1)


@routes
@endings
def test_a_response_that_breaks_off_behind_a_proxy_is_one_create(
    environment: pytest.MonkeyPatch, certificate: Path, route: str, ending: Ending
) -> None:
    def begin(sock: socket.socket, _: object) -> bool:
        sock.sendall(response(b'{"imageIds": ["a"]}')[:-5])
        return False

    with Service(begin, certificate if route == "https" else None) as service, Proxy(at_end=ending) as proxy:
        use(proxy, environment)
        assert type(fail(transport(service))) is errors.MiniMaxUnknownOutcomeError
        assert service.creates == 1


@endings
def test_what_a_forward_proxy_has_read_may_have_been_passed_on(environment: pytest.MonkeyPatch, ending: Ending) -> None:
    with Service(silent) as service, Proxy(at_once=ending) as proxy:
        use(proxy, environment)
        assert type(fail(transport(service))) is errors.MiniMaxUnknownOutcomeError
        assert proxy.accepted == 1


@endings
def test_a_tunnel_that_was_never_there_has_carried_nothing(
    environment: pytest.MonkeyPatch, certificate: Path, ending: Ending
) -> None:
    with Service(silent, certificate) as service, Proxy(at_once=ending) as proxy:
        use(proxy, environment)
        assert was_unsent(fail(transport(service)))
        assert (proxy.accepted, service.accepted) == (3, 0)


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_tunnel_that_is_refused_says_so(environment: pytest.MonkeyPatch, certificate: Path, status: str) -> None:
    with (
        Service(silent, certificate) as service,
        Proxy(at_once=lambda sock: sock.sendall(response(status=status))) as proxy,
    ):
        use(proxy, environment)
        error = fail(transport(service))
        assert was_unsent(error)
        assert f"the proxy refused the tunnel ({status})" in str(error)
        assert (proxy.accepted, service.accepted) == (3, 0)


@pytest.mark.parametrize("at_once", [lambda sock: sock.recv(1), lambda sock: drip(sock)], ids=["silent", "dripping"])
def test_a_proxy_that_never_opens_the_tunnel_has_passed_nothing_on(
    environment: pytest.MonkeyPatch, certificate: Path, at_once: Ending
) -> None:
    with Service(silent, certificate) as service, Proxy(at_once=at_once) as proxy:
        use(proxy, environment)
        assert was_unsent(fail(transport(service, connect_timeout=0.5, read_timeout=0.5, max_attempts=1)))
        assert service.accepted == 0


def drip(sock: socket.socket) -> None:
    stop = 20 * PATIENCE
    sock.settimeout(0.05)
    while stop > 0:
        sock.sendall(b"H")
        try:
            if not sock.recv(1):
                return
        except TimeoutError:
            stop -= 1


@routes
def test_a_proxy_that_is_not_there_has_passed_nothing_on(
    environment: pytest.MonkeyPatch, certificate: Path, route: str
) -> None:
    with Service(silent, certificate if route == "https" else None) as service:
        with Proxy() as gone:
            use(gone, environment)
        error = fail(transport(service))
        assert was_unsent(error)
        assert "the proxy cannot be reached" in str(error)
        assert service.accepted == 0


def test_a_certificate_that_is_not_trusted_ends_it_before_anything_is_sent(
    environment: pytest.MonkeyPatch, certificate: Path
) -> None:
    environment.delenv("REQUESTS_CA_BUNDLE")
    with Service(silent, certificate) as service:
        error = fail(transport(service))
        assert was_unsent(error)
        assert "certificate verify failed" in str(error)
        assert (service.accepted, service.creates) == (3, 0)


@endings
def test_tls_that_breaks_in_the_handshake_has_carried_nothing(ending: Ending) -> None:
    class Breaking(Server):
        def serve(self, sock: socket.socket) -> None:
            sock.recv(1000)
            ending(sock)

    with Breaking() as service:
        assert was_unsent(fail(transport(base_url=f"https://127.0.0.1:{service.port}/v1/minimax")))
        assert service.accepted == 3


def test_tls_with_a_service_that_speaks_none_has_carried_nothing() -> None:
    class Plain(Server):
        def serve(self, sock: socket.socket) -> None:
            sock.recv(1000)
            sock.sendall(response(status="400 Bad Request"))

    with Plain() as service:
        error = fail(transport(base_url=f"https://127.0.0.1:{service.port}/v1/minimax"))
        assert was_unsent(error)
        assert "the TLS connection failed" in str(error)


@pytest.mark.parametrize("route", ["http", "https"])
def test_a_connection_that_was_open_already_may_have_carried_the_create(certificate: Path, route: str) -> None:
    def answer(sock: socket.socket, request: Any) -> bool:
        if request.method == "POST":
            return False
        sock.sendall(response())
        return True

    with Service(answer, certificate if route == "https" else None) as service:
        sender = transport(service)
        sender.send(READ)
        assert type(fail(sender)) is errors.MiniMaxUnknownOutcomeError
        assert (service.accepted, service.creates) == (1, 1)


@pytest.mark.parametrize("location", ["http://[", "http://a..b/", "socks5://x/", "//", "http://\xff:99999/", "/v1"])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_create_that_is_redirected_anywhere_is_one_create(status: str, location: str) -> None:
    with Service(answering(response(status=status, Location=location))) as service:
        error = fail(transport(service))
        assert (type(error), error.status) == (errors.MiniMaxUnknownOutcomeError, int(status[:3]))
        assert service.creates == 1


# What can never be sent


MALFORMED = {
    "SOCKS": ({"http_proxy": "socks5://127.0.0.1:1"}, "pip install PySocks"),
    "no host": ({"http_proxy": "http://:8080"}, "address of the proxy is malformed"),
    "half an IPv6": ({"http_proxy": "http://[::1"}, "its proxy, is malformed"),
    "port too large": ({"http_proxy": "http://127.0.0.1:99999"}, "its proxy, is malformed"),
    "port that is none": ({"http_proxy": "http://127.0.0.1:port"}, "its proxy, is malformed"),
    "scheme": ({"http_proxy": "ftp://127.0.0.1:1"}, "address of the proxy is malformed"),
    "user": ({"http_proxy": "http://me:hunter2\u20ac@127.0.0.1:1"}, "its proxy, is malformed"),
    "empty label": ({"http_proxy": "http://a..b:1"}, "its proxy, is malformed"),
    "long label": ({"http_proxy": f"http://{'a' * 70}:1"}, "its proxy, is malformed"),
    "blank": ({"http_proxy": "no proxy at all"}, "the address of the proxy is malformed"),
}


@pytest.mark.parametrize("call", [CREATE, READ], ids=["a create", "a read"])
@pytest.mark.parametrize(("variables", "words"), MALFORMED.values(), ids=MALFORMED)
def test_a_proxy_that_can_never_be_reached_is_named_and_not_tried_again(
    environment: pytest.MonkeyPatch, variables: dict[str, str], words: str, call: Call
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with Service(silent) as service:
        error = fail(transport(service), call)
        assert type(error) is errors.MiniMaxBadRequestError
        assert (words in str(error), "hunter2" in str(error)) == (True, False)
        assert f"{call.operation} cannot be sent: " in str(error)
        assert "A retry will not help until" in str(error)
        assert service.accepted == 0


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "\u2024"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    error = fail(transport(base_url=f"http://{host}/v1/minimax"))
    assert type(error) is errors.MiniMaxBadRequestError
    assert '"Base URL" of the connection' in str(error)


def test_a_missing_certificate_file_is_named(environment: pytest.MonkeyPatch, certificate: Path) -> None:
    environment.setenv("REQUESTS_CA_BUNDLE", "/missing/bundle.pem")
    with Service(silent, certificate) as service:
        error = fail(transport(service))
        assert type(error) is errors.MiniMaxBadRequestError
        assert "/missing/bundle.pem" in str(error)
        assert "REQUESTS_CA_BUNDLE" in str(error)
        assert service.accepted == 0


def test_a_certificate_file_that_holds_none_is_a_failure_of_tls(
    environment: pytest.MonkeyPatch, certificate: Path, tmp_path: Path
) -> None:
    (tmp_path / "bundle.pem").write_text("no certificate")
    environment.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    with Service(silent, certificate) as service:
        assert was_unsent(fail(transport(service)))
        assert service.creates == 0


def test_a_number_that_json_does_not_know_is_not_sent() -> None:
    with Service(silent) as service:
        error = fail(transport(service), Call("POST", "/images/create", json={"seed": float("nan")}, billable=True))
        assert type(error) is errors.MiniMaxBadRequestError
        assert service.accepted == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": "socks5://127.0.0.1:1"},
        {"http_proxy": "http://a..b:1"},
        {"http_proxy": "http://me:hunter2\u20ac@127.0.0.1:1"},
        {"no_proxy": "[", "http_proxy": "http://127.0.0.1:1"},
    ],
)
def test_the_test_of_a_connection_returns_what_is_wrong(
    environment: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with Service(silent) as service:
        connect(environment, f"http://127.0.0.1:{service.port}", TOKEN)
        is_good, message = MiniMaxHook().test_connection()
        assert not is_good
        assert message
