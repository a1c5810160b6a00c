"""What the test button reaches, and over which proxy and with which certificates: over real sockets."""

from __future__ import annotations

import socket

import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from tests.unit.api.network import Proxy, Service, answering
from tests.unit.hooks.networks import (
    ACCOUNTS,
    TOKEN,
    Network,
    ca_of_somebody_else,
    press_test,
    proxied_by_field,
    trusting_field,
)


class IPv6Service(Service):
    """A service on the loopback address of IPv6."""

    def __init__(self) -> None:
        super().__init__(answering(ACCOUNTS))
        self._listener.close()
        self._listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.port = self._listener.getsockname()[1]


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


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
