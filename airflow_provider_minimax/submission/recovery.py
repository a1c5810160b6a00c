"""Recovering the jobs of a create whose response was lost. Pure: takes what the service shows, returns ids.

There are two sources. The scheduler lists running jobs with their ``replyRef``, which identifies our create unless the
user chose it. The list of an account shows all jobs, finished ones too, but without ``replyRef``. From a list, only one
unambiguous batch is recovered: it matches the inputs, did not exist before the create and falls into its time window.
What existed before must be known, not assumed. A job that may belong to somebody else is never adopted: a missed job
costs a person a look, a stranger's job is a wrong result that nobody notices.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Literal, NamedTuple

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.api.jobs import created_at
from airflow_provider_minimax.api.models import image_ratio, match_model
from airflow_provider_minimax.submission.record import Record
from airflow_provider_minimax.submission.times import CLOCK_SKEW

Job = Mapping[str, Any]
#: Milliseconds after a create in which a job without a creation time may be ours if it shows our file. A file mostly
#: belongs to one run of a DAG, but not always: the next run must not recover the job of this one.
FILE_PROVES_FOR: Final = 3_600_000
#: Minimum characters of a truncated prompt: many jobs share fewer.
MIN_TRUNCATED: Final = 100
#: What may mark the truncation: dots, or the rest of a multi-byte character.
_TRUNCATION_MARKS: Final = ".\N{HORIZONTAL ELLIPSIS}\N{REPLACEMENT CHARACTER} "


class RecoveredJobs(NamedTuple):
    """The jobs of a create whose response was lost.

    :param by_ref: whether a ``replyRef`` of ours names at least one of them. Otherwise the list alone identifies them,
        by prompt, inputs and time.
    """

    ids: tuple[str, ...]
    by_ref: bool


class JobList(NamedTuple):
    """The list of an account.

    :param jobs: newest first, as far back as ``reaches_back`` says.
    :param is_complete: False if the list went on after the last page that was read.
    """

    account: str
    jobs: Sequence[Job]
    is_complete: bool = True


@dataclass(frozen=True)
class Recovery:
    """One search for the jobs of a create whose response was lost.

    :param body: of the create.
    :param now: epoch milliseconds, by our clock.
    :param delay: the longest retry delay between the attempt that sent the create and this one, in milliseconds.
    """

    record: Record
    body: Mapping[str, Any]
    now: int
    delay: int = 0

    def match(self, running: Iterable[Job], lists: Iterable[JobList]) -> RecoveredJobs | None:
        """Return the jobs, if they are unambiguous.

        :param running: from GET /scheduler/.
        :param lists: of each account that may hold the jobs.
        :return: exactly ``quantity`` ids; None if nothing, too little or more than one batch matches.
        """
        record, running, lists = self.record, list(running), list(lists)
        named = [] if record.shared_ref else _jobs_by_ref(record, running)
        for ids in named:
            if len(ids) == record.quantity:
                return RecoveredJobs(tuple(ids), by_ref=True)
        if not all(job_list.is_complete for job_list in lists):
            return None
        batches = [
            batch
            for batch in self.matching_batches(running, lists)
            if all(set(ids) <= set(batch) for ids in named) and (named or self._shows_defaults(lists, batch))
        ]
        if len(batches) != 1 or len(batches[0]) != record.quantity:
            return None
        if self._has_ambiguous_prompt(lists, batches[0]):
            return None
        # Whoever compares models sends one prompt to several at the same time. Only a replyRef tells ours then.
        if not named and self._has_unknown_model(lists, batches[0]):
            return None
        return RecoveredJobs(batches[0], by_ref=bool(named))

    def matching_batches(self, running: Iterable[Job], lists: Iterable[JobList]) -> list[tuple[str, ...]]:
        """Return the listed batches that can be ours, each in the order of creation.

        A batch with one job that cannot be ours is another create's as a whole. One that shows other values than the
        documented defaults can be ours: a service changes its defaults before its documents. It is not adopted, but
        as long as it is there nothing is paid again.
        """
        excluded = {*self.record.foreign_ids, *foreign_jobs(self.record, running)}
        batches: defaultdict[str, list[Job]] = defaultdict(list)
        possible: set[str] = set()
        for job_list in lists:
            for job in job_list.jobs:
                batches[_batch_of(self.record, job)].append(job)
            possible |= {full for full in self._possible_jobs(job_list) if full not in excluded}
        ids = (tuple(str(_id(self.record, job)) for job in reversed(batch)) for batch in batches.values())
        return [batch for batch in ids if possible.issuperset(batch)]

    def _possible_jobs(self, job_list: JobList) -> Iterator[str]:
        """Yield the new jobs of a list that can be ours."""
        for job in _new_jobs(self.record, job_list):
            full = _id(self.record, job)
            if not isinstance(full, str) or not _has_our_kind_and_account(self.record, full):
                continue
            if self._is_in_time(job_list, job) and self._matches_inputs(job):
                yield full

    def _is_in_time(self, job_list: JobList, job: Job) -> bool:
        created = created_at(job)
        if created is not None:
            return any(first <= created <= last for first, last in self.record.created_between())
        # Without a time, only its place before all known jobs shows that it is new. Later jobs of others do too.
        if self.record.closed or not _shows_known_jobs(self.record, job_list):
            return False
        delay = max(self.delay + CLOCK_SKEW, FILE_PROVES_FOR if _files_of(job) else 0)
        return self.now <= self.record.sent_before + delay

    def _matches_inputs(self, job: Job) -> bool:
        """Return whether nothing that a job shows contradicts the inputs. An unknown name of a model does not."""
        match = match_prompt(job.get("desc"), self.record.prompt)
        # A fan-out varies the end of one long prompt, and a truncated one hides it.
        if match is None or (match == "truncated" and self.record.is_mapped):
            return False
        if not _matches_files(self.body, job) or ("model" in self.body and self._match_model(job) == "other"):
            return False
        return self._matches_ratio(job, self.body.get("aspectRatio") or "auto")

    def _shows_defaults(self, lists: Iterable[JobList], batch: Sequence[str]) -> bool:
        """Return whether a batch contradicts no documented default of what the create left out."""
        ratio = image_ratio(self.body)
        return all(
            self._match_model(job) != "other" and self._matches_ratio(job, ratio) for job in self._jobs_of(lists, batch)
        )

    def _matches_ratio(self, job: Job, ratio: str) -> bool:
        # A list of videos shows no ratio.
        shown = job.get("aspectRatio")
        return self.record.kind == "video" or not shown or ratio.casefold() in ("auto", str(shown).casefold())

    def _match_model(self, job: Job) -> str | None:
        return match_model(self.record.kind, self.body, job.get("modelID"))

    def _has_unknown_model(self, lists: Iterable[JobList], batch: Sequence[str]) -> bool:
        """Return whether a batch shows a name that is not known to be our model's."""
        return any(job.get("modelID") and self._match_model(job) is None for job in self._jobs_of(lists, batch))

    def _jobs_of(self, lists: Iterable[JobList], batch: Sequence[str]) -> Iterator[Job]:
        return (job for job_list in lists for job in job_list.jobs if _id(self.record, job) in batch)

    def _has_ambiguous_prompt(self, lists: Iterable[JobList], batch: Sequence[str]) -> bool:
        """Return whether a batch shows a truncated prompt that also matches another job.

        However old that job is: the two prompts may differ where the list shows nothing.
        """
        matches = [
            (_id(self.record, job) in batch, match_prompt(job.get("desc"), self.record.prompt))
            for job_list in lists
            for job in job_list.jobs
        ]
        is_truncated = any(is_ours and match == "truncated" for is_ours, match in matches)
        return is_truncated and any(not is_ours and match is not None for is_ours, match in matches)


def foreign_jobs(record: Record, running: Iterable[Job]) -> list[str]:
    """Return the running jobs without a ``replyRef`` of ours. They belong to others, whatever else matches.

    Each create of ours sends one, and the scheduler shows it (the vendor's pages for both).
    """
    ours = (record.reply_ref, *record.earlier_refs)
    return _running_ids(record, (job for job in running if job.get("replyRef") not in ours))


def reaches_back(record: Record, account: str, page: Iterable[Job]) -> bool:
    """Return whether a page of a list reaches back to jobs from before the create."""
    first = min(first for first, _ in record.created_between())
    known = record.known_ids.get(account, ())
    return any(_id(record, job) in known or (created_at(job) or first) < first for job in page)


def match_prompt(shown: object, sent: str) -> Literal["exact", "truncated"] | None:
    """Return how the prompt in a list matches the prompt that was sent; None when it does not.

    The service may store it in another form: line ends, whitespace and the Unicode form of accents
    (NFC or NFD) are ignored.

    :param shown: the ``desc`` of a job.
    :return: ``"truncated"`` when it is only the beginning, which other prompts may share.
    """
    if not isinstance(shown, str | None):
        return None
    ours, theirs = _normalize(sent), _normalize(shown or "")
    if theirs == ours:
        return "exact"
    stem = theirs.rstrip(_TRUNCATION_MARKS)
    return "truncated" if len(stem) >= MIN_TRUNCATED and ours.startswith(stem) else None


def _normalize(text: str) -> str:
    # NFD, so that a prompt truncated between a letter and its accent still matches.
    return " ".join(unicodedata.normalize("NFD", text).split())


# The scheduler


def _jobs_by_ref(record: Record, running: Sequence[Job]) -> list[list[str]]:
    """Return the jobs under each ``replyRef`` of ours, those of the latest create first.

    Their start time does not matter: nobody else knows the reference.
    """
    refs = (record.reply_ref, *reversed(record.earlier_refs))
    by_ref = (_running_ids(record, (job for job in running if job.get("replyRef") == ref)) for ref in refs)
    return [ids for ids in by_ref if ids]


def _running_ids(record: Record, running: Iterable[Job]) -> list[str]:
    """Return the ids of our kind and account, each once. An image may stand under ``videoId`` too."""
    ids = (job.get("imageId") or job.get("videoId") for job in running)
    return list(dict.fromkeys(one for one in ids if isinstance(one, str) and _has_our_kind_and_account(record, one)))


def _has_our_kind_and_account(record: Record, full: str) -> bool:
    try:
        parse_id(full, record.kind, account=record.account)
    except MiniMaxBadRequestError:
        return False
    return True


# The list


def _new_jobs(record: Record, job_list: JobList) -> Iterable[Job]:
    known = record.known_ids.get(job_list.account, ())
    return takewhile(lambda job: _id(record, job) not in known, job_list.jobs)


def _batch_of(record: Record, job: Job) -> str:
    """Return what the jobs of one create share. A video is a batch of its own."""
    return str((job.get("batchID") if record.kind == "image" else None) or _id(record, job))


def _shows_known_jobs(record: Record, job_list: JobList) -> bool:
    """Return whether the list shows where the jobs from before the create begin.

    If all known jobs are gone, the jobs on top may be even older.
    """
    known = record.known_ids.get(job_list.account)
    if known is None:
        return False
    return not known or any(_id(record, job) in known for job in job_list.jobs)


def _matches_files(body: Mapping[str, Any], job: Job) -> bool:
    """Return whether a job shows our first frame and no file that was not sent; no file if none was sent."""
    sent = {_bare(value) for name, value in body.items() if "fileid" in name.lower()}
    shown = _files_of(job)
    first = {_bare(body["fileID"])} if body.get("fileID") else set()
    return bool(shown) == bool(sent) and first <= shown <= sent


def _files_of(job: Job) -> set[str]:
    files = job.get("originFiles")
    return {_bare(file["id"]) for file in files or () if isinstance(file, Mapping) and file.get("id")}


def _bare(file_id: object) -> str:
    return str(file_id).rpartition(":")[2]


def _id(record: Record, job: Job) -> object:
    return job.get(f"{record.kind}Id")
