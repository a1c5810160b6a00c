"""The wait of an operator in its worker."""

from __future__ import annotations

import time

import pytest

from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.operators.job_wait import JobWait
from airflow_provider_minimax.sandbox import Sandbox


class KilledError(Exception):
    """The error of a check after a user ended the task."""


def test_a_sleeping_wait_ends_when_its_check_raises(sandbox: Sandbox) -> None:
    """The next poll would come in an hour."""
    (image_id,) = sandbox.create_image("a lamp [stuck]")
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise KilledError

    wait = JobWait("image", [image_id], "all", MiniMaxHook(), created=time.time(), interval=3600.0)
    with pytest.raises(KilledError):
        wait.wait_until(time.time() + 36_000, check)
    assert sandbox.stats.count("GET /images/{id}") == 1
