"""Create operators on the sandbox, for the tests of creates."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.operators import job_wait
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.support import CREATE, Task

KINDS = ("image", "video")


def image(**options: Any) -> MiniMaxCreateImageOperator:
    given = {"prompt": "a paper boat", "poke_interval": 0.02, "deferrable": False} | options
    return MiniMaxCreateImageOperator(task_id="create", **given)


def video(**options: Any) -> MiniMaxCreateVideoOperator:
    given = {"prompt": "a paper boat", "poke_interval": 0.02, "deferrable": False} | options
    return MiniMaxCreateVideoOperator(task_id="create", **given)


def make(kind: str, **options: Any) -> Any:
    return image(**options) if kind == "image" else video(**options)


def jobs(found: Any) -> list[str]:
    rows = found if isinstance(found, list) else [found]
    return [row["imageId"] if "imageId" in row else row["videoId"] for row in rows]


def posts(sandbox: Sandbox, kind: str) -> int:
    return sandbox.stats.count(CREATE[kind])


def made(sandbox: Sandbox, kind: str) -> int:
    return sandbox.stats.creates[f"{kind}s"]


def lose_worker(monkeypatch: pytest.MonkeyPatch, task: Task, operator: Any) -> None:
    """Run an attempt whose process ends when it begins to wait, as far as code that only sees exceptions can tell."""

    def dying(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job_wait.JobWait, "wait_until", dying)
        with pytest.raises(KeyboardInterrupt):
            task.run(operator)
