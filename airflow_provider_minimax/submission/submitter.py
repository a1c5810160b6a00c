"""Submitting a job once: resume what earlier attempts submitted, recover what was lost, submit what is new."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import AUTO, TRY_NEXT_ACCOUNT, candidates, no_account_error
from airflow_provider_minimax.api.backoff import CREATE_BUDGET
from airflow_provider_minimax.api.ids import parse_id
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.api.models import model_name
from airflow_provider_minimax.api.payloads import check_inputs
from airflow_provider_minimax.api.prices import Cost, check_max_credits
from airflow_provider_minimax.api.responses import LOOK_FOR_IT
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.submission import decision, messages, recovery
from airflow_provider_minimax.submission.job_lists import EmptyListError, JobLists
from airflow_provider_minimax.submission.pricing import find_cost
from airflow_provider_minimax.submission.record import Record, fingerprint
from airflow_provider_minimax.submission.record_store import RecordStore
from airflow_provider_minimax.submission.request import CreateRequest
from airflow_provider_minimax.submission.times import RetryDelays, estimate_clock

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: Searches for a lost job before it counts as not found: a service that lost a response may list its job late.
MAX_SEARCHES: Final = 3
#: The longest pause between two of them, in seconds: a worker is held meanwhile.
MAX_SEARCH_INTERVAL: Final = 10.0
#: Ids of other creates' jobs that a record remembers, the latest ones.
MAX_FOREIGN_IDS: Final = 200


class Submitter:
    """Submits the jobs of one attempt of a task, or returns those of an earlier attempt.

    :param max_tries: of the task; see ``Record``, also for ``is_mapped``.
    :param attempt: the number of this attempt. Deferrals and reschedules do not change it.
    :param before_create: called right before a create is sent; may raise.
    :param search_interval: seconds between two searches for a lost job.
    :param max_credits: refuse a create that costs more, or whose price is unknown; None for no limit.
    :param repeat_at_capacity: let the client repeat a create that finds no capacity; otherwise it is sent once.
    """

    def __init__(
        self,
        request: CreateRequest,
        store: RecordStore,
        client: MiniMaxClient,
        *,
        max_tries: int,
        attempt: int,
        is_mapped: bool = False,
        retry_delays: RetryDelays,
        on_unknown_outcome: str,
        before_create: Callable[[], None],
        search_interval: float,
        repeat_at_capacity: bool = True,
        max_credits: float | None = None,
    ) -> None:
        self._request = request
        self._store = store
        self._client = client
        self._lists = JobLists(client, request.kind)
        self._max_tries = max_tries
        self._attempt = attempt
        self._is_mapped = is_mapped
        self._retry_delays = retry_delays
        self._resubmits = on_unknown_outcome == "resubmit"
        self._before_create = before_create
        self._search_interval = min(search_interval, MAX_SEARCH_INTERVAL)
        self._repeat_at_capacity = repeat_at_capacity
        self._max_credits = max_credits
        account = client.settings.account if request.account == AUTO else request.account or client.settings.account
        # "auto" is resolved later; any other malformed input is found here, before anything is stored.
        self._body = request.body(None if request.account == AUTO else account)
        self._account: str | None = self._body.get("account")
        self._is_auto = request.account == AUTO and self._account is None
        self._fingerprint = fingerprint(request.kind, self._body, request.account)
        record = store.record
        self._met_unknown = record is not None and record.unknown_in == attempt
        self._has_resubmitted = record is not None and record.resubmitted_in == attempt
        #: The listed batches that match a lost create, by the latest search.
        self._candidates: Sequence[tuple[str, ...]] = ()

    @property
    def may_come_back(self) -> bool:
        """Whether this attempt may release its worker and submit later, after it found no capacity."""
        return not self._met_unknown or (self._store.is_persistent and self.may_submit(outcome_known=True))

    def may_submit(self, *, outcome_known: bool) -> bool:
        """Return whether this attempt may send a create, or another one.

        :param outcome_known: whether the outcome of each earlier create is known.
        """
        return decision.may_submit(
            met_unknown=self._met_unknown,
            has_resubmitted=self._has_resubmitted,
            outcome_known=outcome_known,
            resubmits=self._resubmits,
        )

    def resume_or_submit(self) -> tuple[Record, bool]:
        """Resume or recover the jobs of an earlier attempt, or submit new ones.

        :return: the record, with ids, and whether its jobs are an earlier attempt's.
        :raises MiniMaxUnknownOutcomeError: it is unknown whether a create was accepted.
        """
        action, reason = decision.decide(self._store.stored, self._fingerprint, self._max_tries)
        if reason:
            log.info("%s", reason)
        record = self._store.record
        if action == "unreadable":
            self._met_unknown = True
            return self._submit_despite_unreadable_record(reason), False
        if record is None or action == "submit":
            return self.submit_job(), False
        if action == "resume":
            return record, True
        self._met_unknown = True
        record = replace(record, unknown_in=self._attempt)
        cause = record.accepted or f"Attempt {record.attempt} ended before its create got a response."
        return self._recover_job(record, cause), True

    # Submit

    def submit_job(self) -> Record:
        """Submit a new job. Whatever happens, the next attempt finds a record to resume from."""
        # Not before: what is documented of a model says nothing about a job that there is already.
        check_inputs(self._request.kind, self._body, self._request.checks or self._client.settings.check_inputs)
        # After an unknown outcome one create is sent: not one for each account, or each time there is no capacity.
        repeat = self._repeat_at_capacity and not self._met_unknown
        if not self._is_auto:
            return self._submit_to(self._account, repeat=repeat)
        configured, available = self._client.list_accounts(), self._client.list_available()
        found = candidates(self._request.kind, configured, available, self._request.fields.get("max_jobs"))
        accounts = found.to_try[:1] if self._met_unknown else found.to_try
        # With a choice of accounts, a full one is not waited for.
        repeat = repeat and len(accounts) == 1 and not found.full
        refusals: list[errors.MiniMaxError] = []
        for account in accounts:
            try:
                return self._submit_to(account, repeat=repeat)
            except TRY_NEXT_ACCOUNT as error:
                log.warning("Account %s refused the job; the next account follows. %s", account, error)
                refusals.append(error)
        raise no_account_error(refusals, found.full)

    def _submit_to(self, account: str | None, *, repeat: bool) -> Record:
        if self._met_unknown and self._has_resubmitted:
            raise errors.MiniMaxUnknownOutcomeError(
                "This attempt has sent the one create that it may send after an unknown outcome. Nothing more is "
                "submitted; a retry continues."
            )
        former = self._store.record
        cost = find_cost(self._client, self._request.kind, self._body, account)
        check_max_credits(cost, self._max_credits, self._request.kind, self._body)
        record = self._build_intent(former, account, cost)
        self._before_create()
        self._store_intent(record)
        self._has_resubmitted = self._met_unknown
        self._log_submit(record)
        client = self._client if repeat else self._client.without_retries()
        chosen = {"account": account} if account else {}
        try:
            ids = client.submit(record.kind, self._body | chosen | {"replyRef": record.reply_ref})
        except errors.MiniMaxUnknownOutcomeError as error:
            self._met_unknown = True
            metrics.count(metrics.UNKNOWN_OUTCOMES, **record.metric_tags)
            cause = str(error).removesuffix(LOOK_FOR_IT)
            accepted = cause if error.status is not None and 200 <= error.status < 300 else None
            sent_before = min(_now(), record.sent_before)
            record = replace(record, sent_before=sent_before, unknown_in=self._attempt, accepted=accepted)
            return self._recover_job(self._store_outcome(record), cause)
        except errors.MiniMaxError:
            # Refused or never sent: either way no job was made.
            self._store_refusal(record, former)
            raise
        log.info("Submitted %s; billable from now on.", ", ".join(ids))
        return self._store_ids(record, ids)

    def _build_intent(self, former: Record | None, account: str | None, cost: Cost) -> Record:
        """Return the record of a create that is about to be sent."""
        settings = self._client.settings
        # The client sends nothing later. How long the response takes says nothing about when the job was made.
        latest = CREATE_BUDGET + settings.connect_timeout
        own_ref = self._request.fields.get("reply_ref")
        snapshot = self._lists.snapshot(account)
        now = _now()
        clock = estimate_clock(self._client.clock_offset, snapshot.newest, now)
        resubmitted_in = self._attempt if self._met_unknown else None
        record = Record(
            kind=self._request.kind,
            fingerprint=self._fingerprint,
            reply_ref=own_ref or str(uuid.uuid4()),
            shared_ref=own_ref is not None,
            prompt=self._request.prompt or "",
            account=account,
            quantity=self._request.quantity,
            sent_after=now,
            sent_before=now + int(latest * 1000),
            max_tries=self._max_tries,
            attempt=self._attempt,
            is_mapped=self._is_mapped,
            known_ids=snapshot.known_ids,
            foreign_ids=(*former.foreign_ids, *former.ids)[-MAX_FOREIGN_IDS:] if former else (),
            clock_offset=clock.offset,
            clock_margin=clock.margin,
            unknown_in=resubmitted_in,
            resubmitted_in=resubmitted_in,
            model=model_name(self._request.kind, self._body),
            credits=cost.credits,
            price_source=cost.source,
            spent=former.spent if former else (),
        )
        if former is None or not self._is_resubmit_of(former):
            return record
        # Whichever of the two creates has made a job, it is the task's own.
        # A list of videos shows no times, so after a closed search only the later jobs can be ours.
        is_known = former.closed and record.kind == "video"
        former_ids = (
            {} if is_known else {name: ids for name, ids in former.known_ids.items() if account in (None, name)}
        )
        return replace(
            record,
            known_ids=snapshot.known_ids | former_ids,
            earlier_refs=(*former.earlier_refs, former.reply_ref),
            earlier_sent=(*former.earlier_sent, (former.sent_after, former.sent_before)),
        )

    def _is_resubmit_of(self, former: Record) -> bool:
        """Return whether this attempt submits the very job that an earlier create may have made."""
        return self._met_unknown and former.phase == "intent" and former.fingerprint == self._fingerprint

    def _log_submit(self, record: Record) -> None:
        log.info(
            "Submitting %s with the prompt %s and model %s to %s (replyRef %s). Cost: %s.",
            f"{record.quantity} images" if record.quantity > 1 else MEDIA_KINDS[record.kind].with_article,
            messages.shorten(record.prompt),
            record.model,
            f"account {record.account}" if record.account else "an account of the service's choice",
            record.reply_ref,
            Cost(record.credits, record.price_source),
        )

    # Store

    def _store_intent(self, record: Record) -> None:
        try:
            self._store.save(record)
        except Exception as error:
            # A state_store_backend may raise anything.
            raise errors.MiniMaxUpstreamError(
                f"The record could not be stored in Airflow's task store ({error!r}), and without it a retry could pay "
                "again. Nothing was submitted; a retry tries to store it again."
            ) from error

    def _store_refusal(self, record: Record, former: Record | None) -> None:
        """Store that a create made no job. A job that an earlier create may have made is still to be recovered."""
        if former is not None and self._is_resubmit_of(former):
            self._store_outcome(replace(former, unknown_in=record.unknown_in, resubmitted_in=record.resubmitted_in))
        else:
            self._store_outcome(replace(record, phase="refused", sent_before=_now()))

    def _store_ids(self, record: Record, ids: Sequence[str]) -> Record:
        record = self._store_outcome(replace(record, sent_before=_now()).with_jobs(ids))
        metrics.count(metrics.SUBMISSIONS, **record.metric_tags)
        if record.credits is not None:
            metrics.count(metrics.CREDITS, record.credits, **record.metric_tags)
        if len(ids) != record.quantity:
            log.warning("The service made %s instead of %d.", count(len(ids), "job"), record.quantity)
        elsewhere = [one for one in ids if record.account not in (None, parse_id(one, record.kind).account)]
        if elsewhere:
            # They are billed, so they are used.
            log.error("%s is not on account %s, which was requested; using it.", ", ".join(elsewhere), record.account)
        return record

    def _store_outcome(self, record: Record) -> Record:
        """Store the outcome of a create. A failure to store it does not end the attempt."""
        try:
            self._store.save(record)
        except Exception as error:  # noqa: BLE001 - a state_store_backend may raise anything, and the job is billed
            log.error(
                "The record could not be stored; this attempt continues, a retry uses the former record: %r", error
            )
        return record

    # After an unknown outcome

    def _recover_job(self, record: Record, cause: str) -> Record:
        """Search for the job of a create without response and adopt it; otherwise resubmit or fail."""
        for search in range(1, MAX_SEARCHES + 1):
            found = None
            try:
                record, found = self._search_once(record, is_last=search == MAX_SEARCHES)
            except errors.MiniMaxError as error:
                # Also after an error that is never retried: first of all there may be a billed job. But a list may be
                # empty only for a moment.
                if not isinstance(error, EmptyListError) or search == MAX_SEARCHES:
                    what = f"{cause} The search for its job failed: {error}"
                    raise messages.unknown_outcome_error(record, what) from None
            if found is not None:
                log.warning(
                    "Recovered %s by %s: its create got no response, and nothing is submitted again.",
                    ", ".join(found.ids),
                    f"its replyRef {record.reply_ref}" if found.by_ref else "prompt, inputs, account and time alone",
                )
                record = self._store_ids(record, found.ids)
                metrics.count(metrics.RECOVERED, **record.metric_tags)
                return record
            if search < MAX_SEARCHES:
                time.sleep(self._search_interval)
        return self._resubmit(record, cause, messages.search_verdict(self._candidates))

    def _resubmit(self, record: Record, cause: str, verdict: str) -> Record:
        """Send the one create that an attempt may send after an unknown outcome, if the policy allows it.

        :param verdict: of the search.
        """
        if record.accepted is not None:
            raise messages.unknown_outcome_error(record, f"{cause} The create was accepted and is paid for. {verdict}")
        if self._candidates or not self.may_submit(outcome_known=False):
            raise messages.unknown_outcome_error(record, f"{cause} {verdict}")
        log.warning("%s %s on_unknown_outcome='resubmit': resubmitting.", cause, verdict)
        try:
            return self.submit_job()
        except errors.MiniMaxUnknownOutcomeError:
            raise
        except errors.MiniMaxError as error:
            # Whatever the error, the first create may have made a job.
            raise messages.unknown_outcome_error(
                record, f"{cause} {verdict} The resubmit made no job: {error}"
            ) from None

    def _submit_despite_unreadable_record(self, reason: str) -> Record:
        if self.may_submit(outcome_known=False):
            log.warning("Submitting a new job despite the unreadable record (on_unknown_outcome='resubmit').")
            return self.submit_job()
        raise errors.MiniMaxUnknownOutcomeError(
            f"{reason} {messages.look_for(self._request.kind, self._request.prompt, self._account)}. Each retry reads "
            "the record again and creates nothing; to submit a new job, run the task once with "
            "on_unknown_outcome='resubmit'."
        )

    def _search_once(self, record: Record, *, is_last: bool) -> tuple[Record, recovery.RecoveredJobs | None]:
        """Search for the jobs of a record once.

        :param is_last: of this attempt. If it reads all new jobs and finds nothing, the record is closed.
        :return: the record, which also learns the jobs of others (the scheduler shows them only while they run), and
            the jobs.
        """
        running = self._client.list_running()
        found = self._recovery(record).match(running, ())
        if found is not None:
            return self._store_foreign_jobs(record, running), found
        lists = self._lists.read_since(record)
        # Again: a job that started since the first time may stand in the lists.
        running += self._client.list_running()
        record = self._store_foreign_jobs(record, running)
        search = self._recovery(record)
        found = search.match(running, lists)
        self._candidates = search.matching_batches(running, lists)
        is_complete = all(one.is_complete for one in lists)
        if found is None and is_last and is_complete and not record.closed:
            record = self._store_outcome(replace(record, closed=True))
        return record, found

    def _recovery(self, record: Record) -> recovery.Recovery:
        delay = int(self._retry_delays.between(record.attempt, self._attempt) * 1000)
        return recovery.Recovery(record, self._body, _now(), delay)

    def _store_foreign_jobs(self, record: Record, running: Sequence[Mapping[str, Any]]) -> Record:
        new = [one for one in recovery.foreign_jobs(record, running) if one not in record.foreign_ids]
        if not new:
            return record
        return self._store_outcome(replace(record, foreign_ids=(*record.foreign_ids, *new)[-MAX_FOREIGN_IDS:]))


def _now() -> int:
    return int(time.time() * 1000)
