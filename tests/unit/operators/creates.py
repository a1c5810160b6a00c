"""Create operators on the sandbox, for the tests of creates."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.operators import job_wait
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.operators.videos import MiniMaxCreateVideoOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import at_pace
from tests.unit.operators.support import CREATE, Task

KINDS = ("image", "video")


def image(**options: Any) -> MiniMaxCreateImageOperator:
    return _quick(MiniMaxCreateImageOperator, options)


def video(**options: Any) -> MiniMaxCreateVideoOperator:
    return _quick(MiniMaxCreateVideoOperator, options)


def _quick(operator: Any, options: dict[str, Any]) -> Any:
    """Return an operator that polls often, unless told otherwise."""
    made = operator(task_id="create", **{"prompt": "a paper boat", "deferrable": False, **options})
    return made if "poke_interval" in options else at_pace(made, 0.02)


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
