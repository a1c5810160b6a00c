"""How an operator waits for the jobs that it has paid for: the one place that knows sensor, trigger and poller."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import COMPLETED, is_final, is_known_failure, outcome, status_label
from airflow_provider_minimax.compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling.events import timeout_error
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.reader import Answers, Found, Reader
from airflow_provider_minimax.polling.wait_spec import WaitSpec

if TYPE_CHECKING:
    from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

#: Seconds after a create in which "not found" may only mean "not yet".
GRACE: Final = 60.0
#: Seconds within which a wait that sleeps notices that it has to end.
_NOTICED_WITHIN: Final = 0.25


class JobWait:
    """A wait for paid jobs.

    :param ids: full ids.
    :param hook: on the account of the jobs.
    :param created: seconds since the epoch at which they were created.
    :param interval: seconds between two rounds.
    """

    def __init__(
        self, kind: Kind, ids: Sequence[str], require: str, hook: MiniMaxHook, *, created: float, interval: float
    ) -> None:
        fresh_until = created + GRACE
        self._spec = WaitSpec(
            tuple(ids), kind=kind, require=require, poke_interval=interval, fresh_until=fresh_until
        ).checked()
        self._hook = hook
        self._poller = Poller(self._spec)
        self._found: dict[str, Found] = {}

    @cached_property
    def _reader(self) -> Reader:
        return Reader.of(self._hook.get_conn(), self._spec.kind)

    @property
    def misses_jobs(self) -> bool:
        """Whether the service did not find one of the jobs when it was asked for last."""
        return any(isinstance(found, MiniMaxNotFoundError) for found in self._found.values())

    @property
    def unknown_ends(self) -> list[str]:
        """The jobs that are over and of which nobody knows whether they have failed, with what the service says."""
        return [f"{job_id} ({_says(found)})" for job_id, found in self._found.items() if _is_unknown_end(found)]

    def look(self, *, is_last: bool = False) -> list[dict[str, Any]] | None:
        """Ask once; return the compact jobs when the wait is over.

        :param is_last: nobody asks after this: ask each job by its id, since a list may be stale.
        :raises MiniMaxError: it has ended badly.
        """
        read = self._reader.read_last if is_last else self._reader.read

        def read_and_remember(ids: Collection[str]) -> Answers:
            answers = read(ids)
            self._found |= answers.jobs
            return answers

        return self._poller.poll(read_and_remember)

    def until(self, deadline: float, check: Callable[[], None]) -> list[dict[str, Any]]:
        """Wait here, in the worker.

        :param deadline: seconds since the epoch.
        :param check: called before each round and while this sleeps; may raise.
        :raises AirflowSensorTimeout: the deadline has passed.
        """
        timeout = deadline - time.time()
        while True:
            check()
            is_last = time.time() >= deadline
            found = self.look(is_last=is_last)
            if found is not None:
                return found
            if is_last:
                raise overdue(timeout_error(timeout, self._poller.describe_pending()))
            _sleep(min(self._poller.pause(self._spec.poke_interval), deadline - time.time()), check)

    def trigger(self, deadline: float, *, cancel_on_kill: bool) -> MiniMaxJobTrigger:
        """Return the trigger that waits in our place.

        :param deadline: seconds since the epoch.
        :param cancel_on_kill: cancel the jobs when a person ends the task.
        """
        from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

        return MiniMaxJobTrigger.from_spec(
            replace(
                self._spec,
                deadline=deadline,
                minimax_conn_id=self._hook.minimax_conn_id,
                account=self._hook.account,
                cancel_on_kill=cancel_on_kill,
            )
        )


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    """Sleep in short pieces: a signal ends none, and who is killed has few seconds.

    :param check: called after each piece; may raise.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _NOTICED_WITHIN))
        check()


def overdue(error: AirflowSensorTimeout) -> AirflowSensorTimeout:
    """Add to a time-out what becomes of the paid job."""
    return AirflowSensorTimeout(
        f"{error} What is not final goes on at the service and is paid for: collect it with a sensor and these ids. "
        "Airflow does not retry a time-out; to clear the task orders a new job."
    )


def _is_unknown_end(found: Found) -> bool:
    """Tell whether a job is over, and neither completed nor known to have failed."""
    if isinstance(found, MiniMaxError):
        # That the service does not let us see it says nothing about it; what may pass is no end.
        return isinstance(found, AirflowFailException) and not isinstance(found, MiniMaxNotFoundError)
    return is_final(found) and outcome(found) != COMPLETED and not is_known_failure(found)


def _says(found: Found) -> str:
    return str(found) if isinstance(found, MiniMaxError) else f"status {found.get('status')}, {status_label(found)!r}"
