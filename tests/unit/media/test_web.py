"""Reading from addresses that are not trusted: whole or not at all, and not from a private network unless allowed."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.media.filenames import MediaError, TransientMediaError
from airflow_provider_minimax.media.web import WebReader, refuse_private
from tests.unit.api.network import Answer, Proxy, Service, answering, make_certificate, response

BODY = b"x" * 100_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))


def read(url: str, **options: Any) -> bytes:
    settings = Settings("user:1-secret", "https://api", connect_timeout=5, read_timeout=5, max_attempts=3)
    given: dict[str, Any] = {"max_bytes": 10**6, "max_seconds": 30.0, "check": lambda: None, "sleep": lambda _: None}
    return WebReader(settings, ("https",), **given | options).read(url, "The picture", b"".join)


def test_a_file_is_read_whole(certificate: Path) -> None:
    with Service(answering(response(BODY)), certificate) as service:
        assert read(f"{service.base_url}/a.png?signature=1") == BODY
    assert [request.target for request in service.received] == ["/v1/minimax/a.png?signature=1"]


def replies(*responses: bytes) -> Answer:
    """Answer with each of these in turn."""
    left = list(responses)

    def answer(sock: socket.socket, _: object) -> bool:
        sock.sendall(left.pop(0))
        # A body that ends too early ends with its connection.
        return False

    return answer


def test_attempts_are_logged_as_those_of_a_page_are(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    failures = (response(status="503 Busy"), response(BODY)[:-1])
    with caplog.at_level(logging.WARNING), Service(replies(*failures, response(BODY)), certificate) as service:
        assert read(f"{service.base_url}/a.png?signature=secret") == BODY
    first, second = (record.getMessage() for record in caplog.records if "Attempt" in record.getMessage())
    assert first.startswith("The picture was not fetched: status code 503. Attempt 2 of 3 in ")
    assert second.startswith("The picture was not fetched: the connection broke (")
    assert "Attempt 3 of 3 in " in second
    assert "secret" not in caplog.text


def test_a_failure_that_lasts_is_told_from_one_that_may_pass(certificate: Path) -> None:
    with Service(answering(response(status="503 Busy")), certificate) as service:
        with pytest.raises(TransientMediaError, match="status code 503"):
            read(service.base_url)
        assert len(service.received) == 3
    with Service(answering(response(status="404 Not Found")), certificate) as service:
        with pytest.raises(MediaError, match="status code 404") as caught:
            read(service.base_url)
        assert not isinstance(caught.value, TransientMediaError)
        assert len(service.received) == 1


@pytest.mark.parametrize("head", [b"Content-Length: 2000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_file_is_bounded_whether_it_says_so_or_not(certificate: Path, head: bytes) -> None:
    sent = []

    def endless(sock: socket.socket, _: object) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        chunk = b"x" * 2**16
        for number in range(1_000):
            sent.append(number)
            sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk) if b"chunked" in head else chunk)
        return False

    with (
        Service(endless, certificate) as service,
        pytest.raises(MediaError, match="too large: more than 1,000,000 bytes"),
    ):
        read(service.base_url)
    assert len(sent) < 500, "no more than what fits into the buffers of a connection"


# Private networks


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_an_address_that_is_not_public_is_refused(ip: str) -> None:
    with pytest.raises(MediaError, match=r"somewhere is at .* in a private network or on this machine") as caught:
        refuse_private("somewhere", ip)
    assert "allow_private_addresses=True" in str(caught.value)
    assert not isinstance(caught.value, TransientMediaError)


@pytest.mark.parametrize("ip", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_not(ip: str) -> None:
    refuse_private("somewhere", ip)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_under_all_its_names(certificate: Path, host: str) -> None:
    with Service(answering(response(BODY)), certificate) as service:
        with pytest.raises(MediaError, match="in a private network or on this machine"):
            read(f"https://{host}:{service.port}/", public_only=True)
        assert service.accepted == 0


def test_a_name_that_resolves_elsewhere_when_it_is_connected_to_gets_no_request(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = socket.getaddrinfo, list[str]()

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host != "127.0.0.1":
            return real(host, port, *args, **options)
        asked.append(host)
        return real("8.8.8.8" if len(asked) == 1 else host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        Service(answering(response(BODY)), certificate) as service,
        pytest.raises(MediaError, match=r"127\.0\.0\.1 is at 127\.0\.0\.1, in a private network"),
    ):
        read(f"https://127.0.0.1:{service.port}/", public_only=True)
    assert (len(asked), service.accepted, service.received) == (2, 1, [])


def test_a_proxy_may_be_in_the_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the administrator's, and it decides what it connects to. The name is unknown here."""
    with Proxy(at_once=lambda sock: sock.sendall(response(status="502 Bad Gateway"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(TransientMediaError, match=r"no response from picture\.invalid \(ProxyError\)"):
            read("https://picture.invalid/", public_only=True)
        assert proxy.accepted == 3


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/x", "file:///etc/passwd", "https://169.254.169.254/latest/meta-data"]
)
def test_a_redirect_is_checked_as_the_address_is(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """The first address passes for a public one."""
    monkeypatch.setattr(
        "airflow_provider_minimax.media.web.refuse_private",
        lambda host, ip: None if ip == "127.0.0.1" else refuse_private(host, ip),
    )
    with Service(answering(response(status="302 Found", Location=target)), certificate) as service:
        with pytest.raises(MediaError, match=r"the address is|in a private network"):
            read(service.base_url, public_only=True)
        assert len(service.received) == 1


def test_a_check_that_raises_ends_the_reading_between_two_pieces(certificate: Path) -> None:
    class StoppedError(Exception):
        pass

    checks = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 3:
            raise StoppedError

    with Service(answering(response(BODY)), certificate) as service, pytest.raises(StoppedError):
        read(service.base_url, check=check)
