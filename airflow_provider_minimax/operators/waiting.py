"""How an operator waits for the jobs that it has paid for: the one place that knows sensor, trigger and poller."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.compat import AirflowSensorTimeout
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.triggers.events import timeout_error
from airflow_provider_minimax.waiting.poller import Poller, Read, WaitFor
from airflow_provider_minimax.waiting.rounds import Reader

if TYPE_CHECKING:
    from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

#: Seconds after a create in which "not found" may only mean "not yet".
GRACE: Final = 60.0


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
        self._wait = WaitFor.check(ids, kind=kind, require=require)
        self._hook = hook
        self._fresh_until = created + GRACE
        self._interval = interval
        self._poller = Poller(self._wait, is_fresh=lambda: time.time() < self._fresh_until)

    @cached_property
    def _read(self) -> Read:
        return Reader.of(self._hook.get_conn(), self._wait.kind).read

    def look(self) -> list[dict[str, Any]] | None:
        """Ask once; return the compact jobs when the wait is over.

        :raises MiniMaxError: it has ended badly.
        """
        return self._poller.poll(self._read)

    def until(self, deadline: float, check: Callable[[], None]) -> list[dict[str, Any]]:
        """Wait here, in the worker.

        :param deadline: seconds since the epoch.
        :param check: called before each round; may raise.
        :raises AirflowSensorTimeout: the deadline has passed.
        """
        timeout = deadline - time.time()
        while True:
            check()
            found = self.look()
            if found is not None:
                return found
            if time.time() >= deadline:
                raise overdue(timeout_error(timeout, self._poller.describe_pending()))
            time.sleep(max(0.0, min(self._poller.pause(self._interval), deadline - time.time())))

    def trigger(self, deadline: float, *, cancel_on_kill: bool) -> MiniMaxJobTrigger:
        """Return the trigger that waits in our place.

        :param deadline: seconds since the epoch.
        :param cancel_on_kill: cancel the jobs when a person ends the task.
        """
        from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

        return MiniMaxJobTrigger(
            ids=self._wait.ids,
            deadline=deadline,
            kind=self._wait.kind,
            require=self._wait.require,
            minimax_conn_id=self._hook.minimax_conn_id,
            account=self._hook.account,
            poke_interval=self._interval,
            fresh_until=self._fresh_until,
            cancel_on_kill=cancel_on_kill,
        )


def overdue(error: AirflowSensorTimeout) -> AirflowSensorTimeout:
    """Add to a time-out what becomes of the paid job."""
    return AirflowSensorTimeout(
        f"{error} What is not final goes on at the service and is paid for: collect it with a sensor and these ids. "
        "Airflow does not retry a time-out; to clear the task orders a new job."
    )
