"""What the status of an image or a video means: running, completed, moderated or failed.

Images and videos share one table (the vendor's pages for GET /images and GET /videos/{videoId}). The number decides;
the spelling of the label is not documented. The table has grown several times since 2024: for an unknown number, the
service's own ``statusFinal``, its label and its file decide. While none of them names an end, the job is running.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.serialization import to_plain_json
from airflow_provider_minimax.api.timestamps import epoch_milliseconds
from airflow_provider_minimax.api.validation import is_list, members, quoted, read_literal

#: An image or a video as the API sends it. Every field is optional in practice.
Job = Mapping[str, Any]

COMPLETED: Final = "completed"
FAILED: Final = "failed"
MODERATED: Final = "moderated"

#: status -> statusLabel, as documented.
STATUS_LABELS: Final[Mapping[int, str]] = {
    0: "pending",
    1: "processing",
    2: COMPLETED,
    3: FAILED,
    5: MODERATED,
    7: MODERATED,
    11: "queued",
    12: "processing",
    14: MODERATED,
}
#: Labels of a final status.
FINAL_LABELS: Final = frozenset({COMPLETED, FAILED, MODERATED})
KNOWN_LABELS: Final = frozenset(STATUS_LABELS.values())
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
    by_number = _label_of_number(job)
    if by_number is not None:
        return by_number
    label = job.get("statusLabel")
    if not isinstance(label, str) or not label.strip():
        return f"unknown ({job.get('status')})"
    spelled = label.strip().casefold()
    known = _SPELLINGS.get(spelled, spelled)
    return known if known in KNOWN_LABELS else label


def is_final(job: Job) -> bool:
    """Return whether a job's status is final, according to the service, its number or its label."""
    final = job.get("statusFinal")
    if isinstance(final, bool):
        return final
    return status_label(job) in FINAL_LABELS


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


def selection_label(job: Job) -> str:
    """Return the label by which a job is selected: its outcome, or its status while it runs."""
    return outcome(job) or status_label(job)


def _named_end(job: Job) -> str | None:
    """Return the outcome that a final job's number names, else the one of its label."""
    by_number = _label_of_number(job)
    if by_number in FINAL_LABELS:
        return by_number
    label = status_label({"statusLabel": job.get("statusLabel")})
    return label if label in FINAL_LABELS else None


def _label_of_number(job: Job) -> str | None:
    """Return the documented label of a status, also where it comes as ``"2"`` or ``2.0``; None for any other."""
    status = job.get("status")
    if isinstance(status, str) and _DIGITS.fullmatch(status.strip()):
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int | float):
        return None
    # 2.0 equals 2 as a key.
    return STATUS_LABELS.get(status)  # type: ignore[arg-type]


def created_at(job: Job) -> int | None:
    """Return when a job was created, in epoch milliseconds; None without one."""
    return epoch_milliseconds(job.get("createTime"))


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
