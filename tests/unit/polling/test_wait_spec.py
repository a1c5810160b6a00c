"""What a task waits for, and how it is stored."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.jobs import FINAL_LABELS, check_labels
from airflow_provider_minimax.polling.wait_spec import WaitSpec, check_require

A, B = (f"user:1-minimax:2-image:{name}" for name in "ab")


def test_a_checked_spec_has_full_ids_in_the_order_of_the_task() -> None:
    spec = WaitSpec((f" {B}", A), require="any", accept_statuses=("moderated",))
    assert spec.checked() == replace(spec, ids=(B, A))


@pytest.mark.parametrize(
    ("ids", "options", "words"),
    [
        pytest.param([], {}, "no image id to wait for", id="no ids"),
        pytest.param([A, "5"], {}, "'5' is not a full image id", id="a bare id"),
        pytest.param([A, None], {}, "No image id was given", id="None"),
        pytest.param([A], {"kind": "video"}, "is an id of kind image", id="another kind"),
        pytest.param([A], {"account": "3"}, "belongs to account 2", id="another account"),
        pytest.param([A], {"require": "some"}, "require must be 'all' or 'any', not 'some'", id="unknown word"),
        pytest.param([A], {"accept_statuses": ("queued",)}, "'queued'", id="a status that is not final"),
        pytest.param([A], {"accept_statuses": "failed"}, "a list", id="a string of labels"),
    ],
)
def test_an_invalid_spec_is_refused(ids: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.MiniMaxBadRequestError) as caught:
        WaitSpec(tuple(ids), **options).checked()
    assert words in str(caught.value)


def test_require_and_labels_can_be_checked_on_their_own() -> None:
    labels = check_labels("accept_statuses", ["failed"], FINAL_LABELS)
    assert (check_require("any"), labels) == ("any", frozenset({"failed"}))


def test_a_spec_survives_its_storage() -> None:
    spec = WaitSpec((A, B), deadline=5.0, require="any", accept_statuses=("failed",), silent_fail=True, failures=3)
    assert WaitSpec.from_kwargs(**spec.to_kwargs()) == spec


@pytest.mark.parametrize(("seconds", "is_fresh"), [(-60.0, False), (60.0, True)])
def test_jobs_are_fresh_until_a_moment(seconds: float, is_fresh: bool) -> None:
    assert WaitSpec((A,), fresh_until=time.time() + seconds).is_fresh() is is_fresh
