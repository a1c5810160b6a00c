"""A trigger that waits until a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class MiniMaxTimerTrigger(BaseTrigger):
    """Waits until a moment, so that a task that the service has no capacity for needs no worker. It sends no request.

    :param moment: seconds since the epoch.
    :param carry: the payload of the event: what the task needs to resume.
    """

    def __init__(self, moment: float, carry: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment
        self.carry = carry or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so their names must not change."""
        return f"{MiniMaxTimerTrigger.__module__}.{MiniMaxTimerTrigger.__qualname__}", {
            "moment": self.moment,
            "carry": self.carry,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep until the moment; yield the payload."""
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        yield TriggerEvent(self.carry)
