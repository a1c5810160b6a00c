"""One wait for one or several jobs, asked round by round.

Sensor, operator and trigger all drive this object, so that a wait means the same in each of them. The driver
brings the way to ask for a job, and sleeps.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeGuard

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
from airflow_provider_minimax.api.sendable import sendable
from airflow_provider_minimax.compat import AirflowException, AirflowFailException
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.reader import Answers, Found

log = logging.getLogger(__name__)

Require = Literal["all", "any"]
REQUIREMENTS: Final = ("all", "any")

#: One object for the thousands of waits that accept nothing else.
_NO_LABELS: Final[frozenset[str]] = frozenset()
#: Ids that a text names, and characters that it quotes of the service's message to one of them.
_MOST_NAMED: Final = 10
_LONGEST_MESSAGE: Final = 300
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
    _settled: dict[str, Found] = field(default_factory=dict, init=False)
    _seen: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def pending(self) -> list[str]:
        """The ids whose end is not known, each once, in the order asked."""
        return [job_id for job_id in dict.fromkeys(self.wait.ids) if job_id not in self._settled]

    def poll(self, read: Read) -> list[dict[str, Any]] | None:
        """Ask once for the jobs whose end is not known; see ``take``.

        :raises Exception: a bug of the provider, or a connection that is not defined.
        """
        try:
            answers = read(self.pending)
        except Exception as error:
            # Not a response, nor the lack of one, but the way to ask for it: the connection, say.
            if not self._may_pass(error):
                raise
            answers = Answers({})
            failure: Exception | None = error
        else:
            failure = answers.failure
        return self.take(answers.jobs, failure)

    def take(self, jobs: Mapping[str, Found], failure: Exception | None = None) -> list[dict[str, Any]] | None:
        """Take what a round has brought, or what came late from an earlier one.

        :param jobs: what was found for an id; ids of other waits are passed over.
        :param failure: what concerns all, if anything does; it counts where an id has no answer of its own.
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
        if found is None:
            self._weigh([jobs.get(job_id) for job_id in pending], failure)
        else:
            self._forget_failures()
        return found

    def _weigh(self, answers: Sequence[Found | None], failure: Exception | None) -> None:
        """Count a round that has brought a failure and no job, and forget the earlier ones after any other.

        :param answers: one for each id that was awaited; None where there was none.
        """
        is_whole = None not in answers
        has_job = any(not isinstance(answer, MiniMaxError | None) for answer in answers)
        passing = [answer for answer in answers if _is_passing(answer)]
        if failure is not None and not is_whole:
            self._count(failure)
        elif passing and not has_job:
            self._count(passing[-1])
        elif is_whole or has_job:
            self._forget_failures()

    def pause(self, interval: float) -> float:
        """Return the seconds until the next round."""
        return timing.pause(interval, self.failures, self.retry_after)

    def describe_pending(self) -> str:
        """Return what is still awaited, for a log or an error."""
        pending = self.pending
        named = [f"{job_id} ({self._seen.get(job_id, 'not seen yet')})" for job_id in pending[:_MOST_NAMED]]
        states = _enumerate(named, len(pending))
        failure = f" Last failure: {self.last_failure}" if self.last_failure else ""
        return f"{states}.{failure}"

    def _may_pass(self, error: Exception) -> bool:
        """Tell whether an error in asking counts as a failed round; ``take`` decides on those of the service."""
        if isinstance(error, MiniMaxError):
            return True
        return not failures.is_bug(error) and (self.silent or not isinstance(error, AirflowException))

    def _forget_failures(self) -> None:
        self.failures, self.retry_after, self.last_failure = 0, None, None

    def _count(self, error: Exception) -> None:
        """Take a failure in passing; raise it when it is none, or one too many."""
        if isinstance(error, AirflowFailException):
            raise error
        if not self.silent and isinstance(error, MiniMaxAccountOnHoldError):
            raise error
        self.failures += 1
        self.retry_after = error.retry_after if isinstance(error, MiniMaxError) else None
        self.last_failure = f"{type(error).__name__}: {error}"
        if not self.silent and self.failures >= timing.MOST_FAILURES:
            raise error
        limit = "" if self.silent else f" of {timing.MOST_FAILURES}"
        log.warning("Round %d%s in a row failed; the wait goes on. %s", self.failures, limit, self.last_failure)

    def _settle(self, job_id: str, found: Found) -> None:
        if not isinstance(found, MiniMaxError):
            self._report(logging.INFO, job_id, _state(found))
            if outcome(found) is not None:
                self._settled[job_id] = found
        elif isinstance(found, MiniMaxNotFoundError) and self.is_fresh():
            self._seen[job_id] = "not found yet"
        elif isinstance(found, AirflowFailException):
            self._settled[job_id] = found
        else:
            self._report(logging.WARNING, job_id, f"no answer, {type(found).__name__}: {found}")

    def _report(self, level: int, job_id: str, state: str) -> None:
        """Log what has changed since the last round."""
        if self._seen.get(job_id) != state:
            log.log(level, "%s: %s", job_id, state)
            self._seen[job_id] = state

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
        if job is None or isinstance(job, MiniMaxError):
            return False
        return outcome(job) in {COMPLETED, *self.wait.accept}

    def _results(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        jobs = (self._settled[job_id] for job_id in ids)
        return [compact(job, self.wait.kind) for job in jobs if not isinstance(job, MiniMaxError)]

    def _failure(self, bad: Sequence[str]) -> MiniMaxError:
        """Return the error that names the end of each job that did not end well."""
        found = {job_id: self._settled[job_id] for job_id in bad}
        first = found[bad[0]]
        if len(bad) == 1 and isinstance(first, MiniMaxError):
            return first
        named = [f"{job_id}: {_end(job)}" for job_id, job in itertools.islice(found.items(), _MOST_NAMED)]
        ends = _enumerate(named, len(found), "; ")
        kinds = {_kind_of(job) for job in found.values()}
        kind = kinds.pop() if len(kinds) == 1 else MiniMaxJobFailedError
        return kind(f"{ends}. This is final: a retry of the wait finds the same.")


def _is_passing(found: Found | None) -> TypeGuard[MiniMaxError]:
    return isinstance(found, MiniMaxError) and not isinstance(found, AirflowFailException)


def _kind_of(found: Found) -> type[MiniMaxError]:
    """Return the error that stands for the bad end of a job."""
    if isinstance(found, MiniMaxError):
        return type(found)
    return MiniMaxModeratedError if outcome(found) == MODERATED else MiniMaxJobFailedError


def _end(found: Found) -> str:
    if isinstance(found, MiniMaxError):
        return "not found" if isinstance(found, MiniMaxNotFoundError) else str(found)
    return f"{status_label(found)} (status {found.get('status')}){_message(found)}"


def _state(job: Job) -> str:
    """Return what a log tells of a job."""
    percent = job.get("percent")
    progress = f", {percent} %" if isinstance(percent, int) and outcome(job) is None else ""
    return str(sendable(f"{status_label(job)}{progress}{_message(job)}"))


def _message(job: Job) -> str:
    message = job.get("message")
    return f", {str(message)[:_LONGEST_MESSAGE]}" if message else ""


def _enumerate(named: Sequence[str], count: int, separator: str = ", ") -> str:
    """Name the first of many, and how many more there are: a log is read, and an event stored."""
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return separator.join(named) + more
