"""Ordering a job: what is sent, what is written down around it, and the search for what was lost."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from airflow_provider_minimax.api import errors, models, payloads
from airflow_provider_minimax.api.accounts import AUTO, PASSED_OVER, candidates, why_none
from airflow_provider_minimax.api.backoff import CREATE_BUDGET
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.submission import recovery
from airflow_provider_minimax.submission.clock import compared
from airflow_provider_minimax.submission.record import Ledger, Record, decide, fingerprint, may_submit
from airflow_provider_minimax.submission.retry_delays import RetryDelays
from airflow_provider_minimax.submission.search import EmptyListError, Search

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: Looks for a lost create before it counts as not found: who lost an answer may list its job late.
LOOKS: Final = 3
#: Seconds between two of them, at the most: a worker is held meanwhile.
LONGEST_PAUSE: Final = 10.0
#: Ids of other creates that a record remembers: those of the latest looks.
MOST_OTHERS: Final = 200
#: Characters of a prompt that an error shows.
_SHOWN: Final = 60


@dataclass(frozen=True)
class Request:
    """What a task asks for, rendered.

    :param account: an account, ``"auto"``, or None for the connection's own.
    :param fields: the optional fields of the create, as the client takes them.
    """

    kind: Kind
    prompt: str | None
    account: str | None
    fields: Mapping[str, Any]

    @property
    def quantity(self) -> int:
        """How many jobs it makes."""
        return models.images_made(self.fields) if self.kind == "image" else 1

    def body(self, account: str | None) -> dict[str, Any]:
        """Return what would be sent for an account, checked.

        :raises MiniMaxBadRequestError: it cannot be right.
        """
        if self.kind == "image":
            body = payloads.image_body(self.prompt or "", account, cast("payloads.ImageFields", self.fields))
            models.check_image(body)
        else:
            body = payloads.video_body(self.prompt, account, cast("payloads.VideoFields", self.fields))
            models.check_video(body)
        return body

    def send(self, client: MiniMaxClient, account: str | None, reply_ref: str) -> list[str]:
        """Create, and return the ids.

        :raises MiniMaxUnknownOutcomeError: the create was accepted, perhaps, and no id is known.
        """
        fields: Any = {**self.fields, "reply_ref": reply_ref}
        if self.kind == "image":
            ids = client.create_image(self.prompt or "", account, **fields)
        else:
            ids = [client.create_video(self.prompt, account, **fields)]
        try:
            return [parse_id(one, self.kind).full for one in ids]
        except errors.MiniMaxBadRequestError as error:
            raise errors.MiniMaxUnknownOutcomeError(f"The service named its jobs {ids}. {error}", status=200) from None


class Orders:
    """Orders jobs for one attempt of a task, or finds what earlier attempts have ordered.

    :param max_tries: of the task; see ``Record``.
    :param attempt: the number of this attempt. It stays the same over deferrals and reschedules.
    :param retry_delays: what the task says of the time between two attempts.
    :param before_create: called right before anything is sent that is paid for; may raise.
    :param pause: seconds between two looks for a lost create.
    :param insist: let the client repeat a create that finds no room; otherwise it is sent once.
    """

    def __init__(
        self,
        request: Request,
        ledger: Ledger,
        client: MiniMaxClient,
        *,
        max_tries: int,
        attempt: int,
        retry_delays: RetryDelays,
        on_unknown_outcome: str,
        before_create: Callable[[], None],
        pause: float,
        insist: bool = True,
    ) -> None:
        self._request = request
        self._ledger = ledger
        self._client = client
        self._search = Search(client, request.kind)
        self._max_tries = max_tries
        self._attempt = attempt
        self._retry_delays = retry_delays
        self._resubmits = on_unknown_outcome == "resubmit"
        self._before_create = before_create
        self._pause = min(pause, LONGEST_PAUSE)
        self._insist = insist
        account = client.settings.account if request.account == AUTO else request.account or client.settings.account
        # "auto" is settled later; what else is wrong with the inputs shows here, before anything is written.
        self._body = request.body(None if request.account == AUTO else account)
        self._account: str | None = self._body.get("account")
        self._pinned = request.account != AUTO or self._account is not None
        self._fingerprint = fingerprint(request.kind, self._body, request.account)
        record = ledger.record
        self._met_unknown = record is not None and record.unknown_in == attempt
        self._has_resubmitted = record is not None and record.resubmitted_in == attempt

    @property
    def may_ask_again(self) -> bool:
        """Whether this attempt may come back later to send the create for which there was no room."""
        return not self._met_unknown or (self._ledger.lasts and self.may_submit(outcome_known=True))

    def may_submit(self, *, outcome_known: bool) -> bool:
        """Tell whether this attempt may send a create, or one more.

        :param outcome_known: whether the outcome of each earlier create is known.
        """
        return may_submit(
            met_unknown=self._met_unknown,
            has_resubmitted=self._has_resubmitted,
            outcome_known=outcome_known,
            resubmits=self._resubmits,
        )

    def place(self) -> tuple[Record, bool]:
        """Order a job, unless an earlier attempt has.

        :return: the record, with ids, and whether it is an earlier attempt's.
        :raises MiniMaxUnknownOutcomeError: it is not known whether a create was accepted.
        """
        decision = decide(self._ledger.found, self._fingerprint, self._max_tries)
        log.info("%s", decision.reason)
        record = self._ledger.record
        if decision.act == "give up":
            self._met_unknown = True
            return self._despite(decision.reason), False
        if record is None or decision.act == "create":
            return self.place_anew(), False
        if decision.act == "attach":
            return record, True
        self._met_unknown = True
        record = replace(record, unknown_in=self._attempt)
        cause = record.accepted or "An earlier try of the task ended before its create was answered."
        return self._find(record, cause), True

    def place_anew(self) -> Record:
        """Order a job. Every path out of here leaves a record that the next attempt can go by."""
        # After an unknown outcome one create is sent, and not one for each account, or each time there is no room.
        insist = self._insist and not self._met_unknown
        if self._pinned:
            return self._create(self._account, insist=insist)
        found = candidates(
            self._request.kind,
            self._client.list_accounts(),
            self._client.list_available(),
            self._request.fields.get("max_jobs"),
        )
        accounts = found.to_try[:1] if self._met_unknown else found.to_try
        # With a choice, a full account is not waited for.
        insist = insist and len(accounts) == 1 and not found.full
        met: list[errors.MiniMaxError] = []
        for account in accounts:
            try:
                return self._create(account, insist=insist)
            except PASSED_OVER as error:
                log.warning("Account %s does not take the job. %s", account, error)
                met.append(error)
        raise why_none(met, found.full)

    def _create(self, account: str | None, *, insist: bool) -> Record:
        if self._met_unknown and self._has_resubmitted:
            raise errors.MiniMaxUnknownOutcomeError(
                "This attempt has sent the one create that it may send after an unknown outcome. Nothing more is sent; "
                "a retry goes on."
            )
        former = self._ledger.record
        record = self._intent(former, account)
        self._before_create()
        self._write_intent(record)
        self._has_resubmitted = self._met_unknown
        client = self._client if insist else self._client.without_repeats()
        try:
            ids = self._request.send(client, account, record.reply_ref)
        except errors.MiniMaxUnknownOutcomeError as error:
            self._met_unknown = True
            accepted = str(error) if error.status is not None and 200 <= error.status < 300 else None
            record = self._note(replace(record, until=_now(), unknown_in=self._attempt, accepted=accepted))
            return self._find(record, str(error))
        except errors.MiniMaxError:
            # Refused, or never sent: whatever the error, nothing was created.
            self._note_refusal(record, former)
            raise
        log.info("Created and paid for: %s", ", ".join(ids))
        return self._keep(record, ids)

    def _intent(self, former: Record | None, account: str | None) -> Record:
        """Return the record of a create that is about to be sent."""
        settings = self._client.settings
        longest = CREATE_BUDGET + settings.connect_timeout + settings.total_timeout
        own_ref = self._request.fields.get("reply_ref")
        snapshot = self._search.snapshot(account)
        now = _now()
        clock = compared(self._client.clock_offset, snapshot.newest, now)
        record = Record(
            kind=self._request.kind,
            fingerprint=self._fingerprint,
            reply_ref=own_ref or str(uuid.uuid4()),
            shared_ref=own_ref is not None,
            prompt=self._request.prompt or "",
            account=account,
            quantity=self._request.quantity,
            since=now,
            until=now + int(longest * 1000),
            max_tries=self._max_tries,
            attempt=self._attempt,
            seen=snapshot.seen,
            others=(*former.others, *former.ids)[-MOST_OTHERS:] if former else (),
            clock_offset=clock.offset,
            clock_margin=clock.margin,
            unknown_in=self._attempt if self._met_unknown else None,
            resubmitted_in=self._attempt if self._met_unknown else None,
        )
        if former is None or not self._is_unsolved(former):
            return record
        # Whichever of the two turns up is the task's own.
        return replace(
            record,
            since=min(former.since, now),
            seen={**snapshot.seen, **{one: ids for one, ids in former.seen.items() if account in (None, one)}},
            former_refs=(*former.former_refs, former.reply_ref),
        )

    def _is_unsolved(self, former: Record) -> bool:
        """Tell whether this attempt sends a create for the very job that an earlier one may have created."""
        return self._met_unknown and former.phase == "intent" and former.fingerprint == self._fingerprint

    def _write_intent(self, record: Record) -> None:
        try:
            self._ledger.write(record)
        except Exception as error:
            # A state_store_backend may raise anything.
            raise errors.MiniMaxUpstreamError(
                f"The record could not be stored in Airflow's task store ({error!r}), and without it a retry could pay "
                "again. Nothing was submitted; a retry tries to store it again."
            ) from error

    def _note_refusal(self, record: Record, former: Record | None) -> None:
        """Write down that a create made nothing. What an earlier one may have created is still to be found."""
        if former is not None and self._is_unsolved(former):
            self._note(replace(former, unknown_in=record.unknown_in, resubmitted_in=record.resubmitted_in))
        else:
            self._note(replace(record, phase="refused", until=_now()))

    def _keep(self, record: Record, ids: Sequence[str]) -> Record:
        """Write down the ids of paid jobs."""
        record = self._note(replace(record, phase="created", until=_now(), ids=tuple(ids)))
        if len(ids) != record.quantity:
            log.warning("%d jobs were asked for, and %d created.", record.quantity, len(ids))
        elsewhere = [found for found in ids if record.account not in (None, parse_id(found, record.kind).account)]
        if elsewhere:
            # They are paid for, so they are used; what comes of them names its account itself.
            log.error("Account %s was asked for, but %s was made elsewhere.", record.account, ", ".join(elsewhere))
        return record

    def _note(self, record: Record) -> Record:
        """Write down what has become of a create that was sent."""
        try:
            self._ledger.write(record)
        except Exception as error:  # noqa: BLE001 - a state_store_backend may raise anything, and the job is paid for
            # It is known here and now, and is worth more than the note; a retry goes by the intent.
            log.error("The record could not be stored, and this attempt goes on without it: %r", error)
        return record

    # A lost create

    def _despite(self, reason: str) -> Record:
        """Order although nobody knows what an earlier attempt has ordered, where that is wanted."""
        if self.may_submit(outcome_known=False):
            log.warning("on_unknown_outcome='resubmit' orders anew.")
            return self.place_anew()
        raise errors.MiniMaxUnknownOutcomeError(
            f"{reason} Look for {_a(self._request.kind)} with the prompt {_start(self._request.prompt)} "
            f"{_where(self._account)}. Each retry reads the record again and creates nothing; to order anew, run the "
            "task once with on_unknown_outcome='resubmit'."
        )

    def _find(self, record: Record, cause: str) -> Record:
        failure: EmptyListError | None = None
        for look in range(1, LOOKS + 1):
            try:
                failure = None
                record, found = self._look(record)
            except EmptyListError as error:
                # Perhaps only for a moment.
                found, failure = None, error
            except errors.MiniMaxError as error:
                # Whatever it is, also what no retry mends: what was paid for, perhaps, is what matters now.
                raise _lost(record, f"{cause} The search for its job failed: {error}") from None
            if found is not None:
                log.warning(
                    "Found a create whose answer was lost, by its %s: %s. Nothing is ordered again.",
                    f"replyRef {record.reply_ref}" if found.by_ref else "prompt, inputs, account and time alone",
                    ", ".join(found.ids),
                )
                return self._keep(record, found.ids)
            if look < LOOKS:
                time.sleep(self._pause)
        if failure is not None:
            raise _lost(record, f"{cause} The search for its job failed: {failure}")
        return self._resubmit(record, cause)

    def _resubmit(self, record: Record, cause: str) -> Record:
        """Send the one create that an attempt may send after an unknown outcome, where that is wanted."""
        if record.accepted is not None:
            raise _lost(record, f"{cause} The create was accepted and is paid for; its job was not found beyond doubt.")
        if not self.may_submit(outcome_known=False):
            raise _lost(record, f"{cause} The job was not found beyond doubt.")
        log.warning("%s Its job was not found; on_unknown_outcome='resubmit' orders anew.", cause)
        try:
            return self.place_anew()
        except errors.MiniMaxUnknownOutcomeError:
            raise
        except errors.MiniMaxError as error:
            # Whatever it is, what the first create may have made is what matters.
            raise _lost(record, f"{cause} The job was not found, and submitting it again made none: {error}") from None

    def _look(self, record: Record) -> tuple[Record, recovery.Found | None]:
        """Look once.

        :return: the record, which also learns what belongs to others: once finished, nothing would tell that.
        """
        running = self._client.list_running()
        delay = int(self._retry_delays.between(record.attempt, self._attempt) * 1000)
        found = recovery.Look(record, self._body, _now(), delay).find(running, ())
        if found is not None:
            return self._note_others(record, running), found
        lists = self._search.listings(record)
        # Once more: what has begun since the first time may stand in the lists.
        running += self._client.list_running()
        record = self._note_others(record, running)
        look = recovery.Look(record, self._body, _now(), delay)
        found = look.find(running, lists)
        if found is None and look.is_last and not record.closed and all(one.is_whole for one in lists):
            record = self._note(replace(record, closed=True))
        return record, found

    def _note_others(self, record: Record, running: Sequence[Mapping[str, Any]]) -> Record:
        others = tuple(found for found in recovery.of_others(record, running) if found not in record.others)
        return self._note(replace(record, others=(*record.others, *others)[-MOST_OTHERS:])) if others else record


def _lost(record: Record, what: str) -> errors.MiniMaxUnknownOutcomeError:
    since, until = record.since + record.clock_offset, record.until + record.clock_offset
    return errors.MiniMaxUnknownOutcomeError(
        f"{what} Look for {_a(record.kind)} with the prompt {_start(record.prompt)} {_where(record.account)}, created "
        f"between {_iso(since)} and {_iso(until)} by the service's clock, sent with replyRef {record.reply_ref}. "
        "Each retry looks again and creates nothing; to clear the task orders a new job."
    )


def _a(kind: Kind) -> str:
    return "an image" if kind == "image" else "a video"


def _where(account: str | None) -> str:
    return f"on account {account}" if account else "on each account of the connection"


def _now() -> int:
    return int(time.time() * 1000)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _start(prompt: str | None) -> str:
    text = prompt or ""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
