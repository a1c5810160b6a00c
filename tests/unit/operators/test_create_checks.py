"""``check_inputs``: what a model is documented not to take is refused, or sent all the same."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxUnknownOutcomeError
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import connect
from tests.unit.operators.creates import image, jobs, posts, video
from tests.unit.operators.support import IMAGES, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

DOUBTFUL = {"model": "seedream-5.0", "resolution": "4K"}
REFUSED = r"Model seedream-5.0: resolution is one of 2K, 3K, not '4K'.*check_inputs='warn'"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of creates."""
    bodies: list[dict[str, Any]] = []
    real = MiniMaxClient.submit

    def submit(client: MiniMaxClient, kind: Any, body: Any) -> list[str]:
        bodies.append(body)
        return real(client, kind, body)

    monkeypatch.setattr(MiniMaxClient, "submit", submit)
    return bodies


def test_strict_refuses_and_names_the_switch(sandbox: Sandbox) -> None:
    for options in ({}, {"check_inputs": "strict"}):
        with pytest.raises(MiniMaxBadRequestError, match=REFUSED):
            Task().run(image(**DOUBTFUL, **options))
    assert posts(sandbox, "image") == 0


def test_warn_says_what_is_doubtful_and_sends_it(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, sent: list[dict[str, Any]]
) -> None:
    assert jobs(Task().run(image(**DOUBTFUL, check_inputs="warn")))
    assert "resolution is one of 2K, 3K, not '4K'" in caplog.text
    assert (posts(sandbox, "image"), sent[0]["resolution"]) == (1, "4K")


def test_off_sends_it_and_says_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, sent: list[dict[str, Any]]
) -> None:
    task = Task()
    assert jobs(task.run(video(model="Sora-2", options="1080p-30sec", duration=30, check_inputs="off")))
    assert "1080p-30sec" not in caplog.text
    assert (posts(sandbox, "video"), sent[0]["options"], sent[0]["duration"]) == (1, "1080p-30sec", 30)


@pytest.mark.parametrize(
    ("own", "extra", "configured"), [("warn", "strict", "strict"), (None, "warn", "strict"), (None, None, "warn")]
)
def test_the_task_wins_over_the_connection_and_that_over_the_configuration(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own: str | None, extra: str | None, configured: str
) -> None:
    monkeypatch.setenv("AIRFLOW__MINIMAX__CHECK_INPUTS", configured)
    connect(monkeypatch, sandbox.url, sandbox.token, check_inputs=extra)
    assert jobs(Task().run(image(**DOUBTFUL, check_inputs=own)))


def test_the_hook_checks_as_its_connection_says(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=REFUSED):
        MiniMaxHook().create_image("a paper boat", **DOUBTFUL)
    connect(monkeypatch, sandbox.url, sandbox.token, check_inputs="off")
    assert MiniMaxHook().create_image("a paper boat", **DOUBTFUL)
    assert posts(sandbox, "image") == 1


@pytest.mark.parametrize("value", ["", "None", "never", "strict "])
def test_a_rendered_word_is_read_or_refused_by_name(sandbox: Sandbox, value: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="check_inputs"):
        Task().run(image(**DOUBTFUL, check_inputs=value))
    assert posts(sandbox, "image") == 0
    assert "check_inputs" in image().template_fields


def test_a_job_that_there_is_is_resumed_however_inputs_are_checked_by_now(sandbox: Sandbox) -> None:
    task = Task()
    first = jobs(task.run(image(**DOUBTFUL, check_inputs="warn")))
    assert jobs(task.run(image(**DOUBTFUL, check_inputs="strict"))) == first
    assert posts(sandbox, "image") == 1


def test_a_lost_create_is_recovered_however_inputs_are_checked_by_now(sandbox: Sandbox) -> None:
    task = Task()
    sandbox.fail("accepted-504", IMAGES)
    sandbox.fail("401", "GET /scheduler/")
    with pytest.raises(MiniMaxUnknownOutcomeError):
        task.run(image(**DOUBTFUL, check_inputs="warn"))
    assert jobs(task.run(image(**DOUBTFUL, check_inputs="strict")))
    assert posts(sandbox, "image") == 1
