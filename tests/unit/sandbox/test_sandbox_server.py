"""The server: start and stop, statistics, control calls, the command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
from airflow_provider_minimax.sandbox.__main__ import main
from tests.support import TIMEOUT

COMMAND = [sys.executable, "-m", "airflow_provider_minimax.sandbox"]


def control(sandbox, method, path, body=None):
    return requests.request(method, f"{sandbox.url}/_sandbox/{path}", json=body, timeout=10)


def test_it_starts_and_stops_and_frees_its_port():
    threads = set(threading.enumerate())
    with Sandbox() as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        assert host == "127.0.0.1"
        assert requests.get(sandbox.url, timeout=10).status_code == 200
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1).close()
    with Sandbox(port=int(port)) as again:
        assert again.url == sandbox.url


def test_it_stops_fast_while_a_request_hangs():
    with Sandbox() as sandbox:
        sandbox.fail("slow", delay=60)
        came = threading.Event()
        sandbox_ended: list[BaseException] = []

        def ask() -> None:
            came.set()
            try:
                requests.get(f"{sandbox.base_url}/accounts", headers=auth(sandbox), timeout=30)
            except requests.RequestException as error:
                sandbox_ended.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        came.wait(5)
        while not sandbox.stats.count():
            time.sleep(0.005)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    asking.join(5)
    assert len(sandbox_ended) == 1


def auth(sandbox):
    return {"Authorization": f"Bearer {sandbox.token}"}


def test_a_port_in_use_is_an_error(sandbox):
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port)


@pytest.mark.parametrize(
    "options",
    [{"images": -1}, {"accounts": 10}, {"page_cap": 0}, {"token": ""}, {"step_seconds": -1}, {"media_pixels": 0}],
)
def test_a_configuration_that_makes_no_sense(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SandboxConfig(**options)


def test_stats_and_calls(api, sandbox):
    api.get("/images/", params={"limit": 5})
    api.get("/images")
    api.get(f"/images/{sandbox.all_images()[0]['imageId']}")
    api.get("/scheduler/available")
    api.get(f"/accounts/{sandbox.accounts[0]}")
    sandbox.fail("503", "POST /images/create")
    api.post("/images/create", {"prompt": "x"})
    api.post("/images/create", {"prompt": "x", "quantity": 2})
    stats = sandbox.stats
    assert stats.requests == {
        "GET /images/": 2,
        "GET /images/{id}": 1,
        "GET /scheduler/available": 1,
        "GET /accounts/{account}": 1,
        "POST /images/create": 2,
    }
    assert (stats.count(), stats.count("GET /images/"), stats.count("GET /videos/")) == (7, 2, 0)
    assert stats.statuses == {200: 6, 503: 1}
    assert 1 <= stats.peak_requests_per_second <= 7
    assert stats.peak_in_flight == 1
    first, created = sandbox.calls[0], sandbox.calls[5]
    assert (first.operation, first.query, first.status) == ("GET /images/", "limit=5", 200)
    assert (created.fault, created.status) == ("503", 503)
    shown = control(sandbox, "GET", "stats").json()
    assert shown["requests"] == stats.requests
    assert shown["statuses"] == {"200": 6, "503": 1}
    assert len(control(sandbox, "GET", "calls").json()) == 7
    assert sandbox.token not in control(sandbox, "GET", "calls").text
    control(sandbox, "POST", "reset")
    assert sandbox.stats.count() == 0


def test_control_calls_for_faults_and_images(api, sandbox):
    assert control(sandbox, "POST", "faults", {"kind": "429", "operation": "GET /images/"}).status_code == 200
    assert control(sandbox, "POST", "faults", {"fault": "503@GET /images/"}).status_code == 200
    assert [fault["kind"] for fault in control(sandbox, "GET", "faults").json()] == ["429", "503"]
    assert api.get("/images/").status_code == 429
    control(sandbox, "DELETE", "faults")
    assert api.get("/images/").status_code == 200
    for wrong in ({"kind": "418"}, {"kind": "429", "when": 1}, {"fault": "x"}, {}):
        assert control(sandbox, "POST", "faults", wrong).status_code == 400
    arrived = control(sandbox, "POST", "images", {"count": 3}).json()["imageIds"]
    assert [item["imageId"] for item in sandbox.all_images()[:3]] == arrived[::-1]


def test_the_front_page_says_what_it_is(sandbox):
    page = requests.get(sandbox.url, timeout=10)
    assert "stand-in" in page.text
    assert sandbox.base_url in page.text
    assert sandbox.token not in page.text


@pytest.mark.parametrize("path", ["/nowhere", "/images/create/more"])
def test_unknown_paths_are_404_as_in_the_service(api, path):
    response = api.get(path)
    assert (response.status_code, response.json()["code"]) == (404, 404)


def test_responses_are_not_delayed_by_the_network_stack(api, sandbox):
    """Header and body are two writes: without TCP_NODELAY each response would take 40 ms."""
    seconds = []
    for _ in range(20):
        start = time.monotonic()
        api.get("/accounts")
        seconds.append(time.monotonic() - start)
    assert min(seconds[1:]) < 0.03


# The command


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(ending):
    command = [*COMMAND, "--port", "0", "--accounts", "2", "--fault", "503@GET /accounts"]
    environment = os.environ | {"COLUMNS": "80"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    url = next(lines).split()[-1]
    printed = [next(lines) for _ in range(4)]
    assert f'"host": "{url}"' in printed[2]
    headers = {"Authorization": "Bearer user:1000-sandbox-token"}
    statuses = [requests.get(f"{url}/v1/minimax/accounts", headers=headers, timeout=10).status_code for _ in range(2)]
    assert statuses == [503, 200]
    process.send_signal(ending)
    rest, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert "503 GET /v1/minimax/accounts" in rest
    assert "user:1000" not in rest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "loopback only"),
        (["--host", "example.com"], "loopback only"),
        (["--fault", "418"], "unknown fault"),
    ],
)
def test_the_command_refuses(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--images", "-1"], ["--port", "99999"]])
def test_the_command_cannot_start(capsys, arguments):
    assert main(arguments) == 2
    assert "cannot start" in capsys.readouterr().err
