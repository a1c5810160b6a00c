"""What a task has ordered and paid for, kept across its tries, and what the next try makes of it.

The service has no idempotency key and Airflow retries, so a create leaves a record before it is sent (the
intent) and once more when its ids are known. The next try reads it and goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, Self

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.submission.clock import CLOCK_SKEW

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.api.ids import Kind

#: Where the record lies in the store of the task.
KEY: Final = "minimax_create"
#: Where it lies since when a rescheduled try has been waiting for room.
_WAITING_KEY: Final = "minimax_waiting"
#: The shape of the record.
_VERSION: Final = 2
#: The first shape had one list of ids that were there before, of whichever accounts could be asked, and an empty one
#: where the service had shown nothing. It is of no use any more; the rest is.
_FIRST_VERSION: Final = 1
#: Parts of a request that do not change what is generated.
_NOT_GENERATING: Final = frozenset({"replyUrl", "replyRef", "maxJobs"})

#: ``intent``: a create was about to be sent, and perhaps was. ``refused``: it was sent and made nothing.
#: ``created``: its ids are known.
Phase = Literal["intent", "refused", "created"]


class Store(Protocol):
    """The part of Airflow's ``task_state_store`` (3.3) that is used here."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what was stored."""

    def set(self, key: str, value: Any) -> None:
        """Store a value that JSON can hold."""


@dataclass(frozen=True)
class Record:
    """One create, as far as it is known to have got.

    :param fingerprint: of what was asked for; see ``fingerprint``.
    :param reply_ref: the ``replyRef`` sent along: what the scheduler lists a running job under.
    :param shared_ref: whether it is the user's own, which other creates may bear too.
    :param prompt: as sent; a list shows it as ``desc``.
    :param account: the account asked for; None where the service was left to choose.
    :param quantity: how many jobs the create makes.
    :param since: epoch milliseconds, just before the create was sent.
    :param until: epoch milliseconds, just after its answer, or when there can no longer be one.
    :param max_tries: of the task at that time. A person who clears the task raises it; a retry does not.
    :param attempt: the number of the attempt that has sent it.
    :param seen: for each account whose newest jobs were known before, their ids. An account that could not be asked, or
        whose empty list was not confirmed, is missing: what was there before is then unknown.
    :param ids: of the jobs.
    :param others: ids of jobs that are known to be of other creates, whatever else fits.
    :param former_refs: the ``replyRef`` of each create for the same job that was sent before, with unknown outcome.
    :param clock_offset: milliseconds by which the clock that stamps jobs was ahead of ours.
    :param clock_margin: milliseconds by which it may have differed from that.
    :param unknown_in: the number of the latest attempt that has met an unknown outcome.
    :param resubmitted_in: the number of the latest attempt that has sent a create after that.
    :param accepted: what came back, where a response accepted the create and named no job: it is paid for, so no
        policy sends it again. None otherwise.
    :param closed: a look has shown all that was made since, later than our job can have come up; what comes up after
        that without a time is not ours.
    """

    kind: Kind
    fingerprint: str
    reply_ref: str
    shared_ref: bool
    prompt: str
    account: str | None
    quantity: int
    since: int
    until: int
    max_tries: int
    attempt: int = 0
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phase: Phase = "intent"
    ids: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    former_refs: tuple[str, ...] = ()
    clock_offset: int = 0
    clock_margin: int = CLOCK_SKEW
    unknown_in: int | None = None
    resubmitted_in: int | None = None
    accepted: str | None = None
    closed: bool = False

    def window(self) -> tuple[int, int]:
        """Return the first and the last moment, by the clock that stamps jobs, at which ours can have been made."""
        return self.since + self.clock_offset - self.clock_margin, self.until + self.clock_offset + self.clock_margin

    def dump(self) -> dict[str, Any]:
        """Return the record as the store takes it."""
        # Airflow's store takes what JSON knows by its own name, and no tuples.
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"version": _VERSION} | plain

    @classmethod
    def load(cls, value: object) -> Self | Unreadable | None:
        """Read what the store holds; None when it holds nothing."""
        if value is None:
            return None
        if not isinstance(value, dict) or value.get("version") not in (_FIRST_VERSION, _VERSION):
            return Unreadable.of(value)
        fields = {name: _frozen(value[name]) for name in cls.__dataclass_fields__ if name in value}
        if value["version"] == _FIRST_VERSION:
            fields.pop("seen", None)
        try:
            return cls(**fields)
        except TypeError:
            return Unreadable.of(value)


class Unreadable(NamedTuple):
    """A record that an earlier try has left and this version cannot read: it may stand for a paid job.

    Another version of this package has written it, or a worker with another ``state_store_backend``.

    :param jobs: what it tells of its jobs all the same.
    :param max_tries: likewise.
    """

    jobs: str | None
    max_tries: int | None

    @classmethod
    def of(cls, value: object) -> Self:
        """Return what can be made out."""
        found = value if isinstance(value, dict) else {}
        ids, ref, max_tries = found.get("ids"), found.get("reply_ref"), found.get("max_tries")
        named = ", ".join(map(str, ids)) if isinstance(ids, list) and ids else f"replyRef {ref}" if ref else None
        return cls(named, max_tries if isinstance(max_tries, int) else None)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    return tuple(value) if isinstance(value, list) else value


class Decision(NamedTuple):
    """What a try does first: create, look for what an earlier create has made, take its jobs up again, or give up.

    :param reason: for the log.
    """

    act: Literal["create", "look", "attach", "give up"]
    reason: str


def decide(record: Record | Unreadable | None, wanted: str, max_tries: int) -> Decision:
    """Decide what a try of the task does first.

    A person who clears the task gives it another number of tries: those that it has had and its ``retries``. Nothing
    else changes that number, not even a change of the DAG's ``retries``. It may be less than before, and, where
    ``retries`` was lowered by just as many as were used, the same: such a clear is taken for a retry.

    :param record: what earlier tries have left.
    :param wanted: the fingerprint of what this try asks for.
    :param max_tries: of the task now.
    """
    if record is None:
        return Decision("create", "Nothing was ordered by an earlier try.")
    if isinstance(record, Unreadable):
        if record.max_tries not in (None, max_tries):
            return _cleared(record.jobs or "a job that is not known")
        return Decision(
            "give up",
            "An earlier try has left a record of what it ordered that cannot be read here: another version of this "
            "provider has written it, or a worker with another state_store_backend. It tells of "
            f"{record.jobs or 'no job'}.",
        )
    earlier = ", ".join(record.ids) or f"replyRef {record.reply_ref}"
    if max_tries != record.max_tries:
        return _cleared(earlier)
    if record.fingerprint != wanted:
        return Decision(
            "create",
            f"The inputs are not those of the earlier try: a new job is ordered. The earlier one ({earlier}) goes on.",
        )
    if record.phase == "refused":
        return Decision("create", "The earlier try was refused and nothing was created.")
    if record.phase == "intent":
        return Decision("look", f"An earlier try may have created a job ({earlier}): looking for it.")
    return Decision("attach", f"An earlier try has created {earlier}: nothing is ordered again.")


def _cleared(earlier: str) -> Decision:
    return Decision("create", f"The task was cleared: a new job is ordered. The earlier one was {earlier}.")


def may_submit(*, met_unknown: bool, has_resubmitted: bool, outcome_known: bool, resubmits: bool) -> bool:
    """Decide whether an attempt may send a create: at most one after an unknown outcome, whatever then happens.

    An attempt goes on over deferrals and reschedules, to its end.

    :param met_unknown: the attempt has met an unknown outcome: of a create of its own, or in the record it began with.
    :param has_resubmitted: it has sent a create since.
    :param outcome_known: no outcome is unknown any more: the lost job was found, and has failed, say.
    :param resubmits: ``on_unknown_outcome`` is ``"resubmit"``.
    """
    if not met_unknown:
        return True
    return not has_resubmitted and (outcome_known or resubmits)


def fingerprint(kind: Kind, body: Mapping[str, Any], account: str | None) -> str:
    """Return a digest of what a create asks for.

    :param body: as it is sent.
    :param account: as the task names it: an account that was chosen for it is no input.
    """
    inputs = {name: value for name, value in body.items() if name not in _NOT_GENERATING | {"account"}}
    text = json.dumps([kind, account, inputs], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Ledger:
    """Keeps the record of a task, where this Airflow (3.3 or newer) can.

    Elsewhere it is kept for the present try only.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._found: Record | Unreadable | None = None
        self._is_read = store is None

    @classmethod
    def of(cls, context: Context) -> Self:
        """Return the ledger of a task."""
        return cls(context.get("task_state_store"))

    @property
    def lasts(self) -> bool:
        """Whether a later attempt will see the record."""
        return self._store is not None

    @property
    def found(self) -> Record | Unreadable | None:
        """What the store holds.

        :raises MiniMaxUpstreamError: it cannot be read.
        """
        if not self._is_read:
            self._found = Record.load(self._get(KEY))
            self._is_read = True
        return self._found

    @property
    def record(self) -> Record | None:
        """The record, if there is one that can be read.

        :raises MiniMaxUpstreamError: the store cannot be read.
        """
        return self.found if isinstance(self.found, Record) else None

    def write(self, record: Record) -> None:
        """Keep a record in place of the former.

        :raises Exception: the store cannot be written to. This ledger knows the record all the same.
        """
        self._found, self._is_read = record, True
        if self._store is not None:
            self._store.set(KEY, record.dump())

    def waiting_since(self, attempt: int) -> float | None:
        """Return since when this attempt has been waiting for room at the service; None when it has not.

        :raises MiniMaxUpstreamError: the store cannot be read.
        """
        found = self._get(_WAITING_KEY)
        if isinstance(found, dict) and found.get("try_number") == attempt:
            return float(found["since"])
        return None

    def wait_since(self, attempt: int, since: float) -> None:
        """Keep since when this attempt has been waiting for room at the service."""
        if self._store is not None:
            self._store.set(_WAITING_KEY, {"try_number": attempt, "since": since})

    def _get(self, key: str) -> Any:
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except Exception as error:
            # A state_store_backend may raise anything.
            raise MiniMaxUpstreamError(
                f"The record of earlier attempts cannot be read from Airflow's task store ({error!r}). Nothing was "
                "submitted; a retry reads it again."
            ) from error
