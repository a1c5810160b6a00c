"""How the status of a job moves: 0 -> 11 -> 1 -> 12 -> a final one, as a function of the elapsed time.

A marker in the prompt asks for another course. ``N`` limits it to the N-th image of a batch:

    [fail] [fail:N]                     ends with 3
    [moderate] [moderate:S] [..:S:N]    ends with 5, or with S (5, 7 or 14)
    [unknown] [unknown:N]               ends with 99, without label and finality
    [status:S] [status:S:N]             ends with S, which may be one without a label
    [stuck] [stuck:N]                   stays in 1
    [hold] [hold:S] [hold:S:N]          stays in 0, or in S, until it is released
    [gone]                              a video that is 404 once it has ended
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

PROCESSING: Final = 1
COMPLETED: Final = 2
FAILED: Final = 3
MODERATED: Final = 5
#: Not in the documented table, which has grown before: a client must expect such a status.
UNKNOWN: Final = 99

#: The statuses of every job before its final one.
STEPS: Final = (0, 11, 1, 12)
#: The vendor's table of labels, for images and videos alike.
LABELS: Final = {
    0: "pending",
    1: "processing",
    2: "completed",
    3: "failed",
    5: "moderated",
    7: "moderated",
    11: "queued",
    12: "processing",
    14: "moderated",
}
#: Statuses of the web application behind the service, and whether they are final. Whether the service shows them is
#: not documented: here it does, without a label.
UNLABELED: Final = {6: False, 8: False, 9: True, 10: True, 16: False}
#: Those with a result: 10 is an appeal that was approved.
WITH_FILE: Final = frozenset({COMPLETED, 10})
#: Final by label; the vendor's samples show only that 2 is final and 1 is not.
FINAL: Final = frozenset({2, 3, 5, 7, 14, *(status for status, is_final in UNLABELED.items() if is_final)})

_MARKER = re.compile(r"\[(fail|moderate|unknown|status|stuck|hold|gone)(?::(\d+))?(?::(\d+))?\]")
_FINAL_BY_WORD = {"fail": FAILED, "unknown": UNKNOWN}


@dataclass(slots=True)
class Job:
    """One job. Times are seconds of the sandbox's clock; progress is counted in steps."""

    started: float
    step: float
    final_status: int = COMPLETED
    #: The progress that the job stops at.
    stops_at: float = math.inf
    #: Whether it is 404 once it has ended.
    gone: bool = False
    #: Whether the scheduler still follows it.
    tracked: bool = True
    reply_url: str | None = None
    reply_ref: str | None = None
    finished: bool = False

    def progress(self, now: float) -> float:
        """Return how many steps are done."""
        steps = (now - self.started) / self.step if self.step else len(STEPS)
        return min(max(steps, 0.0), self.stops_at, len(STEPS))

    def status(self, now: float) -> int:
        """Return the status at a moment."""
        done = self.progress(now)
        return self.final_status if self.finished or done >= len(STEPS) else STEPS[int(done)]

    def running(self, now: float) -> bool:
        """Return whether the job has no final status yet."""
        return self.status(now) not in FINAL

    def hold(self, now: float) -> None:
        """Stay in the current status until released."""
        self.stops_at = self.progress(now)

    def release(self, now: float) -> None:
        """Resume from where the job was held; one that was not held is left alone."""
        if math.isfinite(self.stops_at):
            self.started = now - self.stops_at * self.step
            self.stops_at = math.inf

    def finish(self, status: int) -> None:
        """End at once with a status."""
        self.final_status, self.finished = status, True

    def progress_fields(self, now: float) -> dict[str, Any]:
        """Return the ``message`` and ``percent`` of a running job."""
        percent = int(min(100 * self.progress(now) / len(STEPS), 99))
        message = "Waiting in the queue" if percent < 50 else f"Generating, {percent}% done"
        return {"message": message, "percent": percent}


def status_fields(status: int) -> dict[str, Any]:
    """Return what the API adds to a status: nothing to one that it does not know."""
    if status in UNLABELED:
        return {"statusFinal": UNLABELED[status]}
    if status not in LABELS:
        return {}
    return {"statusLabel": LABELS[status], "statusFinal": status in FINAL}


def new_job(prompt: str, position: int, started: float, step: float) -> Job:
    """Return the job of the ``position``-th image (from 1) of a batch, as its prompt asks."""
    job = Job(started=started, step=step)
    for word, first, second in _MARKER.findall(prompt):
        takes_status = word in ("moderate", "hold", "status")
        only = second if takes_status else first
        if not only or int(only) == position:
            _apply(job, word, int(first) if takes_status and first else None)
    return job


def _apply(job: Job, word: str, status: int | None) -> None:
    if word == "gone":
        job.gone = True
    elif word == "stuck":
        job.stops_at = STEPS.index(PROCESSING) + 0.5
    elif word == "hold":
        job.stops_at = (STEPS.index(status) if status in STEPS else 0) + 0.5
    elif word == "moderate":
        job.final_status = status if status in FINAL & LABELS.keys() else MODERATED
    elif word == "status":
        job.final_status = UNKNOWN if status is None else status
    else:
        job.final_status = _FINAL_BY_WORD[word]
