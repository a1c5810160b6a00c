"""One of the waits on a shared poll."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.polling import failures
from airflow_provider_minimax.polling.events import Payload, failure_event, success_event, timed_out
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.results import RoundResult

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class SharedWait:
    """A wait on a stream. Its ``end`` gets the payload of an event, or None if the triggerer cannot run the wait.

    :param not_before: seconds since the epoch before which it does not end; an earlier payload is held back.
    :param deadline: seconds since the epoch. One last round follows it, as in a sensor that pokes.
    :param ends_by: seconds since the epoch at which it times out, even without a response in the last round.
    """

    poller: Poller
    not_before: float
    deadline: float
    ends_by: float
    end: asyncio.Future[Payload | None]
    is_in_last_round: bool = False
    #: The context of the trigger, so that the log lines of its jobs reach the log of its task.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    started: float = field(default_factory=time.time)
    _held_back: tuple[Payload | None] | None = None

    @property
    def is_decided(self) -> bool:
        """Whether its payload is known."""
        return self._held_back is not None or self.end.done()

    def is_due(self, now: float) -> bool:
        """Return whether its deadline has passed, or its payload need not be held back any more."""
        if self.end.done():
            return False
        return self.deadline <= now if self._held_back is None else self.not_before <= now

    def finish(self, payload: Payload | None) -> None:
        """End it with a payload, now or as soon as it may end."""
        if self.is_decided:
            return
        if time.time() < self.not_before:
            self._held_back = (payload,)
        else:
            self._end(payload)

    def finish_if_overdue(self, now: float) -> None:
        """End it if its payload is held back, or its last round has brought no response in time."""
        if not self.end.done() and (self._held_back or self.ends_by <= now):
            self._end(timed_out(self.poller.describe_pending()))

    def fail(self, error: BaseException) -> None:
        """End it at once because the poll itself has ended."""
        if not self.end.done():
            self._end(failure_event(failures.to_wait_error(error)))

    def _end(self, payload: Payload | None) -> None:
        """End it with the payload that is held back, or else with this one."""
        self.end.set_result(self._held_back[0] if self._held_back else payload)
        metrics.timing(metrics.WAIT_SECONDS, time.time() - self.started, kind=self.poller.spec.kind)

    def process_round(self, result: RoundResult) -> Payload | None:
        """Return the payload when a round ends the wait."""
        try:
            completed = self.context.run(self.poller.process_round, result.jobs, result.failure)
        except MiniMaxError as error:
            return failure_event(error)
        except Exception as error:  # noqa: BLE001 - a bug in one wait must not end the others
            self.context.run(log.exception, "A bug of this provider, not of the service, ends the wait.")
            return failure_event(failures.to_wait_error(error))
        if completed is not None:
            return success_event(completed)
        return timed_out(self.poller.describe_pending()) if self.is_in_last_round else None


def decided_waits(
    polled: Sequence[SharedWait], others: Sequence[SharedWait], result: RoundResult
) -> list[tuple[SharedWait, Payload]]:
    """Return the waits that a round ends, and their payloads.

    :param polled: the waits whose jobs the round has requested.
    :param others: waits that take the late responses for them.
    """
    late = RoundResult(result.jobs)
    shares = [(wait, result) for wait in polled]
    shares += [(wait, late) for wait in others if not result.jobs.keys().isdisjoint(wait.poller.pending)]
    payloads = ((wait, wait.process_round(share)) for wait, share in shares if not wait.is_decided)
    return [(wait, payload) for wait, payload in payloads if payload is not None]
