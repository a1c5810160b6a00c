"""One wait for one or several jobs, asked round by round.

Sensor, operator and trigger all drive this object, so that a wait means the same in each of them. The driver
brings the way to ask for a job, and sleeps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_minimax.api.errors import (
    MiniMaxAccountOnHoldError,
    MiniMaxBadRequestError,
    MiniMaxError,
    MiniMaxJobFailedError,
    MiniMaxModeratedError,
    MiniMaxNotFoundError,
)
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import (
    COMPLETED,
    FINAL_LABELS,
    MODERATED,
    Job,
    check_labels,
    compact,
    outcome,
    status_label,
)
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.rounds import Answers

log = logging.getLogger(__name__)

Require = Literal["all", "any"]
REQUIREMENTS: Final = ("all", "any")

#: One object for the thousands of waits that accept nothing else.
_NO_LABELS: Final[frozenset[str]] = frozenset()
#: Asks for jobs by their ids.
Read = Callable[[Collection[str]], Answers]


@dataclass(frozen=True, slots=True)
class WaitFor:
    """What a wait is for, checked.

    :param ids: full ids, all of one kind, in the order asked.
    :param require: end with success when all of them are completed, or any one.
    :param accept: labels of final statuses that count as success beside ``completed``.
    """

    ids: tuple[str, ...]
    kind: Kind = "image"
    require: Require = "all"
    accept: frozenset[str] = frozenset()

    @classmethod
    def check(
        cls,
        ids: Sequence[str],
        *,
        kind: Kind = "image",
        require: str = "all",
        accept_statuses: Sequence[str] = (),
        account: str | None = None,
    ) -> WaitFor:
        """Return the wait that a task asks for.

        :raises MiniMaxBadRequestError: no ids, an id that is none or of another account, an unknown word.
        """
        if not ids:
            raise MiniMaxBadRequestError(f"There is no {kind} id to wait for: the list is empty.")
        parsed = tuple(parse_id(job_id, kind, account=account).full for job_id in ids)
        return cls(parsed, kind, check_require(require), check_accepted(accept_statuses))


def check_require(require: str) -> Require:
    """Return ``"all"`` or ``"any"``.

    :raises MiniMaxBadRequestError: it is neither.
    """
    for known in REQUIREMENTS:
        if require == known:
            return known
    raise MiniMaxBadRequestError(f"require must be 'all' or 'any', not {require!r}.")


def check_accepted(labels: Sequence[str]) -> frozenset[str]:
    """Return the final labels that a task accepts.

    :raises MiniMaxBadRequestError: one of them is not the label of a final status.
    """
    return check_labels("accept_statuses", labels, FINAL_LABELS) or _NO_LABELS


@dataclass(slots=True)
class Poller:
    """The state of a wait: what is known of each job, and how many rounds have failed in a row.

    :param wait: what is waited for.
    :param failures: rounds that have failed in a row so far.
    :param silent: stand any failure that a retry could mend, for ever (a sensor's ``silent_fail``).
    :param is_fresh: tells whether the jobs are so new that the service may not know them yet: "not found" is then
        no end.
    """

    wait: WaitFor
    failures: int = 0
    silent: bool = False
    is_fresh: Callable[[], bool] = lambda: False
    retry_after: float | None = field(default=None, init=False)
    last_failure: str | None = field(default=None, init=False)
    _settled: dict[str, Job | MiniMaxNotFoundError] = field(default_factory=dict, init=False)
    _seen: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def pending(self) -> list[str]:
        """The ids whose end is not known, each once, in the order asked."""
        return [job_id for job_id in dict.fromkeys(self.wait.ids) if job_id not in self._settled]

    def poll(self, read: Read) -> list[dict[str, Any]] | None:
        """Ask once for the jobs whose end is not known; see ``take``."""
        try:
            answers = read(self.pending)
        except self._passing() as error:
            # Not an answer, nor the lack of one, but the way to ask for it: the connection, say.
            answers = Answers({})
            failure: Exception | None = error
        else:
            failure = answers.failure
        return self.take(answers.jobs, failure)

    def take(
        self, jobs: Mapping[str, Job | MiniMaxNotFoundError], failure: Exception | None = None
    ) -> list[dict[str, Any]] | None:
        """Take what a round has brought.

        :param jobs: what was found for an id; ids of other waits are passed over.
        :param failure: what broke the round off, if anything did.
        :return: the compact jobs when the wait has ended well, in the order asked (with ``require="any"`` only
            those that are completed or accepted); None while it goes on, also after a failure in passing.
        :raises MiniMaxError: the wait has ended badly.
        """
        pending = self.pending
        for job_id in pending:
            if job_id in jobs:
                self._settle(job_id, jobs[job_id])
        # First, since what is known already may decide the wait, however the rest of the round went.
        found = self._verdict()
        if failure is None or all(job_id in jobs for job_id in pending):
            self.failures, self.retry_after, self.last_failure = 0, None, None
        elif found is None:
            self._count(failure)
        return found

    def pause(self, interval: float) -> float:
        """Return the seconds until the next round."""
        return pacing.pause(interval, self.failures, self.retry_after)

    def describe_pending(self) -> str:
        """Return what is still awaited, for a log or an error."""
        states = ", ".join(f"{job_id} ({self._seen.get(job_id, 'not seen yet')})" for job_id in self.pending[:10])
        more = f" and {len(self.pending) - 10} more" if len(self.pending) > 10 else ""
        failure = f" Last failure: {self.last_failure}" if self.last_failure else ""
        return f"{states}{more}.{failure}"

    def _passing(self) -> type[Exception]:
        return Exception if self.silent else MiniMaxError

    def _count(self, error: Exception) -> None:
        """Take a failure in passing; raise it when it is none, or one too many."""
        if isinstance(error, AirflowFailException):
            raise error
        if not self.silent and isinstance(error, MiniMaxAccountOnHoldError):
            raise error
        self.failures += 1
        self.retry_after = error.retry_after if isinstance(error, MiniMaxError) else None
        self.last_failure = f"{type(error).__name__}: {error}"
        if not self.silent and self.failures >= pacing.MOST_FAILURES:
            raise error
        limit = "" if self.silent else f" of {pacing.MOST_FAILURES}"
        log.warning("Round %d%s in a row failed; the wait goes on. %s", self.failures, limit, self.last_failure)

    def _settle(self, job_id: str, found: Job | MiniMaxNotFoundError) -> None:
        if isinstance(found, MiniMaxNotFoundError):
            if self.is_fresh():
                self._seen[job_id] = "not found yet"
                return
            self._settled[job_id] = found
            self._seen[job_id] = "not found"
            return
        self._report(job_id, found)
        if outcome(found) is not None:
            self._settled[job_id] = found

    def _report(self, job_id: str, job: Job) -> None:
        """Log what has changed since the last round."""
        percent, message = job.get("percent"), job.get("message")
        now = status_label(job)
        now += f", {percent} %" if isinstance(percent, int) and outcome(job) is None else ""
        now += f", {message}" if message else ""
        if self._seen.get(job_id) != now:
            log.info("%s: %s", job_id, now)
            self._seen[job_id] = now

    def _verdict(self) -> list[dict[str, Any]] | None:
        good = [job_id for job_id in self.wait.ids if self._is_good(job_id)]
        bad = [job_id for job_id in self._settled if not self._is_good(job_id)]
        if self.wait.require == "any":
            if good:
                return self._results(good)
            if not self.pending:
                raise self._failure(bad)
            return None
        if bad:
            raise self._failure(bad)
        return None if self.pending else self._results(good)

    def _is_good(self, job_id: str) -> bool:
        job = self._settled.get(job_id)
        if job is None or isinstance(job, MiniMaxNotFoundError):
            return False
        return outcome(job) in {COMPLETED, *self.wait.accept}

    def _results(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        jobs = (self._settled[job_id] for job_id in ids)
        return [compact(job, self.wait.kind) for job in jobs if not isinstance(job, MiniMaxNotFoundError)]

    def _failure(self, bad: Sequence[str]) -> MiniMaxError:
        """Return the error that names the end of each job that did not end well."""
        found = {job_id: self._settled[job_id] for job_id in bad}
        first = found[bad[0]]
        if len(bad) == 1 and isinstance(first, MiniMaxNotFoundError):
            return first
        ends = "; ".join(f"{job_id}: {_end(job)}" for job_id, job in found.items())
        jobs = [job for job in found.values() if not isinstance(job, MiniMaxNotFoundError)]
        kind: type[MiniMaxError] = MiniMaxJobFailedError
        if not jobs:
            kind = MiniMaxNotFoundError
        elif len(jobs) == len(found) and all(outcome(job) == MODERATED for job in jobs):
            kind = MiniMaxModeratedError
        return kind(f"{ends}. This is final: a retry of the wait finds the same.")


def _end(job: Job | MiniMaxNotFoundError) -> str:
    if isinstance(job, MiniMaxNotFoundError):
        return "not found"
    message = job.get("message")
    return f"{status_label(job)} (status {job.get('status')})" + (f", {message}" if message else "")
