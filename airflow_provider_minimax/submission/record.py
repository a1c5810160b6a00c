"""The record of one create, which outlives the attempt that sends it.

The service has no idempotency key and Airflow retries. So an attempt stores a record before it sends a create (the
intent) and again when it knows the job ids. The next attempt reads the record and resumes from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

import msgspec

from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.submission.times import CLOCK_SKEW

_VERSION: Final = 1
#: Fields of a create that do not change what is generated.
_NOT_GENERATING: Final = frozenset({"account", "replyUrl", "replyRef", "maxJobs"})

#: ``intent``: a create was about to be sent, and may have been. ``refused``: it made no job. ``created``: the ids are
#: known.
Phase = Literal["intent", "refused", "created"]
#: Milliseconds since the epoch, and between two clocks: their sum is a time that can be written as a date.
_Time = Annotated[int, msgspec.Meta(ge=0, le=10**14)]
_Offset = Annotated[int, msgspec.Meta(ge=-(10**13), le=10**13)]
#: A whole number stays one when it is loaded: the XCom of a retry is that of the first attempt.
_Credits = int | float | None


class Submission(NamedTuple):
    """Jobs that were submitted, and what they cost.

    :param credits: of all jobs, by the price that was known before; None if it was not.
    :param source: of the price.
    :param jobs: their ids.
    """

    credits: _Credits
    source: str | None
    jobs: tuple[str, ...]
    model: str | None
    account: str


@dataclass(frozen=True)
class Record:
    """The state of one create.

    :param fingerprint: of the inputs; see ``fingerprint``.
    :param reply_ref: the ``replyRef`` that was sent; the scheduler lists a running job with it.
    :param shared_ref: whether the user chose it, so that other creates may carry it too.
    :param prompt: as sent; a list shows it as ``desc``.
    :param account: the requested account; None where the service chooses.
    :param quantity: the number of jobs that the create makes.
    :param sent_after: epoch milliseconds, just before the create was sent.
    :param sent_before: epoch milliseconds, just after its response, or the latest time at which it can have been sent.
    :param max_tries: of the task at that time. Clearing the task changes it; a retry does not.
    :param attempt: the number of the attempt that sent it.
    :param known_ids: by account, the ids of the newest jobs before the create. An account is missing when it could not
        be read, or when nothing confirmed that its empty list is right.
    :param ids: of the jobs.
    :param foreign_ids: ids of jobs that belong to other creates.
    :param earlier_refs: the ``replyRef`` of each earlier create for the same job whose outcome is unknown.
    :param earlier_sent: ``sent_after`` and ``sent_before`` of each of them.
    :param clock_offset: milliseconds by which the service's clock was ahead of ours.
    :param clock_margin: milliseconds of uncertainty of ``clock_offset``.
    :param unknown_in: the number of the latest attempt that met an unknown outcome.
    :param resubmitted_in: the number of the latest attempt that sent a create after an unknown outcome.
    :param accepted: the error, where the response accepted the create and named no job. It is billed, so no policy
        sends it again. None otherwise.
    :param is_mapped: whether the task is mapped; then the prompts of its siblings may begin alike.
    :param closed: an attempt has read all new jobs, searched to its end and found nothing. A job without a creation
        time that appears later is not provably ours.
    :param model: the model of the create.
    :param credits: what it costs; None if unknown.
    :param price_source: where that price is from.
    :param spent: all submissions of the task so far whose jobs are known, this one included.
    """

    kind: Kind
    fingerprint: str
    reply_ref: str
    shared_ref: bool
    prompt: str
    account: str | None
    quantity: int
    sent_after: _Time
    sent_before: _Time
    max_tries: int
    attempt: int = 0
    known_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phase: Phase = "intent"
    ids: tuple[str, ...] = ()
    foreign_ids: tuple[str, ...] = ()
    earlier_refs: tuple[str, ...] = ()
    earlier_sent: tuple[tuple[_Time, _Time], ...] = ()
    clock_offset: _Offset = 0
    clock_margin: int = CLOCK_SKEW
    unknown_in: int | None = None
    resubmitted_in: int | None = None
    accepted: str | None = None
    is_mapped: bool = False
    closed: bool = False
    model: str | None = None
    credits: _Credits = None
    price_source: str | None = None
    spent: tuple[Submission, ...] = ()

    @property
    def label(self) -> str:
        """The jobs, as a log line names them."""
        return ", ".join(self.ids) or f"replyRef {self.reply_ref}"

    @property
    def metric_tags(self) -> dict[str, str | None]:
        """The tags of metrics about this create."""
        account = self.account or (parse_id(self.ids[0], self.kind).account if self.ids else None)
        return {"kind": self.kind, "account": account, "model": self.model}

    def with_jobs(self, ids: Sequence[str]) -> Self:
        """Return the record of a create whose jobs are known."""
        account = parse_id(ids[0], self.kind).account
        spent = Submission(self.credits, self.price_source, tuple(ids), self.model, account)
        return replace(self, phase="created", ids=tuple(ids), spent=(*self.spent, spent))

    def created_between(self) -> list[tuple[int, int]]:
        """Return the earliest and latest creation time of our job, by the service's clock, in epoch milliseconds.

        :return: for each create that may have made it, the first one first.
        """
        margin = self.clock_margin
        sent = (*self.earlier_sent, (self.sent_after, self.sent_before))
        return [(after + self.clock_offset - margin, before + self.clock_offset + margin) for after, before in sent]

    def dump(self) -> dict[str, Any]:
        """Return the record as JSON types."""
        # Airflow's store takes no tuples.
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"version": _VERSION} | plain

    @classmethod
    def load(cls, value: object) -> Self | UnreadableRecord | None:
        """Return the record that ``dump`` gave; None for None."""
        if value is None:
            return None
        if not isinstance(value, dict) or value.get("version") != _VERSION:
            return UnreadableRecord.of(value)
        try:
            record = msgspec.convert(value, cls, strict=True)
        except msgspec.ValidationError:
            return UnreadableRecord.of(value)
        return UnreadableRecord.of(value) if record.phase == "created" and not record.ids else record


class UnreadableRecord(NamedTuple):
    """A stored record that this version cannot read. It may stand for a billed job.

    Another version of this package wrote it, or a worker with another ``state_store_backend``, or it was damaged.

    :param label: the ids or the ``replyRef`` that it still shows.
    :param max_tries: likewise.
    """

    label: str | None
    max_tries: int | None

    @classmethod
    def of(cls, value: object) -> Self:
        """Return what a stored value still shows."""
        fields = value if isinstance(value, dict) else {}
        ids, ref, max_tries = fields.get("ids"), fields.get("reply_ref"), fields.get("max_tries")
        label = ", ".join(map(str, ids)) if isinstance(ids, list) and ids else f"replyRef {ref}" if ref else None
        return cls(label, max_tries if isinstance(max_tries, int) and not isinstance(max_tries, bool) else None)


def fingerprint(kind: Kind, body: Mapping[str, Any], account: str | None) -> str:
    """Return a digest of the inputs of a create.

    :param body: as it is sent.
    :param account: as the task names it. An account that was chosen for the task is no input.
    """
    inputs = {name: value for name, value in body.items() if name not in _NOT_GENERATING}
    text = json.dumps([kind, account, inputs], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
