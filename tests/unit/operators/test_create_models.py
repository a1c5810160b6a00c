"""A lost create of each model: adopted under each name that is known to be its own, never taken from a stranger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.models import MODELS
from airflow_provider_minimax.sandbox import Sandbox
from tests.unit.operators.creates import image, jobs, made, posts
from tests.unit.operators.support import IMAGES, Task

pytestmark = pytest.mark.usefixtures("fast_creates")

POLICIES = ("fail", "resubmit")


@pytest.fixture(params=[True, False], ids=["upstream-names", "plain-names"])
def listed(sandbox: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    """Jobs end at once, so that the scheduler does not show them."""
    sandbox.reset(replace(sandbox.config, step_seconds=0.0, upstream_model_names=request.param))
    return sandbox


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("model", MODELS["image"])
def test_a_lost_create_of_each_model_is_sent_once(listed: Sandbox, model: str, policy: str) -> None:
    listed.fail("accepted-504", IMAGES)
    found = Task().run(image(model=model, on_unknown_outcome=policy))
    assert posts(listed, "image") == 1
    assert len(jobs(found)) == made(listed, "image") == (MODELS["image"][model].batch or 1)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("stranger", [model for model in MODELS["image"] if model != "seedream-5.0"])
def test_the_batch_of_a_known_other_model_is_never_adopted(listed: Sandbox, stranger: str, policy: str) -> None:
    theirs = arrives_with_the_create(listed, stranger)
    listed.fail("accepted-504", IMAGES)
    found = jobs(Task().run(image(model="seedream-5.0", on_unknown_outcome=policy)))
    assert posts(listed, "image") == 1
    assert not set(found) & set(theirs)


def test_it_is_not_adopted_when_the_create_made_nothing(listed: Sandbox) -> None:
    theirs = arrives_with_the_create(listed, "nano-banana-pro")
    listed.fail("504", IMAGES)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="Its job was not found") as raised:
        Task().run(image(model="seedream-5.0"))
    assert not any(one in str(raised.value) for one in theirs)


@pytest.mark.parametrize("model", ["from-tomorrow", "seedream-5.0"])
def test_a_batch_under_an_unknown_name_is_ambiguous(listed: Sandbox, model: str) -> None:
    theirs = arrives_with_the_create(listed, "from-yesterday")
    listed.fail("accepted-504", IMAGES)
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="is ambiguous, so none is adopted") as raised:
        Task().run(image(model=model))
    assert theirs[0] in str(raised.value)
    assert posts(listed, "image") == 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("outcome", ["504", "accepted-504"])
def test_one_batch_under_an_unknown_name_is_neither_adopted_nor_paid_again(
    listed: Sandbox, outcome: str, policy: str
) -> None:
    """It is ours, of a model that the service has renamed, or a stranger's: nothing tells."""
    theirs = arrives_with_the_create(listed, "from-yesterday") if outcome == "504" else []
    listed.reset(replace(listed.config, renamed_models={"seedream-5.0": "seedream_v5"}))
    listed.fail(outcome, IMAGES)
    task = Task()
    for _ in range(2):
        with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="is ambiguous, so none is adopted") as raised:
            task.run(image(model="seedream-5.0", on_unknown_outcome=policy))
        assert all(one in str(raised.value) for one in theirs)
    assert posts(listed, "image") == 1
    assert not task.xcoms


def test_a_running_job_of_a_renamed_model_is_adopted(listed: Sandbox) -> None:
    listed.reset(replace(listed.config, step_seconds=0.5, renamed_models={"seedream-5.0": "seedream_v5"}))
    listed.fail("accepted-504", IMAGES)
    (found,) = Task().run(image(model="seedream-5.0"))
    assert (found["modelID"], posts(listed, "image")) == ("seedream_v5", 1)


def test_a_job_that_is_listed_late_makes_an_unknown_name_ambiguous(listed: Sandbox) -> None:
    theirs = arrives_with_the_create(listed, "from-yesterday")
    listed.fail("504", IMAGES)
    start = listed.on_call
    ours: list[str] = []

    def list_late(call: Any, seconds: float) -> None:
        assert start is not None
        start(call, seconds)
        # After the first search: the scheduler is read twice in each.
        if call.operation == "GET /scheduler/" and theirs and listed.stats.count("GET /scheduler/") == 2:
            ours.extend(listed.create_image("a paper boat", model="seedream-5.0"))

    listed.on_call = list_late
    with pytest.raises(errors.MiniMaxUnknownOutcomeError, match="is ambiguous, so none is adopted") as raised:
        Task().run(image(model="seedream-5.0"))
    assert len(ours) == len(theirs) == 1
    assert all(one in str(raised.value) for one in (*theirs, *ours))


def arrives_with_the_create(sandbox: Sandbox, model: str) -> list[str]:
    """Let a stranger's batch of the same prompt and size start just before the next create."""
    theirs: list[str] = []

    def start(call: Any, _: float) -> None:
        if call.operation == "GET /images/" and not theirs:
            theirs.extend(sandbox.create_image("a paper boat", model=model))

    sandbox.on_call = start
    return theirs
