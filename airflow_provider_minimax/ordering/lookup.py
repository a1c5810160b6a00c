"""Finding the jobs of a create whose answer was lost. Pure: what the service shows comes in, ids come out.

There are two places to look. The scheduler lists running jobs with their ``replyRef``, which is ours alone unless the
user has set it. The list of an account shows all jobs, finished ones too, without it: there only one unambiguous batch
will do, of what was asked for, that was not there before, within the time in which it can have been made. What may be
somebody else's is never taken: a job that is not found costs a person a look, a job that is taken wrongly is a wrong
result that nobody sees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.rules import image_model, image_ratio
from airflow_provider_minimax.ordering.ledger import Record

Entry = Mapping[str, Any]
#: Milliseconds after a create in which a job without a time of creation may be ours when it shows our file. A file
#: mostly belongs to one run of a DAG, but not for certain: the next run must find nothing of this one.
FILE_PROVES_FOR: Final = 3_600_000


class Found(NamedTuple):
    """The jobs of a lost create.

    :param by_ref: whether a ``replyRef`` of ours alone names them, at least in part; otherwise they are what the list
        shows of the prompt, the inputs and the time.
    """

    ids: tuple[str, ...]
    by_ref: bool


def find(
    record: Record, body: Mapping[str, Any], running: Iterable[Entry], lists: Iterable[Sequence[Entry]], now: int
) -> Found | None:
    """Return the jobs of a lost create, where there is no doubt.

    :param body: what the create has sent.
    :param running: of GET /scheduler/.
    :param lists: for each account that may hold the jobs its list, newest first, as far back as ``is_behind`` says.
    :param now: epoch milliseconds at which all this was asked.
    :return: exactly ``quantity`` ids; None when nothing fits, too little, or more than one batch.
    """
    running = list(running)
    named = _under_our_ref(record, running)
    if not record.shared_ref and len(named) == record.quantity:
        return Found(tuple(named), by_ref=True)
    excluded = {*record.others, *of_others(record, running)}
    batches = list(_batches(record, body, lists, excluded, now))
    if not record.shared_ref:
        batches = [batch for batch in batches if set(named) <= set(batch)]
    if len(batches) != 1 or len(batches[0]) != record.quantity:
        return None
    return Found(tuple(batches[0]), by_ref=bool(named) and not record.shared_ref)


def of_others(record: Record, running: Iterable[Entry]) -> list[str]:
    """Return the jobs that the scheduler lists under another ``replyRef``: not ours, whatever else fits."""
    named = (entry for entry in running if entry.get("replyRef") and entry["replyRef"] != record.reply_ref)
    return _ids(record, named)


def is_behind(record: Record, page: Iterable[Entry]) -> bool:
    """Tell whether a page of a list reaches back to what was there before the create."""
    first, _ = record.window()
    return any(_was_there(record, item) or (created_at(item) or first) < first for item in page)


# The scheduler


def _under_our_ref(record: Record, running: Iterable[Entry]) -> list[str]:
    ours = (entry for entry in running if entry.get("replyRef") == record.reply_ref)
    # A replyRef of the user's own may be shared by several creates.
    return _ids(record, (entry for entry in ours if _started_in_time(record, entry)))


def _ids(record: Record, running: Iterable[Entry]) -> list[str]:
    """Return the ids of our kind and account, each once. An image may stand under ``videoId`` too."""
    ids = (entry.get("imageId") or entry.get("videoId") for entry in running)
    return list(dict.fromkeys(found for found in ids if isinstance(found, str) and _is_of_our_kind(record, found)))


def _started_in_time(record: Record, entry: Entry) -> bool:
    started = entry.get("started")
    try:
        at = datetime.fromisoformat(started).timestamp() * 1000 if isinstance(started, str) else None
    except ValueError:
        at = None
    return at is None or _in_window(record, at)


# The list


def _batches(
    record: Record, body: Mapping[str, Any], lists: Iterable[Sequence[Entry]], excluded: set[str], now: int
) -> Iterator[list[str]]:
    """Yield the batches that can be ours, each in the order of creation."""
    found: defaultdict[object, list[str]] = defaultdict(list)
    for items in lists:
        for item in takewhile(lambda one: not _was_there(record, one), items):
            full = _id(record, item)
            if not isinstance(full, str) or full in excluded or not _is_of_our_kind(record, full):
                continue
            if _is_in_time(record, item, now) and _is_as_asked(record, body, item):
                # A video is a batch of its own.
                found[(item.get("batchID") or full) if record.kind == "image" else full].append(full)
    for batch in found.values():
        yield batch[::-1]


def _was_there(record: Record, item: Entry) -> bool:
    return record.seen is not None and _id(record, item) in record.seen


def _is_in_time(record: Record, item: Entry, now: int) -> bool:
    created = created_at(item)
    if created is not None:
        return _in_window(record, created)
    # Without a time, only what stands before all that was there already is new, and soon others' jobs do so too.
    _, last = record.window()
    return record.seen is not None and now <= (record.until + FILE_PROVES_FOR if _files_shown(item) else last)


def _is_as_asked(record: Record, body: Mapping[str, Any], item: Entry) -> bool:
    """Tell whether nothing that an item shows speaks against its being what was asked for."""
    if (item.get("desc") or "").strip() != record.prompt.strip():
        return False
    if not _has_our_files(body, item):
        return False
    if record.kind == "video":
        # A list of videos shows neither model nor size.
        return True
    ratio = image_ratio(body)
    return _agrees(item.get("modelID"), image_model(body)) and (
        ratio.casefold() == "auto" or _agrees(item.get("aspectRatio"), ratio)
    )


def _has_our_files(body: Mapping[str, Any], item: Entry) -> bool:
    """Tell whether an item shows our first frame and no file that was not sent; where none was sent, no file."""
    sent = {_bare(value) for name, value in body.items() if "fileid" in name.lower()}
    shown = _files_shown(item)
    first = {_bare(body["fileID"])} if body.get("fileID") else set()
    return bool(shown) == bool(sent) and first <= shown <= sent


def _files_shown(item: Entry) -> set[str]:
    files = item.get("originFiles")
    return {_bare(file["id"]) for file in files or () if isinstance(file, Mapping) and file.get("id")}


def _bare(file_id: object) -> str:
    return str(file_id).rpartition(":")[2]


def _agrees(shown: object, asked: str) -> bool:
    return not shown or str(shown).casefold() == asked.casefold()


def _id(record: Record, item: Entry) -> object:
    return item.get("imageId") if record.kind == "image" else item.get("videoId")


def _in_window(record: Record, created: float) -> bool:
    first, last = record.window()
    return first <= created <= last


def _is_of_our_kind(record: Record, full: str) -> bool:
    """Tell whether an id is of our kind and account."""
    try:
        parse_id(full, record.kind, account=record.account)
    except MiniMaxBadRequestError:
        return False
    return True
