"""The sandbox as a process of its own, steered through its control calls while waits run against it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import requests

_API = "/v1/minimax"


class SandboxProcess:
    """Starts the sandbox, defines the connection ``minimax_default`` to it, and ends it."""

    def __init__(self, *, images: int, page_cap: int = 100) -> None:
        self._config = {"images": images, "page_cap": page_cap}
        self.token = "user:1000-sandbox-token"
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self._config.items()]
        command = [sys.executable, "-m", "airflow_provider_minimax.sandbox", "--port=0", "--quiet", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = next(line for line in self._process.stdout if "http://" in line).split("http://")[1].split()[0]
        self.url = f"http://{self.url.rstrip('/')}"
        os.environ["AIRFLOW_CONN_MINIMAX_DEFAULT"] = json.dumps(
            {"conn_type": "minimax", "host": self.url, "password": self.token}
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def create(self, count: int) -> list[str]:
        """Return the ids of so many new images that stay as they are."""
        ids: list[str] = []
        while len(ids) < count:
            body = {"prompt": "bench [hold]", "quantity": min(4, count - len(ids))}
            ids += self._post(f"{_API}/images/create", body)["imageIds"]
        return ids

    def finish(self, job_id: str) -> None:
        """Complete a job."""
        self._post(f"/_sandbox/jobs/{job_id}", {"status": 2})

    def fault(self, kind: str) -> None:
        """Answer every request with a fault, until further notice."""
        self._post("/_sandbox/faults", {"kind": kind, "times": 0})

    def clear_faults(self) -> None:
        """Answer properly again."""
        self._session.delete(f"{self.url}/_sandbox/faults", timeout=30).raise_for_status()

    def requests(self) -> int:
        """Return how many requests of the API have come."""
        stats = self._session.get(f"{self.url}/_sandbox/stats", timeout=30).json()
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

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self._session.post(self.url + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None
