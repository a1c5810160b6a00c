"""Networks that work and such that fail, and a connection whose test button is pressed in them."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from tests.unit.api.network import Proxy, Service, answering, make_certificate, response

TOKEN = "user:1234-s3cr3tT0kenValue"
ACCOUNTS = response(b'{"42": {"account": "42"}}')


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


def press_test(net: Network, fields: dict[str, Any]) -> tuple[bool, str]:
    given = {"conn_type": "minimax", "password": TOKEN} | fields
    net.setenv(AIRFLOW_CONN_MINIMAX_DEFAULT=json.dumps(given))
    return MiniMaxHook().test_connection()
