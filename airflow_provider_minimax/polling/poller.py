"""The state of one wait, and what each round changes in it.

Sensor, operator and trigger all drive this object, so that a wait means the same in each of them. The driver brings
the way to request the jobs, and sleeps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.errors import MiniMaxAccountOnHoldError, MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.jobs import COMPLETED, KNOWN_LABELS, Job, compact, is_final, outcome, status_label
from airflow_provider_minimax.compat import AirflowException, AirflowFailException
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.results import JobResult, RoundResult, describe_state, failure_error, name_some
from airflow_provider_minimax.polling.wait_spec import WaitSpec

log = logging.getLogger(__name__)

#: Seconds after which a status that this version does not know is logged again.
_REPEAT_AFTER: Final = 300.0
#: Follows such a status in the log, and in the error of a time-out.
_UNKNOWN: Final = "; this version does not know the status"


@dataclass(slots=True)
class Poller:
    """The state of a wait: what is known of each job, and how many rounds have failed in a row.

    :param spec: what the task waits for, checked.
    :param clock: returns seconds.
    """

    spec: WaitSpec
    clock: Callable[[], float] = time.monotonic
    failures: int = field(init=False)
    retry_after: float | None = field(default=None, init=False)
    last_failure: str | None = field(default=None, init=False)
    _final: dict[str, JobResult] = field(default_factory=dict, init=False)
    _states: dict[str, str] = field(default_factory=dict, init=False)
    _repeat_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.failures = self.spec.failures

    @property
    def pending(self) -> list[str]:
        """The ids without a final result, each once, in the order of the task."""
        return [job_id for job_id in dict.fromkeys(self.spec.ids) if job_id not in self._final]

    def poll(self, read: Callable[[Collection[str]], RoundResult]) -> list[dict[str, Any]] | None:
        """Request the jobs without a final result once; see ``process_round``.

        :raises Exception: a bug of the provider, or a connection that is not defined.
        """
        metrics.count(metrics.POLLS, kind=self.spec.kind)
        try:
            result = read(self.pending)
        except Exception as error:
            # No response, nor the lack of one: the connection cannot be read, say. An error of the service is judged
            # with the round.
            is_tolerated = self.spec.silent_fail or not isinstance(error, AirflowException)
            if not isinstance(error, MiniMaxError) and (failures.is_bug(error) or not is_tolerated):
                raise
            return self.process_round({}, error)
        return self.process_round(result.jobs, result.failure)

    def process_round(
        self, jobs: Mapping[str, JobResult], failure: Exception | None = None
    ) -> list[dict[str, Any]] | None:
        """Process the results of a round, or a late response of an earlier one.

        :param jobs: results by id; ids of other waits are ignored.
        :param failure: the failure that concerns all ids; it counts for ids without a result of their own.
        :return: the compact jobs when the wait has succeeded, in the order of the task (with ``require="any"`` only
            those that are completed or accepted); None while it continues, also after a failure that may pass.
        :raises MiniMaxError: the wait has failed.
        """
        pending = self.pending
        self._forget_unknown_states()
        for job_id in pending:
            if job_id in jobs:
                self._record(job_id, jobs[job_id])
        # First, since the known results may end the wait, however the rest of the round went.
        completed = self._verdict()
        if completed is None:
            self._count_failures([jobs.get(job_id) for job_id in pending], failure)
        else:
            self._reset_failures()
        return completed

    def next_delay(self, interval: float) -> float:
        """Return the seconds until the next round."""
        return timing.next_delay(interval, self.failures, self.retry_after)

    def describe_pending(self) -> str:
        """Return the pending jobs with their last known state, for a log or an error."""
        states = name_some(self.pending, lambda job_id: f"{job_id} ({self._states.get(job_id, 'not seen yet')})")
        failure = f" Last failure: {self.last_failure}" if self.last_failure else ""
        return f"{states}.{failure}"

    # Failures

    def _count_failures(self, results: Sequence[JobResult | None], failure: Exception | None) -> None:
        """Count a round that brought a failure and no job; any other round resets the count.

        :param results: one for each pending id; None for an id without a result.
        """
        is_complete = None not in results
        has_job = any(not isinstance(result, MiniMaxError | None) for result in results)
        errors = [result for result in results if isinstance(result, MiniMaxError)]
        passing = [error for error in errors if not isinstance(error, AirflowFailException)]
        if failure is not None and not is_complete:
            self._count_failure(failure)
        elif passing and not has_job:
            self._count_failure(passing[-1])
        elif is_complete or has_job:
            self._reset_failures()

    def _count_failure(self, error: Exception) -> None:
        """Count a failure that may pass; raise one that may not, or one too many."""
        silent = self.spec.silent_fail
        if isinstance(error, AirflowFailException) or (isinstance(error, MiniMaxAccountOnHoldError) and not silent):
            raise error
        self.failures += 1
        self.retry_after = error.retry_after if isinstance(error, MiniMaxError) else None
        earlier, self.last_failure = self.last_failure, f"{type(error).__name__}: {error}"
        if not silent and self.failures >= timing.MAX_FAILURES:
            raise error
        limit = "" if silent else f" of {timing.MAX_FAILURES}"
        # A rescheduled wait is a new process at each round, and knows only how many have failed.
        is_news = earlier not in (None, self.last_failure) or self.failures % timing.MAX_FAILURES == 1
        level = logging.WARNING if is_news else logging.INFO
        log.log(level, "Round %d%s in a row failed; the wait continues. %s", self.failures, limit, self.last_failure)

    def _reset_failures(self) -> None:
        self.failures, self.retry_after, self.last_failure = 0, None, None

    # Results

    def _record(self, job_id: str, result: JobResult) -> None:
        if not isinstance(result, MiniMaxError):
            self._log_job(job_id, result)
            if self._is_success(result) is not None:
                self._final[job_id] = result
        elif isinstance(result, MiniMaxNotFoundError) and self.spec.is_fresh():
            self._states[job_id] = "not found yet"
        elif isinstance(result, AirflowFailException):
            self._final[job_id] = result
        else:
            self._log_change(logging.WARNING, job_id, f"request failed, {type(result).__name__}: {result}")

    def _log_job(self, job_id: str, job: Job) -> None:
        if is_final(job) or status_label(job) in KNOWN_LABELS:
            self._log_change(logging.INFO, job_id, describe_state(job))
        else:
            self._log_change(logging.WARNING, job_id, f"{describe_state(job)}{_UNKNOWN}", " and keeps waiting")

    def _log_change(self, level: int, job_id: str, state: str, next_step: str = "") -> None:
        if self._states.get(job_id) != state:
            log.log(level, "%s: %s%s", job_id, state, next_step)
            self._states[job_id] = state

    def _forget_unknown_states(self) -> None:
        """Let the log repeat, every few minutes, the states that this version does not know."""
        if self.clock() >= self._repeat_at:
            self._repeat_at = self.clock() + _REPEAT_AFTER
            self._states = {job_id: state for job_id, state in self._states.items() if not state.endswith(_UNKNOWN)}

    def _verdict(self) -> list[dict[str, Any]] | None:
        """Return the compact jobs when the wait has succeeded, None while it continues."""
        final, pending = self._final, self.pending
        jobs = {id_: job for id_, job in final.items() if not isinstance(job, MiniMaxError) and self._is_success(job)}
        succeeded = [job_id for job_id in self.spec.ids if job_id in jobs]
        failed = {job_id: result for job_id, result in final.items() if job_id not in jobs}
        if failed and (self.spec.require == "all" or not (succeeded or pending)):
            raise failure_error(failed, list(dict.fromkeys(succeeded)), pending)
        is_decided = bool(succeeded) if self.spec.require == "any" else not pending
        return [self._compact(jobs[job_id]) for job_id in succeeded] if is_decided else None

    def _is_success(self, job: Job) -> bool | None:
        """Return whether a job has ended as awaited; None while it continues."""
        end = outcome(job)
        return None if end is None else end in (COMPLETED, *self.spec.accept_statuses)

    def _compact(self, job: Job) -> dict[str, Any]:
        return compact(job, self.spec.kind)
