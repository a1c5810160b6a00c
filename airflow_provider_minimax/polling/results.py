"""What a poll round returns, and its results in words, for logs and errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from airflow_provider_minimax.api.error_body import one_line
from airflow_provider_minimax.api.errors import (
    MiniMaxError,
    MiniMaxJobFailedError,
    MiniMaxModeratedError,
    MiniMaxNotFoundError,
)
from airflow_provider_minimax.api.jobs import MODERATED, Job, outcome, status_label, status_note, unknown_end

#: The job, or the error in the response to its id.
JobResult = Job | MiniMaxError
#: Ids that a text names, and characters that it quotes of a prompt.
_MAX_NAMED: Final = 10
_MAX_PROMPT: Final = 60


class RoundResult(NamedTuple):
    """The results of a round.

    :param jobs: by id. An id is missing when a failure ended the round early, or when it was not due. Late responses
        add ids that this round did not request.
    :param failure: the failure that concerns all ids.
    """

    jobs: dict[str, JobResult]
    failure: MiniMaxError | None = None


def describe_state(job: Job) -> str:
    """Return the state of a job: its label, its progress (once: a message may name it too), its message."""
    percent, message = job.get("percent"), _message(job)
    shows_percent = isinstance(percent, int) and outcome(job) is None and f"{percent}%" not in message.replace(" ", "")
    progress = f", {percent} %" if shows_percent else ""
    note = status_note(job)
    meaning = f", probably {note}" if note else ""
    return f"{one_line(status_label(job))}{meaning}{progress}{message}"


def failure_error(
    failed: Mapping[str, JobResult], succeeded: Sequence[str] = (), pending: Sequence[str] = ()
) -> MiniMaxError:
    """Return the error of a wait that names the final result of each failed job, and the jobs beside them.

    :param succeeded: ids of jobs that are completed, or have another accepted status.
    :param pending: ids of jobs that are not final.
    """
    others = _describe_others(succeeded, pending)
    first = next(iter(failed.values()))
    if len(failed) == 1 and isinstance(first, MiniMaxError):
        if not others:
            return first
        return type(first)(f"{first}{others}", status=first.status, retry_after=first.retry_after)
    ends = name_some(failed, lambda job_id: _describe_failure(job_id, failed[job_id]), "; ")
    kinds = {_error_class(result) for result in failed.values()}
    kind = kinds.pop() if len(kinds) == 1 else MiniMaxJobFailedError
    advice = "This is final: a retry of the wait finds the same."
    if any(not isinstance(result, MiniMaxError) and unknown_end(result) for result in failed.values()):
        advice += (
            " A job with an unknown final status may have a result, and is billed then: look at it at the service, on "
            "the account that its id names, before another is created."
        )
    return kind(f"{ends[0].upper()}{ends[1:]}.{others} {advice}")


def name_some(ids: Collection[str], describe: Callable[[str], str], separator: str = ", ") -> str:
    """Return the first ids described, and how many more there are: an event is stored, and a log is read."""
    named = separator.join(map(describe, itertools.islice(ids, _MAX_NAMED)))
    return f"{named} and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else named


def _describe_others(succeeded: Sequence[str], pending: Sequence[str]) -> str:
    """Return what became of the jobs that have not failed: they are paid for as well."""
    completed = f" Completed and paid for, to be collected by id: {name_some(succeeded, str)}." if succeeded else ""
    running = f" Still running and paid for: {name_some(pending, str)}." if pending else ""
    return f"{completed}{running}"


def _error_class(result: JobResult) -> type[MiniMaxError]:
    if isinstance(result, MiniMaxError):
        return type(result)
    return MiniMaxModeratedError if outcome(result) == MODERATED else MiniMaxJobFailedError


def _describe_failure(job_id: str, result: JobResult) -> str:
    """Return the verdict, then which job it is about."""
    if isinstance(result, MiniMaxNotFoundError):
        return f"not found: {job_id}"
    if isinstance(result, MiniMaxError):
        return f"no response for {job_id}: {result}"
    unknown = unknown_end(result)
    verdict = f"failed with the {unknown}" if unknown else f"{status_label(result)} (status {result.get('status')})"
    return f"{one_line(verdict)}{_message(result)}: {job_id}{_prompt(result)}"


def _prompt(job: Job) -> str:
    prompt = job.get("desc")
    if not isinstance(prompt, str) or not prompt:
        return ""
    start = prompt if len(prompt) <= _MAX_PROMPT else f"{prompt[:_MAX_PROMPT]}..."
    return f", prompt {start!r}"


def _message(job: Job) -> str:
    message = job.get("message")
    return f", {one_line(str(message)).rstrip('. ')}" if message else ""
