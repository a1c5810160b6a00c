"""A trigger that only lets time pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class MiniMaxTimerTrigger(BaseTrigger):
    """Waits for a moment, so that a task without room at the service holds no worker. It sends nothing.

    :param moment: seconds since the epoch.
    :param carry: handed back in the event: what the task has to know when it goes on.
    """

    def __init__(self, moment: float, carry: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment
        self.carry = carry or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so a name, once used, stays."""
        return f"{MiniMaxTimerTrigger.__module__}.{MiniMaxTimerTrigger.__qualname__}", {
            "moment": self.moment,
            "carry": self.carry,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep until the moment; yield what was given along."""
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        yield TriggerEvent(self.carry)
