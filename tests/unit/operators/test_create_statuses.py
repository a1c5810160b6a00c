"""Jobs that end, or wait, in a status that is not documented."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_minimax.api.errors import MiniMaxJobFailedError
from airflow_provider_minimax.compat import AirflowSensorTimeout
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.creates import KINDS, jobs, make, posts
from tests.unit.operators.support import Task

pytestmark = pytest.mark.usefixtures("fast_creates")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["fail", "resubmit"])
def test_an_unknown_final_status_fails_and_a_retry_submits_nothing(sandbox: Sandbox, kind: str, policy: str) -> None:
    task, operator = Task(), make(kind, prompt="a boat [status:9]", on_unknown_outcome=policy)
    with pytest.raises(MiniMaxJobFailedError, match=r"unknown final status 9 .*user:.*look at it at the service"):
        task.run(operator)
    for _ in range(2):
        with pytest.raises(MiniMaxJobFailedError, match=r"status 9 .*so no other is submitted.*clear the task"):
            task.run(operator)
    assert posts(sandbox, kind) == 1
    task.clear()
    with pytest.raises(MiniMaxJobFailedError, match="unknown final status 9"):
        task.run(operator)
    assert posts(sandbox, kind) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_approved_appeal_with_a_file_is_a_success(sandbox: Sandbox, kind: str) -> None:
    result = Task().run(make(kind, prompt="a boat [status:10]"))
    rows = result if isinstance(result, list) else [result]
    assert [(row["status"], bool(row["url"])) for row in rows] == [(10, True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [6, 8, 16])
def test_a_review_is_waited_for(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, kind: str, status: int) -> None:
    sandbox.reset(replace(sandbox.config, step_seconds=0.0))
    task, prompt = Task(), f"a boat [status:{status}]"
    with pytest.raises(AirflowSensorTimeout):
        task.run(make(kind, prompt=prompt, timeout=0.1))
    assert f"unknown ({status}), probably " in caplog.text
    job = sandbox.all_images()[0]["imageId"] if kind == "image" else None
    if job is not None:
        sandbox.finish(job)
        assert jobs(task.run(make(kind, prompt=prompt))) == [job]
    assert posts(sandbox, kind) == 1
