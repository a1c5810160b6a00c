"""Finding the jobs of a create whose response was lost. Pure: what the service shows comes in, ids come out.

There are two places to look. The scheduler lists running jobs with their ``replyRef``, which is ours alone unless the
user has set it. The list of an account shows all jobs, finished ones too, without it: there only one unambiguous batch
will do, of what was asked for, that was not there before, within the time in which it can have been made. What was
there before has to be known, not assumed. What may be somebody else's is never adopted: a job that is not found costs a
person a look, a stranger's job is a wrong result that nobody sees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.models import image_model, image_ratio
from airflow_provider_minimax.submission.clock import CLOCK_SKEW
from airflow_provider_minimax.submission.prompts import agreement
from airflow_provider_minimax.submission.record import Record

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


class Listing(NamedTuple):
    """What the list of an account shows.

    :param items: newest first, as far back as ``is_behind`` says.
    :param is_whole: False where there was more than could be read: what lies behind could fit as well.
    """

    account: str
    items: Sequence[Entry]
    is_whole: bool = True


@dataclass(frozen=True)
class Look:
    """One look for the jobs of a lost create.

    :param body: what the create has sent.
    :param now: epoch milliseconds, by our clock.
    :param delay: milliseconds that Airflow may have waited between the attempt that sent the create and this one.
    """

    record: Record
    body: Mapping[str, Any]
    now: int
    delay: int = 0

    def find(self, running: Iterable[Entry], lists: Iterable[Listing]) -> Found | None:
        """Return the jobs, where they are unambiguous.

        :param running: of GET /scheduler/.
        :param lists: of each account that may hold the jobs.
        :return: exactly ``quantity`` ids; None when nothing fits, too little, or more than one batch.
        """
        record, running, lists = self.record, list(running), list(lists)
        named = [] if record.shared_ref else _under_our_refs(record, running)
        for ids in named:
            if len(ids) == record.quantity:
                return Found(tuple(ids), by_ref=True)
        if not all(listing.is_whole for listing in lists):
            return None
        excluded = {*record.others, *of_others(record, running)}
        batches = list(self._batches(lists, excluded))
        batches = [batch for batch in batches if all(set(ids) <= set(batch) for ids in named)]
        if len(batches) != 1 or len(batches[0]) != record.quantity:
            return None
        if self._is_shared_beginning(lists, batches[0]):
            return None
        return Found(tuple(batches[0]), by_ref=bool(named))

    @property
    def is_last(self) -> bool:
        """Whether what a list without times shows for the first time after this look is too late to be ours."""
        return self.now > self.record.until + CLOCK_SKEW

    def _batches(self, lists: Iterable[Listing], excluded: set[str]) -> Iterator[list[str]]:
        """Yield the batches that can be ours, each in the order of creation."""
        record = self.record
        found: defaultdict[str, list[str]] = defaultdict(list)
        for listing in lists:
            for item in _new_items(record, listing):
                full = _id(record, item)
                if not isinstance(full, str) or full in excluded or not _is_of_our_kind(record, full):
                    continue
                if self._is_in_time(listing, item) and self._is_as_asked(item):
                    # A video is a batch of its own.
                    found[str(item.get("batchID") or full) if record.kind == "image" else full].append(full)
        for batch in found.values():
            yield batch[::-1]

    def _is_in_time(self, listing: Listing, item: Entry) -> bool:
        created = created_at(item)
        if created is not None:
            return _in_window(self.record, created)
        # Without a time, only what stands before all that was there already is new, and soon others' jobs do so too.
        if self.record.closed or not _shows_what_is_new(self.record, listing):
            return False
        delay = max(self.delay + CLOCK_SKEW, FILE_PROVES_FOR if _files_shown(item) else 0)
        return self.now <= self.record.until + delay

    def _is_as_asked(self, item: Entry) -> bool:
        """Tell whether nothing that an item shows speaks against its being what was asked for."""
        if agreement(item.get("desc"), self.record.prompt) is None:
            return False
        if not _has_our_files(self.body, item):
            return False
        if self.record.kind == "video":
            # A list of videos shows neither model nor size.
            return True
        ratio = image_ratio(self.body)
        return _agrees(item.get("modelID"), image_model(self.body)) and (
            ratio.casefold() == "auto" or _agrees(item.get("aspectRatio"), ratio)
        )

    def _is_shared_beginning(self, lists: Iterable[Listing], batch: Sequence[str]) -> bool:
        """Tell whether a batch shows only the beginning of our prompt, and another job shows it, too.

        However old that one is, and whoever's: prompts then differ where the list shows nothing.
        """
        shown = [
            (_id(self.record, item) in batch, agreement(item.get("desc"), self.record.prompt))
            for listing in lists
            for item in listing.items
        ]
        is_cut = any(is_ours and how == "cut" for is_ours, how in shown)
        return is_cut and any(not is_ours and how is not None for is_ours, how in shown)


def of_others(record: Record, running: Iterable[Entry]) -> list[str]:
    """Return the jobs that the scheduler lists without a ``replyRef`` of ours: not ours, whatever else fits.

    Each create of ours sends one, and the scheduler shows it (the vendor's pages for both).
    """
    ours = (record.reply_ref, *record.former_refs)
    return _ids(record, (entry for entry in running if entry.get("replyRef") not in ours))


def is_behind(record: Record, account: str, page: Iterable[Entry]) -> bool:
    """Tell whether a page of a list reaches back to what was there before the create."""
    first, _ = record.window()
    seen = record.seen.get(account, ())
    return any(_id(record, item) in seen or (created_at(item) or first) < first for item in page)


# The scheduler


def _under_our_refs(record: Record, running: Sequence[Entry]) -> list[list[str]]:
    """Return the jobs under each ``replyRef`` of ours, those of the latest create first.

    Whenever they have started: nobody else knows the reference.
    """
    refs = (record.reply_ref, *reversed(record.former_refs))
    named = (_ids(record, (entry for entry in running if entry.get("replyRef") == ref)) for ref in refs)
    return [ids for ids in named if ids]


def _ids(record: Record, running: Iterable[Entry]) -> list[str]:
    """Return the ids of our kind and account, each once. An image may stand under ``videoId`` too."""
    ids = (entry.get("imageId") or entry.get("videoId") for entry in running)
    return list(dict.fromkeys(found for found in ids if isinstance(found, str) and _is_of_our_kind(record, found)))


# The list


def _new_items(record: Record, listing: Listing) -> Iterable[Entry]:
    seen = record.seen.get(listing.account, ())
    return takewhile(lambda item: _id(record, item) not in seen, listing.items)


def _shows_what_is_new(record: Record, listing: Listing) -> bool:
    """Tell whether the list shows where that ends which was there before the create.

    Where all of what was seen is gone, what stands there now may be older still.
    """
    seen = record.seen.get(listing.account)
    if seen is None:
        return False
    return not seen or any(_id(record, item) in seen for item in listing.items)


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
