"""Ordering a job: what is sent, what is written down around it, and the search for what was lost."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_minimax.api import bodies, errors, rules
from airflow_provider_minimax.api.accounts import AUTO, PASSED_OVER, candidates, why_none, without_error
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.parameters import SAFE_PAGE_SIZE
from airflow_provider_minimax.api.retries import CREATE_BUDGET
from airflow_provider_minimax.ordering import lookup
from airflow_provider_minimax.ordering.ledger import Ledger, Record, decide, fingerprint

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: Looks for a lost create before it counts as not found: who lost an answer may list its job late.
LOOKS: Final = 3
#: Seconds between two of them, at the most: a worker is held meanwhile.
LONGEST_PAUSE: Final = 10.0
#: Pages of a list that a look reads, at the most.
MOST_PAGES: Final = 20
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
        return rules.images_made(self.fields) if self.kind == "image" else 1

    def body(self, account: str | None) -> dict[str, Any]:
        """Return what would be sent for an account, checked.

        :raises MiniMaxBadRequestError: it cannot be right.
        """
        if self.kind == "image":
            body = bodies.image_body(self.prompt or "", account, cast("bodies.ImageFields", self.fields))
            rules.check_image(body)
        else:
            body = bodies.video_body(self.prompt, account, cast("bodies.VideoFields", self.fields))
            rules.check_video(body)
        return body

    def send(self, client: MiniMaxClient, account: str | None, reply_ref: str) -> list[str]:
        """Create, and return the ids."""
        fields: Any = {**self.fields, "reply_ref": reply_ref}
        if self.kind == "image":
            return client.create_image(self.prompt or "", account, **fields)
        return [client.create_video(self.prompt, account, **fields)]


class Orders:
    """Orders jobs for one try of a task, or finds what earlier tries have ordered.

    :param max_tries: of the task; see ``Record``.
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
        on_unknown_outcome: str,
        before_create: Callable[[], None],
        pause: float,
        insist: bool = True,
    ) -> None:
        self._request = request
        self._ledger = ledger
        self._client = client
        self._max_tries = max_tries
        self._may_resubmit = on_unknown_outcome == "resubmit"
        self._before_create = before_create
        self._pause = min(pause, LONGEST_PAUSE)
        self._insist = insist
        account = client.settings.account if request.account == AUTO else request.account or client.settings.account
        # "auto" is settled later; what else is wrong with the inputs shows here, before anything is written.
        self._body = request.body(None if request.account == AUTO else account)
        self._account: str | None = self._body.get("account")
        self._pinned = request.account != AUTO or self._account is not None
        self._fingerprint = fingerprint(request.kind, self._body, request.account)

    def place(self) -> tuple[Record, bool]:
        """Order a job, unless an earlier try has.

        :return: the record, with ids, and whether it is an earlier try's.
        :raises MiniMaxUnknownOutcomeError: it is not known whether a create was accepted.
        """
        decision = decide(self._ledger.found, self._fingerprint, self._max_tries)
        log.info("%s", decision.reason)
        record = self._ledger.record
        if decision.act == "give up":
            return self._despite(decision.reason), False
        if record is None or decision.act == "create":
            return self.place_anew(), False
        if decision.act == "attach":
            return record, True
        return self._find(record, "An earlier try of the task ended before its create was answered."), True

    def place_anew(self) -> Record:
        """Order a job. Every path out of here leaves a record that the next try can go by."""
        if self._pinned:
            return self._create(self._account, insist=self._insist)
        found = candidates(
            self._request.kind,
            self._client.list_accounts(),
            self._client.list_available(),
            self._request.fields.get("max_jobs"),
        )
        # With a choice, a full account is not waited for.
        insist = self._insist and len(found.to_try) == 1 and not found.full
        met: list[errors.MiniMaxError] = []
        for account in found.to_try:
            try:
                return self._create(account, insist=insist)
            except PASSED_OVER as error:
                log.warning("Account %s does not take the job. %s", account, error)
                met.append(error)
        raise why_none(met, found.full)

    def _create(self, account: str | None, *, insist: bool) -> Record:
        settings = self._client.settings
        longest = CREATE_BUDGET + settings.connect_timeout + settings.read_timeout
        own_ref = self._request.fields.get("reply_ref")
        former = self._ledger.record
        seen = self._newest(account)
        now = _now()
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
            seen=seen,
            others=(*former.others, *former.ids)[-MOST_OTHERS:] if former else (),
        )
        self._before_create()
        self._ledger.write(record)
        client = self._client if insist else self._client.without_repeats()
        try:
            ids = self._request.send(client, account, record.reply_ref)
        except errors.MiniMaxUnknownOutcomeError as error:
            record = self._note(replace(record, until=_now()))
            return self._find(record, str(error))
        except errors.MiniMaxError:
            # Refused, or never sent: whatever the error, nothing was created.
            self._note(replace(record, phase="refused", until=_now()))
            raise
        log.info("Created and paid for: %s", ", ".join(ids))
        return self._keep(record, ids)

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
        except AirflowRuntimeError as error:
            # It is known here and now, and is worth more than the note; a retry goes by the intent.
            log.error("The record could not be stored, and this try goes on without: %s", error)
        return record

    # A lost create

    def _despite(self, reason: str) -> Record:
        """Order although nobody knows what an earlier try has ordered, where that is wanted."""
        if self._may_resubmit:
            log.warning("on_unknown_outcome='resubmit' orders anew.")
            return self.place_anew()
        raise errors.MiniMaxUnknownOutcomeError(
            f"{reason} Look for {_a(self._request.kind)} with the prompt {_start(self._request.prompt)} "
            f"{_where(self._account)}. Each retry reads the record again and creates nothing; to order anew, run the "
            "task once with on_unknown_outcome='resubmit'."
        )

    def _find(self, record: Record, cause: str) -> Record:
        for look in range(1, LOOKS + 1):
            try:
                record, found = self._look(record)
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
        if self._may_resubmit:
            # Once in a try: a service that loses every answer must not be paid for ever.
            self._may_resubmit = False
            log.warning("%s Its job was not found; on_unknown_outcome='resubmit' orders anew.", cause)
            return self.place_anew()
        raise _lost(record, f"{cause} The job was not found beyond doubt.")

    def _look(self, record: Record) -> tuple[Record, lookup.Found | None]:
        """Look once.

        :return: the record, which also learns what belongs to others: once finished, nothing would tell that.
        """
        running = self._client.list_running()
        others = tuple(found for found in lookup.of_others(record, running) if found not in record.others)
        if others:
            record = self._note(replace(record, others=(*record.others, *others)[-MOST_OTHERS:]))
        found = lookup.find(record, self._body, running, (), _now())
        if found is None:
            lists = [self._since(record, account) for account in self._accounts(record.account)]
            found = lookup.find(record, self._body, running, lists, _now())
        return record, found

    def _accounts(self, account: str | None) -> list[str]:
        """Return the accounts that a job may lie on."""
        if account is not None:
            return [account]
        return without_error(self._client.list_accounts())

    def _pages(self, account: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        return self._client.iter_job_pages(self._request.kind, account, SAFE_PAGE_SIZE)

    def _since(self, record: Record, account: str) -> list[Mapping[str, Any]]:
        """Return what the list of an account shows since the create was sent, newest first."""
        listed: list[Mapping[str, Any]] = []
        for read, page in enumerate(self._pages(account), start=1):
            listed += page
            if lookup.is_behind(record, page):
                break
            if read == MOST_PAGES:
                # What lies behind could fit as well.
                log.warning(
                    "Account %s shows more than %d %ss since: too many to tell.", account, len(listed), record.kind
                )
                return []
        return listed

    def _newest(self, account: str | None) -> tuple[str, ...] | None:
        """Return the newest jobs, to tell from them what is made next; None where they cannot be had."""
        name = f"{self._request.kind}Id"
        try:
            pages = [next(self._pages(one), ()) for one in self._accounts(account)]
        except errors.MiniMaxAuthError:
            raise
        except errors.MiniMaxError as error:
            # Only a search would need them, and whether the create can be taken is its own answer's to say.
            log.warning(
                "The newest %ss are not known: a lost answer would be harder to find. %s", self._request.kind, error
            )
            return None
        return tuple(str(item[name]) for page in pages for item in page if item.get(name))


def _lost(record: Record, what: str) -> errors.MiniMaxUnknownOutcomeError:
    return errors.MiniMaxUnknownOutcomeError(
        f"{what} Look for {_a(record.kind)} with the prompt {_start(record.prompt)} {_where(record.account)}, created "
        f"between {_iso(record.since)} and {_iso(record.until)}, sent with replyRef {record.reply_ref}. Each retry "
        "looks again and creates nothing; to clear the task orders a new job."
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
