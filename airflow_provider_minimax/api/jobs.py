"""What the status of an image or a video means.

Images and videos share one table (the vendor's pages for GET /images and GET /videos/{videoId}). It
has grown several times since 2024, so the service's own ``statusFinal`` and ``statusLabel`` come
first, the table is the fallback, and a status that nobody knows yet means "keep waiting".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.moments import epoch_milliseconds
from airflow_provider_minimax.api.sendable import sendable

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
#: Labels after which nothing changes any more.
FINAL_LABELS: Final = frozenset({COMPLETED, FAILED, MODERATED})
KNOWN_LABELS: Final = frozenset(STATUS_LABELS.values())


_COMMON_FIELDS: Final = ("status", "statusLabel", "statusFinal", "createTime", "modelID", "aspectRatio")

#: The fields of a job that go into an XCom, before ``url``.
_COMPACT_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "image": ("imageId", "fileID", *_COMMON_FIELDS, "batchID", "desc"),
    "video": ("videoId", *_COMMON_FIELDS, "desc", "width", "height"),
}


def status_label(job: Job) -> str:
    """Return the label of a job's status; ``unknown (<number>)`` where nobody has named it."""
    label = job.get("statusLabel")
    if isinstance(label, str) and label:
        return label
    status = job.get("status")
    known = STATUS_LABELS.get(status) if isinstance(status, int) else None
    return known or f"unknown ({status})"


def is_final(job: Job) -> bool:
    """Tell whether a job's status can no longer change."""
    final = job.get("statusFinal")
    if isinstance(final, bool):
        return final
    return status_label(job) in FINAL_LABELS


def outcome(job: Job) -> str | None:
    """Return ``completed``, ``moderated`` or ``failed`` for a final job, None while it runs.

    A final status that is neither success nor moderation is a failure, whatever its number.
    """
    if not is_final(job):
        return None
    label = status_label(job)
    return label if label in FINAL_LABELS else FAILED


def created_at(job: Job) -> int | None:
    """Return when a job was created, in epoch milliseconds; None where the service does not say."""
    return epoch_milliseconds(job.get("createTime"))


def media_url(job: Job) -> str | None:
    """Return where the result lies: ``downloadURL`` (no watermark), else ``videoURL`` (images too)."""
    return job.get("downloadURL") or job.get("videoURL") or None


def compact(job: Job, kind: Kind = "image") -> dict[str, Any]:
    """Return the part of a job that goes into an XCom: an allow-list, every key there, all sendable."""
    row = {field: job.get(field) for field in _COMPACT_FIELDS[kind]}
    row["statusLabel"] = status_label(job)
    row["statusFinal"] = is_final(job)
    row["url"] = media_url(job)
    return {field: sendable(value) for field, value in row.items()}


def check_labels(parameter: str, labels: Collection[str], known: Collection[str]) -> frozenset[str]:
    """Return the labels as a set.

    :raises MiniMaxBadRequestError: one of them is not a label that can occur here.
    """
    if isinstance(labels, str):
        raise MiniMaxBadRequestError(f"{parameter} takes a list of status labels, not the string {labels!r}.")
    unknown = sorted(str(label) for label in set(labels) - set(known))
    if unknown:
        raise MiniMaxBadRequestError(
            f"{parameter}: unknown status label {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}."
        )
    return frozenset(labels)
