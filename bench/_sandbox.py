"""The sandbox in a process of its own, driven through its control calls."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

_SERVE = """
import json, sys
from airflow_provider_minimax.sandbox import Sandbox, SandboxConfig
with Sandbox(SandboxConfig(**json.loads(sys.argv[1]))) as sandbox:
    print(sandbox.url, sandbox.token, flush=True)
    sys.stdin.read()
"""


class Service:
    """A running sandbox.

    :param url: where it listens.
    :param token: the token that it accepts.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    @property
    def base_url(self) -> str:
        """What the API's paths are appended to."""
        return f"{self.url}/v1/minimax"

    def connection(self, conn_type: str, **extra: object) -> str:
        """Return an Airflow connection to it, as the environment holds one."""
        return json.dumps({"conn_type": conn_type, "host": self.url, "password": self.token, "extra": extra})

    def create(self, count: int) -> list[str]:
        """Return the ids of so many new images that stay as they are."""
        ids: list[str] = []
        while len(ids) < count:
            body = {"prompt": "bench [hold]", "quantity": min(4, count - len(ids))}
            ids += self._post(f"{self.base_url}/images/create", body)["imageIds"]
        return ids

    def add(self, count: int) -> None:
        """Put so many completed images in front of the others."""
        self._post(f"{self.url}/_sandbox/images", {"count": count})

    def finish(self, job_id: str) -> None:
        """Complete a job."""
        self._post(f"{self.url}/_sandbox/jobs/{job_id}", {"status": 2})

    def fault(self, kind: str) -> None:
        """Respond to every request with a fault until ``clear_faults``."""
        self._post(f"{self.url}/_sandbox/faults", {"kind": kind, "times": 0})

    def clear_faults(self) -> None:
        """Respond normally again."""
        self._session.delete(f"{self.url}/_sandbox/faults", timeout=60).raise_for_status()

    def requests(self) -> int:
        """Return how many requests of the API have come."""
        stats = self._session.get(f"{self.url}/_sandbox/stats", timeout=60).json()
        return sum(count for operation, count in stats["requests"].items() if "_sandbox" not in operation)

    async def quiet_after_a_round(self) -> None:
        """Return when requests have come and no more follow."""
        before = seen = await asyncio.to_thread(self.requests)
        while True:
            await asyncio.sleep(0.3)
            now = await asyncio.to_thread(self.requests)
            if now == seen and now > before:
                return
            seen = now

    def _post(self, url: str, body: dict[str, Any]) -> Any:
        response = self._session.post(url, json=body, timeout=60)
        response.raise_for_status()
        return response.json() if response.content else None


@contextmanager
def sandbox(**config: Any) -> Iterator[Service]:
    """Serve a sandbox from another process, so that it does not compete for this one's interpreter.

    :param config: fields of ``SandboxConfig``.
    """
    command = [sys.executable, "-c", _SERVE, json.dumps(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the sandbox has no output")
        try:
            yield Service(*process.stdout.readline().split())
        finally:
            process.kill()
