"""What logs and errors say of a create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxUnknownOutcomeError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.submission.record import Record

#: Characters of a prompt in a log line or an error.
_MAX_PROMPT: Final = 60
#: Batches of an ambiguous search in a log line or an error.
_MAX_CANDIDATES: Final = 3


def unknown_outcome_error(record: Record, what: str) -> MiniMaxUnknownOutcomeError:
    """Return the error of a create whose outcome stays unknown: what happened, and what to look for."""
    sent_after = min([record.sent_after, *(after for after, _ in record.earlier_sent)])
    first, last = sent_after + record.clock_offset, record.sent_before + record.clock_offset
    return MiniMaxUnknownOutcomeError(
        f"{what} {look_for(record.kind, record.prompt, record.account)}, created between {_iso(first)} and "
        f"{_iso(last)} by the service's clock, sent with replyRef {record.reply_ref}. Each "
        "retry searches again and creates nothing; clear the task to submit a new job."
    )


def search_verdict(candidates: Sequence[tuple[str, ...]]) -> str:
    """Return the verdict of a search that found no unambiguous job.

    :param candidates: the batches that match.
    """
    if not candidates:
        return "Its job was not found."
    shown = "; ".join(", ".join(ids) for ids in candidates[:_MAX_CANDIDATES])
    more = len(candidates) - _MAX_CANDIDATES
    return (
        "Its job is ambiguous, so none is adopted: what matches may be another create's "
        f"({shown}{f'; {more} more' if more > 0 else ''})."
    )


def look_for(kind: Kind, prompt: str | None, account: str | None) -> str:
    """Return what to look for at the service."""
    where = f"on account {account}" if account else "on each account of the connection"
    return f"Look for {MEDIA_KINDS[kind].with_article} with the prompt {shorten(prompt)} {where}"


def shorten(prompt: str | None) -> str:
    """Return a prompt, or its beginning, in quotes."""
    text = prompt or ""
    return repr(text if len(text) <= _MAX_PROMPT else f"{text[:_MAX_PROMPT]}...")


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
