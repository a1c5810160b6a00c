"""The wait of an operator for its jobs: on its worker, or in a trigger."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxModeratedError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import unknown_end
from airflow_provider_minimax.compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling.events import timeout_error
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import JobResult, RoundResult
from airflow_provider_minimax.polling.wait_spec import WaitSpec

if TYPE_CHECKING:
    from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

#: Seconds after a create in which "not found" may mean "not yet".
GRACE: Final = 60.0
#: The longest piece of a sleep, in seconds: ``check`` is called after each.
_MAX_SLEEP: Final = 0.25


class JobWait:
    """A wait for submitted jobs.

    :param ids: full ids.
    :param hook: on the account of the jobs.
    :param created: seconds since the epoch at which they were created.
    :param interval: seconds between two polls.
    """

    def __init__(
        self, kind: Kind, ids: Sequence[str], require: str, hook: MiniMaxHook, *, created: float, interval: float
    ) -> None:
        self.ids = tuple(ids)
        fresh_until = created + GRACE
        self._spec = WaitSpec(
            self.ids, kind=kind, require=require, poke_interval=interval, fresh_until=fresh_until
        ).checked()
        self._hook = hook
        self._poller = Poller(self._spec)
        self._latest: dict[str, JobResult] = {}

    @cached_property
    def _reader(self) -> Reader:
        return Reader.for_client(self._hook.get_conn(), self._spec.kind)

    @property
    def has_missing_jobs(self) -> bool:
        """Whether the service did not find one of the jobs at the latest poll."""
        return any(isinstance(found, MiniMaxNotFoundError) for found in self._latest.values())

    @property
    def unknown_outcomes(self) -> list[str]:
        """The jobs that are final and neither completed nor known to have failed, with their status."""
        statuses = ((job_id, _unknown_status(found)) for job_id, found in self._latest.items())
        return [f"{job_id} ({status})" for job_id, status in statuses if status is not None]

    def poll(self, *, is_last: bool = False) -> list[dict[str, Any]] | None:
        """Poll once; return the compact jobs if the wait is over.

        :param is_last: no poll follows: read each job by its id, since a list may be stale.
        :raises MiniMaxError: it ended without success.
        """
        read = self._reader.read_for_last_time if is_last else self._reader.read

        def read_and_remember(ids: Collection[str]) -> RoundResult:
            result = read(ids)
            self._latest |= result.jobs
            return result

        return self._poller.poll(read_and_remember)

    def wait_until(self, deadline: float, check: Callable[[], None]) -> list[dict[str, Any]]:
        """Wait on this worker and return the compact jobs.

        :param deadline: seconds since the epoch.
        :param check: called before each poll and during sleeps; may raise.
        :raises AirflowSensorTimeout: the deadline has passed.
        :raises MiniMaxModeratedError: a job was moderated; the error says what to do.
        """
        started = time.monotonic()
        try:
            return self._wait_until(deadline, check)
        finally:
            metrics.timing(metrics.WAIT_SECONDS, time.monotonic() - started, kind=self._spec.kind)

    def _wait_until(self, deadline: float, check: Callable[[], None]) -> list[dict[str, Any]]:
        timeout = deadline - time.time()
        while True:
            check()
            is_last = time.time() >= deadline
            with explained_moderation():
                jobs = self.poll(is_last=is_last)
            if jobs is not None:
                return jobs
            if is_last:
                raise explain_timeout(timeout_error(timeout, self._poller.describe_pending()))
            _sleep(min(self._poller.next_delay(self._spec.poke_interval), deadline - time.time()), check)

    def trigger(self, deadline: float, *, cancel_on_kill: bool, end_in_triggerer: bool) -> MiniMaxJobTrigger:
        """Return the trigger that waits instead.

        :param deadline: seconds since the epoch.
        :param cancel_on_kill: cancel the jobs if a user ends the task.
        :param end_in_triggerer: end a successful task there.
        """
        from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

        return MiniMaxJobTrigger.from_spec(
            replace(
                self._spec,
                deadline=deadline,
                minimax_conn_id=self._hook.minimax_conn_id,
                account=self._hook.account,
                cancel_on_kill=cancel_on_kill,
                single=self._spec.kind == "video",
                end_in_triggerer=end_in_triggerer,
            )
        )


def explain_timeout(error: AirflowSensorTimeout) -> AirflowSensorTimeout:
    """Add to a timeout what happens to the jobs."""
    return AirflowSensorTimeout(
        f"{error} A job that is not final continues at the service and is billed: collect it with a sensor and its id. "
        "Airflow does not retry a timeout; clear the task to submit a new job."
    )


@contextmanager
def explained_moderation() -> Iterator[None]:
    """Add to the error of a moderated job what helps: Airflow does not retry it."""
    try:
        yield
    except MiniMaxModeratedError as error:
        raise MiniMaxModeratedError(f"{error} Change the prompt and clear the task.", status=error.status) from None


def _sleep(seconds: float, check: Callable[[], None]) -> None:
    """Sleep in short pieces: a signal does not end a sleep, and a killed task has only seconds.

    :param check: called after each piece; may raise.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _MAX_SLEEP))
        check()


def _unknown_status(found: JobResult) -> str | None:
    """Return the status of a job that is final, and neither completed nor known to have failed; None for any other."""
    if not isinstance(found, MiniMaxError):
        end = unknown_end(found)
        return None if end is None else end.removeprefix("unknown final ")
    # An error that is never retried says nothing about the job; any other may pass, so the job is not final.
    is_final = isinstance(found, AirflowFailException) and not isinstance(found, MiniMaxNotFoundError)
    return str(found) if is_final else None
