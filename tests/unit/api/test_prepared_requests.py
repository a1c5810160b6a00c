"""The request that a transport keeps for the pages of a list: it leaks nothing into another one."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from requests_mock import Mocker

from airflow_provider_minimax.api.settings import Settings
from airflow_provider_minimax.api.transport import Call, Transport
from tests.unit.operators.test_killed_files import serving

BASE = "https://api.example/v1/minimax"
PAGE = Call("GET", "/images/", params={"limit": 2})


def test_a_page_after_a_create_has_no_body_of_it(requests_mock: Mocker) -> None:
    requests_mock.register_uri("GET", f"{BASE}/images/", json={})
    requests_mock.register_uri("POST", f"{BASE}/images/create", json={})
    transport = Transport(Settings("user:1-secret", BASE))
    for call in (PAGE, Call("POST", "/images/create", json={"prompt": "a boat"}, billable=True), PAGE):
        transport.send(call)
    sent = [(one.method, one.url, one.body) for one in requests_mock.request_history]
    page = ("GET", f"{BASE}/images/?limit=2", None)
    assert sent == [page, ("POST", f"{BASE}/images/create", b'{"prompt": "a boat"}'), page]


def test_cookies_are_sent_back_to_the_service() -> None:
    sent: list[str | None] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        sent.append(request.headers["Cookie"])
        request.send_response(200)
        request.send_header("Set-Cookie", "node=1; Path=/")
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")

    with serving(respond) as url:
        transport = Transport(Settings("user:1-secret", url))
        transport.send(PAGE)
        transport.send(PAGE)
    assert sent == [None, "node=1"]
