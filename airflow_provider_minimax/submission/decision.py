"""What an attempt does with the record of earlier attempts. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from airflow_provider_minimax.submission.record import Record, UnreadableRecord

#: ``submit`` a new job, ``recover`` a job whose response was lost, ``resume`` known jobs, or do none of these because
#: the record is ``unreadable``.
Action = Literal["submit", "recover", "resume", "unreadable"]


class Decision(NamedTuple):
    """What an attempt does first.

    :param reason: for the log; empty when there is no earlier attempt.
    """

    action: Action
    reason: str


def decide(stored: Record | UnreadableRecord | None, wanted: str, max_tries: int) -> Decision:
    """Return what an attempt does first.

    Clearing a task sets its ``max_tries`` to the attempts so far plus its ``retries``. Nothing else changes the number,
    not even another ``retries`` in the DAG. It may be lower than before; where ``retries`` was lowered by as many as
    were used it is the same, and such a clear counts as a retry.

    :param stored: by earlier attempts.
    :param wanted: the fingerprint of this attempt's inputs.
    :param max_tries: of the task now.
    """
    if stored is None:
        return Decision("submit", "")
    label = stored.label or "of an unknown id"
    if stored.max_tries not in (None, max_tries):
        return Decision("submit", f"The task was cleared: submitting a new job. The earlier job was {label}.")
    if isinstance(stored, UnreadableRecord):
        return Decision(
            "unreadable",
            f"The record of an earlier attempt is unreadable; it names {stored.label or 'no job'}. Another version of "
            "this provider wrote it, or a worker with another state_store_backend.",
        )
    if stored.fingerprint != wanted:
        return Decision(
            "submit",
            f"The inputs changed since the earlier attempt: submitting a new job. The earlier job {label} continues.",
        )
    if stored.phase == "refused":
        return Decision("submit", f"Attempt {stored.attempt} was refused and made no job: submitting one.")
    if stored.phase == "intent":
        return Decision("recover", f"Attempt {stored.attempt} may have submitted a job ({label}): searching for it.")
    return Decision("resume", f"Attempt {stored.attempt} submitted {label}: resuming it, nothing new is submitted.")


def may_submit(*, met_unknown: bool, has_resubmitted: bool, outcome_known: bool, resubmits: bool) -> bool:
    """Return whether an attempt may send a create: at most one after an unknown outcome, whatever happens then.

    Deferrals and reschedules belong to the same attempt.

    :param met_unknown: the attempt met an unknown outcome: of its own create, or in the record that it loaded.
    :param has_resubmitted: it has sent a create since.
    :param outcome_known: no outcome is unknown any more, for example because the lost job was found and has failed.
    :param resubmits: ``on_unknown_outcome`` is ``"resubmit"``.
    """
    if not met_unknown:
        return True
    return not has_resubmitted and (outcome_known or resubmits)
