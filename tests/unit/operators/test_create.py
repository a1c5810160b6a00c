"""One create: its inputs, its result, and how it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.client import MiniMaxClient
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
)
from airflow_provider_minimax.sandbox import Sandbox
from airflow_provider_minimax.submission.record_store import KEY
from tests.support import ROOT
from tests.unit.operators.creates import KINDS, image, jobs, made, make, posts, video
from tests.unit.operators.support import CREATE, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

# One create


@pytest.mark.parametrize("quantity", [1, 4])
def test_images_are_created_and_waited_for(sandbox: Sandbox, quantity: int) -> None:
    found = Task().run(image(quantity=quantity, aspect_ratio="1:1"))
    assert len(found) == quantity
    assert {row["statusLabel"] for row in found} == {"completed"}
    assert {row["aspectRatio"] for row in found} == {"1:1"}
    assert posts(sandbox, "image") == 1


def test_a_video_is_created_and_waited_for(sandbox: Sandbox) -> None:
    found = Task().run(video())
    assert found["videoId"].startswith("user:")
    assert found["statusLabel"] == "completed"
    assert found["url"]
    assert posts(sandbox, "video") == 1


def test_without_waiting_the_ids_are_returned(sandbox: Sandbox) -> None:
    ids = Task().run(image(quantity=2, wait_for_completion=False))
    assert ids == [row["imageId"] for row in reversed(sandbox.all_images()[:2])]
    found = Task().run(video(wait_for_completion=False))
    assert found["videoId"].startswith("user:")
    assert not found["statusFinal"]


def test_the_file_id_of_an_image_becomes_a_video_on_its_account(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    second = sandbox.accounts[1]
    (picture,) = Task().run(image(account=second))
    found = Task().run(video(file_id=picture["fileID"]))
    assert f"minimax:{second}-" in found["videoId"]


def test_a_file_of_one_account_never_reaches_another(sandbox: Sandbox) -> None:
    sandbox.reset(replace(sandbox.config, accounts=2))
    first, second = sandbox.accounts
    (picture,) = Task().run(image(account=first))
    before = sandbox.stats.count()
    with pytest.raises(errors.MiniMaxBadRequestError, match=f"belongs to account {first}"):
        Task().run(video(file_id=picture["fileID"], account=second))
    assert sandbox.stats.count() == before


def test_require_any_returns_what_is_completed(sandbox: Sandbox) -> None:
    found = Task().run(image(prompt="a boat [moderate:5:1] [fail:2]", quantity=3, require="any"))
    assert len(found) == 1
    with pytest.raises(errors.MiniMaxJobFailedError):
        Task().run(image(prompt="a boat [moderate:5:1] [fail:2]", quantity=3))
    with pytest.raises(errors.MiniMaxModeratedError):
        Task().run(image(prompt="a boat [moderate]", quantity=3, require="any"))


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_error_of_a_moderated_job_says_what_to_do(sandbox: Sandbox, kind: str, deferrable: bool) -> None:
    operator, task = make(kind, prompt="a boat [moderate]", deferrable=deferrable), Task()

    def wait() -> None:
        if deferrable:
            event = asyncio.run(anext(task.deferral(operator).trigger.run()))
            operator.execute_complete(task.context(), event.payload)
        task.run(operator)

    with pytest.raises(errors.MiniMaxModeratedError) as caught:
        wait()
    message = str(caught.value)
    assert message.startswith("Moderated (status ")
    assert f": {task.store.get(KEY)['ids'][0]}, prompt 'a boat [moderate]'. " in message
    assert message.endswith("Change the prompt and clear the task.")


def test_fewer_images_than_requested(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MiniMaxClient.submit
    monkeypatch.setattr(MiniMaxClient, "submit", lambda *args: real(*args)[:2])
    assert len(Task().run(image(quantity=4, require="any"))) == 2
    task = Task()
    for _ in range(2):
        with pytest.raises(errors.MiniMaxJobFailedError, match=r"4 images were requested.*only these: user:"):
            task.run(image(quantity=4))
    assert posts(sandbox, "image") == 2


def test_the_replies_pass_through(sandbox: Sandbox) -> None:
    Task().run(video(prompt="a boat [hold]", reply_ref="mine", reply_url="https://r", wait_for_completion=False))
    (running,) = [entry for entry in sandbox_running(sandbox) if entry.get("replyRef") == "mine"]
    assert running["replyUrl"] == "https://r"


def sandbox_running(sandbox: Sandbox) -> list[dict[str, Any]]:
    from airflow_provider_minimax.hooks.minimax import MiniMaxHook

    return MiniMaxHook().get_conn().list_running()


def test_a_time_out_says_what_becomes_of_the_job(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"user:.*continues at the service and is billed"):
        Task().run(image(prompt="a boat [stuck]", timeout=0.1))


def test_a_normalised_word_is_sent_and_is_the_same_input(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    real = MiniMaxClient.submit

    def submit(client: MiniMaxClient, kind: Any, body: Any) -> list[str]:
        sent.append(body["resolution"])
        return real(client, kind, body)

    monkeypatch.setattr(MiniMaxClient, "submit", submit)
    task = Task()
    first = task.run(video(model="Seedance-2.0", resolution="4k"))
    assert task.run(video(model="Seedance-2.0", resolution="4K")) == first
    assert sent == ["4K"]


# Inputs


@pytest.mark.parametrize(
    "build",
    [
        lambda: image(on_unknown_outcome="shrug"),
        lambda: image(require="some"),
        lambda: image(timeout=0),
        lambda: video(poke_interval="often"),
    ],
)
def test_constants_are_checked_when_the_dag_is_read(build: Callable[[], object]) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError):
        build()


def test_how_long_a_wait_is_follows_from_what_is_made() -> None:
    waits = [image(poke_interval=None), video(poke_interval=None), video(timeout=timedelta(hours=2))]
    assert [(wait.poke_interval, wait.timeout) for wait in waits] == [(10.0, 1800.0), (30.0, 3600.0), (0.02, 7200.0)]


@pytest.mark.parametrize(
    "build",
    [
        lambda: image(prompt=""),
        lambda: image(quantity=5),
        lambda: image(quality="low"),
        lambda: image(aspect_ratio="3:2"),
        lambda: video(prompt=None),
        lambda: video(model="Seedance-2.0", duration=30),
        lambda: video(file_id="12345"),
        lambda: video(file_id=""),
        lambda: video(prompt="None"),
        lambda: image(model="None"),
        lambda: image(account="None"),
        lambda: video(max_jobs=11),
        lambda: video(reference_file_ids=["user:1-minimax:2-file:3"], model="Veo-3.1-S2V"),
    ],
)
def test_templates_are_checked_before_anything_is_sent(sandbox: Sandbox, build: Callable[[], Any]) -> None:
    task = Task()
    with pytest.raises(errors.MiniMaxBadRequestError):
        task.run(build())
    assert not sandbox.calls
    assert task.store.values == {}


def test_what_templates_render_to_is_read(sandbox: Sandbox) -> None:
    pictures = Task().run(image(prompt=1984, quantity="2"))
    assert [picture["desc"] for picture in pictures] == ["1984", "1984"]
    found = Task().run(video(model="Seedance-2.0", duration="5", resolution="4k", prompt_optimization="False"))
    assert found["statusLabel"] == "completed"
    first, second = (picture["fileID"] for picture in pictures)
    found = Task().run(video(model="Veo-3.1-S2V", prompt=None, file_id=first, reference_file_ids=str([second])))
    assert found["statusLabel"] == "completed"
    assert found["desc"] == ""


# Refusals


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "error", "final"),
    [
        ("400", errors.MiniMaxBadRequestError, True),
        ("401", errors.MiniMaxAuthError, True),
        ("402", errors.MiniMaxAuthError, True),
        ("403", errors.MiniMaxAuthError, True),
        ("412", errors.MiniMaxOutOfCreditsError, True),
        ("422", errors.MiniMaxModeratedError, True),
        ("596", errors.MiniMaxAccountOnHoldError, False),
    ],
)
def test_a_refusal_has_its_error_and_the_next_attempt_creates(
    sandbox: Sandbox, kind: str, fault: str, error: type[Exception], final: bool
) -> None:
    task = Task()
    sandbox.fail(fault, CREATE[kind])
    with pytest.raises(error) as raised:
        task.run(make(kind))
    assert isinstance(raised.value, AirflowFailException) is final
    assert posts(sandbox, kind) == 1
    assert jobs(task.run(make(kind)))
    assert made(sandbox, kind) == 1


# The table of the docs

POSTS = [
    ("400", 1), ("401", 1), ("402", 1), ("403", 1), ("412", 1), ("422", 1), ("429", 5),
    ("500", 1), ("502", 1), ("503", 1), ("504", 1), ("596", 1), ("reset", 1),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fault", "count"), POSTS)
def test_how_many_creates_one_attempt_sends(sandbox: Sandbox, kind: str, fault: str, count: int) -> None:
    sandbox.fail(fault, CREATE[kind], times=0)
    with pytest.raises((errors.MiniMaxError, AirflowRescheduleException)):
        Task().run(make(kind))
    assert posts(sandbox, kind) == count
    assert made(sandbox, kind) == 0


def test_the_table_says_so() -> None:
    page = (ROOT / "docs" / "creating.md").read_text(encoding="utf-8")
    for status, count in POSTS:
        if status.isdigit():
            row = next(line for line in page.splitlines() if line.startswith(f"| {status} |"))
            assert row.split("|")[2].strip().split()[0] == str(count)
