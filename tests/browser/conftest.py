"""A browser, steered over its debugging protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from airflow_provider_minimax.sandbox import Sandbox
from scripts.running_airflow import RunningAirflow

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--lang=en-GB"),
    "--remote-debugging-port=0",
)
_TIMEOUT = 30.0


class Tab:
    """A page in the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0
        #: Requests of the page, and its errors.
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=_TIMEOUT))
            if message.get("id") == self._calls:
                if "error" in message:
                    raise RuntimeError(message["error"])
                return message["result"]
            self._record(message["method"], message["params"])

    def _record(self, event: str, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif event == "Log.entryAdded" and params["entry"]["source"] in ("security", "javascript"):
            self.complaints.append(params["entry"]["text"])

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def size(self, width: int, height: int, *, is_phone: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def dark(self) -> None:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def run(self, script: str) -> Any:
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def until(self, script: str, *, seconds: float = _TIMEOUT) -> None:
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"it never came to this: {script}"
            time.sleep(0.02)

    def press(self, key: str, text: str = "") -> None:
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}
        more = {"text": text} if text else {}
        code = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **more, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Save what is to be seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@pytest.fixture(scope="session")
def airflow(_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """A running Airflow with the DAGs of these tests."""
    connection = {"conn_type": "minimax", "host": _server.url, "password": _server.token}
    variables = {"AIRFLOW_CONN_MINIMAX_DEFAULT": json.dumps(connection)}
    folder = Path(__file__).parent / "dag_files"
    with RunningAirflow(tmp_path_factory.mktemp("airflow"), dags=folder, variables=variables) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    named = os.environ.get("CHROMIUM")
    program = shutil.which(named) if named else next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        looked_for = f"CHROMIUM={named}" if named else f"Looked for {', '.join(_NAMES)}"
        pytest.exit(
            f"The browser tests need Chromium or Chrome, and there is none. {looked_for}. Install Chromium, or name "
            "the program: make browser CHROMIUM=/path/to/it",
            returncode=2,
        )
    profile = tmp_path_factory.mktemp("profile")
    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        port, end = profile / "DevToolsActivePort", time.monotonic() + _TIMEOUT
        while not (port.exists() and port.read_text()):
            assert process.poll() is None, f"{program} ended with {process.returncode}"
            assert time.monotonic() < end, f"{program} does not listen"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port.read_text().split()[0]}/json"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def tab(_browser: str) -> Iterator[Tab]:
    request = urllib.request.Request(f"{_browser}/new?about:blank", method="PUT")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        target = json.load(response)
    with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
        tab = Tab(socket)
        tab.size(1400, 1000)
        yield tab
        tab.call("Page.close")
