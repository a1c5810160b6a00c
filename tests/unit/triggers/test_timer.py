"""The trigger that waits until a moment."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from airflow_provider_minimax.triggers.timer import MiniMaxTimerTrigger
from tests.unit.triggers.support import deserialize, serialize


async def fire(trigger: MiniMaxTimerTrigger) -> Any:
    return [event.payload async for event in trigger.run()]


def test_it_fires_at_the_moment_with_its_payload() -> None:
    begun = time.time()
    assert asyncio.run(fire(MiniMaxTimerTrigger(begun + 0.1, {"since": 5.0}))) == [{"since": 5.0}]
    assert time.time() - begun >= 0.1


def test_a_moment_in_the_past_fires_at_once() -> None:
    assert asyncio.run(asyncio.wait_for(fire(MiniMaxTimerTrigger(0.0)), 60)) == [{}]


def test_it_survives_its_storage() -> None:
    path, kwargs = MiniMaxTimerTrigger(1.5, {"since": 1.0}).serialize()
    assert path == "airflow_provider_minimax.triggers.timer.MiniMaxTimerTrigger"
    assert deserialize(serialize(kwargs)) == {"moment": 1.5, "carry": {"since": 1.0}}
