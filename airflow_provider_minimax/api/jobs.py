"""What the status of an image or a video means: running, completed, moderated or failed.

Images and videos share one table. The number decides; the spelling of the label is not documented. The table has grown
several times since 2024: for a number without a documented label, the service's own ``statusFinal``, its label and its
file decide. While none of them names an end, the job is running.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.serialization import to_plain_json
from airflow_provider_minimax.api.sources import JOB_PAGES, WEB_APPLICATION, Source
from airflow_provider_minimax.api.validation import is_list, members, quoted, read_literal

#: An image or a video as the API sends it. Every field is optional in practice.
Job = Mapping[str, Any]

COMPLETED: Final = "completed"
FAILED: Final = "failed"
MODERATED: Final = "moderated"


class Status(NamedTuple):
    """What is known of a status.

    :param label: the documented ``statusLabel``. None without one: then the number alone proves nothing.
    :param source: with its confidence.
    :param note: what it is said to mean, for a log.
    :param ends_with_file: a job with a file has ended, also where the service does not say so.
    """

    label: str | None
    source: Source
    note: str = ""
    ends_with_file: bool = False


STATUSES: Final[Mapping[int, Status]] = {
    0: Status("pending", JOB_PAGES),
    1: Status("processing", JOB_PAGES),
    2: Status(COMPLETED, JOB_PAGES),
    3: Status(FAILED, JOB_PAGES),
    5: Status(MODERATED, JOB_PAGES),
    6: Status(None, WEB_APPLICATION, "waits for review"),
    7: Status(MODERATED, JOB_PAGES),
    8: Status(None, WEB_APPLICATION, "appealing"),
    9: Status(None, WEB_APPLICATION, "appeal rejected"),
    10: Status(None, WEB_APPLICATION, "appeal approved", ends_with_file=True),
    11: Status("queued", JOB_PAGES),
    12: Status("processing", JOB_PAGES),
    14: Status(MODERATED, JOB_PAGES),
    16: Status(None, WEB_APPLICATION, "review of a real person"),
}
_UNKNOWN: Final = Status(None, WEB_APPLICATION)
#: Labels of a final status.
FINAL_LABELS: Final = frozenset({COMPLETED, FAILED, MODERATED})
KNOWN_LABELS: Final = frozenset(status.label for status in STATUSES.values() if status.label)
#: Other spellings of final labels.
_SPELLINGS: Final[Mapping[str, str]] = {
    "complete": COMPLETED,
    "done": COMPLETED,
    "finished": COMPLETED,
    "succeeded": COMPLETED,
    "success": COMPLETED,
    "error": FAILED,
    "fail": FAILED,
    "failure": FAILED,
}

_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)
#: The text of a number of at least ten digits, as JSON or Python writes it.
_TIMESTAMP: Final = re.compile(r"\d{10,}(\.\d+)?|\d\.\d+e\+?\d{1,3}", re.ASCII | re.IGNORECASE)
#: A number of ten digits is one of seconds (from 2001 to 2286); a larger one is one of milliseconds.
_SECONDS: Final = range(10**9, 10**10)
#: The year 10000 in milliseconds: no library can hold a later date.
_END: Final = 253_402_300_800_000

_COMMON_FIELDS: Final = ("status", "statusLabel", "statusFinal", "createTime", "modelID", "aspectRatio")

#: The fields of a job that go into an XCom, before ``url``.
_COMPACT_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "image": ("imageId", "fileID", *_COMMON_FIELDS, "batchID", "desc"),
    "video": ("videoId", *_COMMON_FIELDS, "desc", "width", "height"),
}


def status_label(job: Job) -> str:
    """Return the label of a job's status: the documented one of its number, else the service's own.

    ``unknown (<number>)`` without either.
    """
    return _status_of(job).label or _service_label(job) or f"unknown ({job.get('status')})"


def is_final(job: Job) -> bool:
    """Return whether a job's status is final, according to the service, its number or its label."""
    final = job.get("statusFinal")
    if isinstance(final, bool):
        return final
    return status_label(job) in FINAL_LABELS or (_status_of(job).ends_with_file and media_url(job) is not None)


def outcome(job: Job) -> str | None:
    """Return ``completed``, ``moderated`` or ``failed`` for a final job, None for a running one.

    If neither number nor label names the end, a job with a file is completed, and one without is failed. Check
    ``is_known_failure`` before submitting a job again.
    """
    if not is_final(job):
        return None
    return _named_end(job) or (COMPLETED if media_url(job) else FAILED)


def is_known_failure(job: Job) -> bool:
    """Return whether a job has certainly ended without a result, so that submitting it again pays nothing twice.

    An unknown final status is no proof: the job may have a result that is billed.
    """
    return is_final(job) and _named_end(job) in (FAILED, MODERATED)


def unknown_end(job: Job) -> str | None:
    """Return the final status of a job that has ended without a result and is not known to have failed, in words.

    :return: such as ``unknown final status 9 (appeal rejected)``; None for any other job.
    """
    if outcome(job) != FAILED or is_known_failure(job):
        return None
    words = ", ".join(dict.fromkeys(word for word in (_service_label(job), status_note(job)) if word))
    return f"unknown final status {job.get('status')}" + (f" ({words})" if words else "")


def status_note(job: Job) -> str:
    """Return what a status without a documented label is said to mean; empty if nothing is."""
    return _status_of(job).note


def selection_label(job: Job) -> str:
    """Return the label by which a job is selected: its outcome, or its status while it runs."""
    return outcome(job) or status_label(job)


def _named_end(job: Job) -> str | None:
    """Return the outcome that a final job's number names, else the one of its label."""
    documented = _status_of(job).label
    if documented in FINAL_LABELS:
        return documented
    label = _service_label(job)
    return label if label in FINAL_LABELS else None


def _status_of(job: Job) -> Status:
    """Return what is known of a job's status, also where it comes as ``"2"`` or ``2.0``."""
    status = job.get("status")
    if isinstance(status, str) and _DIGITS.fullmatch(status.strip()):
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int | float):
        return _UNKNOWN
    # 2.0 equals 2 as a key.
    return STATUSES.get(status, _UNKNOWN)  # type: ignore[arg-type]


def _service_label(job: Job) -> str | None:
    """Return the service's own label of a status, one that is known in its documented spelling."""
    label = job.get("statusLabel")
    if not isinstance(label, str) or not label.strip():
        return None
    spelled = label.strip().casefold()
    known = _SPELLINGS.get(spelled, spelled)
    return known if known in KNOWN_LABELS else label


def created_at(job: Job) -> int | None:
    """Return when a job was created, in epoch milliseconds; None without one."""
    return epoch_milliseconds(job.get("createTime"))


def epoch_milliseconds(value: object) -> int | None:
    """Return a number, or the text of one, as milliseconds since the epoch; None if it is no date.

    Ten digits are seconds: as milliseconds they would lie in the first months of 1970.
    """
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if _TIMESTAMP.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END:
        return None
    return round(value * 1000) if int(value) in _SECONDS else round(value)


def media_url(job: Job) -> str | None:
    """Return the URL of the result: ``downloadURL`` (no watermark), else ``videoURL`` (also for images)."""
    return job.get("downloadURL") or job.get("videoURL") or None


def compact(job: Job, kind: Kind = "image") -> dict[str, Any]:
    """Return the part of a job that goes into an XCom: an allow-list of keys, all present, all values plain JSON."""
    row = {field: job.get(field) for field in _COMPACT_FIELDS[kind]}
    row["statusLabel"] = status_label(job)
    row["statusFinal"] = is_final(job)
    row["url"] = media_url(job)
    return {field: to_plain_json(value) for field, value in row.items()}


def check_labels(parameter: str, labels: object, known: Collection[str]) -> frozenset[str]:
    """Return the labels as a set.

    :param labels: a list of them, or its text, as a template renders it.
    :raises MiniMaxBadRequestError: it is something else, or one of them is unknown or cannot occur here.
    """
    given = read_literal(parameter, labels, "a list of status labels")
    if not is_list(given):
        example = f"[{labels!r}]" if isinstance(labels, str) and labels in known else '["completed"]'
        raise MiniMaxBadRequestError(
            f"{parameter} takes a list of status labels, such as {example}, not {quoted(labels)}."
        )
    found = list(members(given))
    unknown = sorted({str(label) for label in found if not isinstance(label, str) or label not in known})
    if unknown:
        raise MiniMaxBadRequestError(
            f"{parameter}: unknown status label {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}."
        )
    return frozenset(str(label) for label in found)
