"""Finding the jobs of a create whose answer was lost. Pure: what the service shows comes in, ids come out.

There are two places to look. The scheduler lists running jobs with their ``replyRef``, which is ours alone. The
list of the account shows all jobs, finished ones too, without it: there, only one unambiguous batch will do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.ordering.ledger import Record

Entry = Mapping[str, Any]


def in_scheduler(record: Record, entries: Iterable[Entry]) -> list[str]:
    """Return the ids that the scheduler lists under our ``replyRef``, each once.

    :param entries: of GET /scheduler/. An image may stand under ``videoId`` too.
    """
    ids = (entry.get("imageId") or entry.get("videoId") for entry in entries if _is_ours(record, entry))
    return list(dict.fromkeys(found for found in ids if isinstance(found, str) and _fits(record, found)))


def foreign(record: Record, entries: Iterable[Entry]) -> set[str]:
    """Return the ids that the scheduler lists under another ``replyRef``: not ours, whatever else fits."""
    named = (entry for entry in entries if entry.get("replyRef") and entry["replyRef"] != record.reply_ref)
    return {str(entry.get("imageId") or entry.get("videoId")) for entry in named}


def adopt(record: Record, running: Sequence[str], listed: Sequence[Entry], excluded: set[str]) -> list[str] | None:
    """Return the ids of the lost create, when the list leaves no doubt.

    :param running: from ``in_scheduler``: some of the ids.
    :param listed: items of the account's list, newest first.
    :param excluded: from ``foreign``.
    :return: exactly ``quantity`` ids; None when nothing fits, too little, or more than one batch.
    """
    batches = [batch for batch in _batches(record, listed, excluded) if set(running) <= set(batch)]
    if len(batches) != 1 or len(batches[0]) != record.quantity:
        return None
    return batches[0]


def _batches(record: Record, listed: Sequence[Entry], excluded: set[str]) -> list[list[str]]:
    """Return the batches of the list that can be ours, each in the order of creation."""
    found: defaultdict[object, list[str]] = defaultdict(list)
    for item in listed:
        full = item.get("imageId") if record.kind == "image" else item.get("videoId")
        if record.seen and full in record.seen:
            break
        if not isinstance(full, str) or full in excluded or not _fits(record, full):
            continue
        if (item.get("desc") or "") == record.prompt and _is_new(record, item):
            # A video is a batch of its own.
            found[(item.get("batchID") or full) if record.kind == "image" else full].append(full)
    return [batch[::-1] for batch in found.values()]


def _is_new(record: Record, item: Entry) -> bool:
    created = item.get("createTime")
    # Without a time, only what stands before all that was there already is new.
    return _in_window(record, created) if isinstance(created, int) else record.seen is not None


def _in_window(record: Record, created: float) -> bool:
    first, last = record.window()
    return first <= created <= last


def _is_ours(record: Record, entry: Entry) -> bool:
    if entry.get("replyRef") != record.reply_ref:
        return False
    # A replyRef of the user's own may be shared by several creates.
    started = entry.get("started")
    try:
        at = datetime.fromisoformat(started).timestamp() * 1000 if isinstance(started, str) else None
    except ValueError:
        at = None
    return at is None or _in_window(record, at)


def _fits(record: Record, full: str) -> bool:
    """Tell whether an id is of our kind and account."""
    try:
        parse_id(full, record.kind, account=record.account)
    except MiniMaxBadRequestError:
        return False
    return True
