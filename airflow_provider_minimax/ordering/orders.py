"""Ordering a job: what is sent, what is written down around it, and the search for what was lost."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_minimax.api import bodies, errors, rules
from airflow_provider_minimax.api.accounts import AUTO, candidates
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.retries import CREATE_BUDGET
from airflow_provider_minimax.ordering import lookup
from airflow_provider_minimax.ordering.ledger import Ledger, Record, decide, fingerprint

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

OnUnknownOutcome = Literal["fail", "resubmit"]
#: Looks for a lost create before it counts as not found: who lost an answer may list its job late.
LOOKS: Final = 3
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
    ) -> None:
        self._request = request
        self._ledger = ledger
        self._client = client
        self._max_tries = max_tries
        self._may_resubmit = on_unknown_outcome == "resubmit"
        self._before_create = before_create
        self._pause = pause
        account = client.settings.account if request.account == AUTO else request.account or client.settings.account
        # "auto" is settled later; what else is wrong with the inputs shows here, before anything is written.
        body = request.body(None if request.account == AUTO else account)
        self._account: str | None = body.get("account")
        self._pinned = request.account != AUTO or self._account is not None
        self._fingerprint = fingerprint(request.kind, body, request.account)
        self._quantity = rules.images_made(body) if request.kind == "image" else 1

    def place(self) -> tuple[Record, bool]:
        """Order a job, unless an earlier try has.

        :return: the record, with ids, and whether it is an earlier try's.
        :raises MiniMaxUnknownOutcomeError: it is not known whether a create was accepted.
        """
        record = self._ledger.record
        decision = decide(record, self._fingerprint, self._max_tries)
        log.info("%s", decision.reason)
        if record is None or decision.act == "create":
            return self.place_anew(), False
        if decision.act == "attach":
            return record, True
        return self._find(record, "An earlier try of the task ended before its create was answered."), True

    def place_anew(self) -> Record:
        """Order a job. Every path out of here leaves a record that the next try can go by."""
        accounts = [self._account] if self._pinned else self._candidates()
        for position, account in enumerate(accounts, start=1):
            try:
                return self._create(account)
            except (errors.MiniMaxOutOfCreditsError, errors.MiniMaxAccountOnHoldError) as error:
                if position == len(accounts):
                    raise
                log.warning("%s Trying account %s.", error, accounts[position])
        raise errors.MiniMaxCapacityError("No account has room at the moment. Nothing was created.")

    def _candidates(self) -> list[str]:
        configured = self._client.list_accounts()
        found = candidates(self._request.kind, configured, self._client.list_available())
        if not found and configured and all(config.get("error") for config in configured.values()):
            raise errors.MiniMaxAccountOnHoldError(
                "All accounts are in error at useapi.net. Nothing was created; a retry helps once one is set up again."
            )
        return found

    def _create(self, account: str | None) -> Record:
        now = _now()
        settings = self._client.settings
        longest = CREATE_BUDGET + settings.connect_timeout + settings.read_timeout
        own_ref = self._request.fields.get("reply_ref")
        record = Record(
            kind=self._request.kind,
            fingerprint=self._fingerprint,
            reply_ref=own_ref or str(uuid.uuid4()),
            shared_ref=own_ref is not None,
            prompt=self._request.prompt or "",
            account=account,
            quantity=self._quantity,
            since=now,
            until=now + int(longest * 1000),
            max_tries=self._max_tries,
            seen=self._videos_now(account) if self._request.kind == "video" else None,
        )
        self._before_create()
        self._ledger.write(record)
        try:
            ids = self._request.send(self._client, account, record.reply_ref)
        except errors.MiniMaxUnknownOutcomeError as error:
            record = replace(record, until=_now())
            self._ledger.write(record)
            return self._find(record, str(error))
        except errors.MiniMaxError:
            # Refused, or never sent: whatever the error, nothing was created.
            self._ledger.write(replace(record, phase="refused", until=_now()))
            raise
        return self._keep(record, ids)

    def _keep(self, record: Record, ids: Sequence[str]) -> Record:
        """Write down the ids of paid jobs."""
        record = replace(record, phase="created", until=_now(), ids=tuple(ids))
        log.info("Created and paid for: %s", ", ".join(ids))
        try:
            self._ledger.write(record)
        except AirflowRuntimeError as error:
            # The jobs are known here and now; a retry would find them by the intent.
            log.error("The ids could not be stored, and this try goes on without: %s", error)
        if len(ids) != record.quantity:
            log.warning("%d jobs were asked for, and %d created.", record.quantity, len(ids))
        elsewhere = [found for found in ids if record.account not in (None, parse_id(found, record.kind).account)]
        if elsewhere:
            # They are paid for, so they are used; what comes of them names its account itself.
            log.error("Account %s was asked for, but %s was made elsewhere.", record.account, ", ".join(elsewhere))
        return record

    # A lost create

    def _find(self, record: Record, cause: str) -> Record:
        for look in range(1, LOOKS + 1):
            ids = self._look(record)
            if ids:
                log.warning("Found the jobs of a create whose answer was lost: nothing is ordered again.")
                return self._keep(record, ids)
            if look < LOOKS:
                time.sleep(self._pause)
        if self._may_resubmit:
            # Once in a try: a service that loses every answer must not be paid for ever.
            self._may_resubmit = False
            log.warning("%s Its job was not found; on_unknown_outcome='resubmit' orders anew.", cause)
            return self.place_anew()
        raise errors.MiniMaxUnknownOutcomeError(
            f"{cause} The job was not found beyond doubt. Look for a {record.kind} with the prompt "
            f"{_start(record.prompt)!r} on account {record.account or '(the only one)'}, created between "
            f"{_iso(record.since)} and {_iso(record.until)}, sent with replyRef {record.reply_ref}. Each retry looks "
            "again and creates nothing; to clear the task orders a new job."
        )

    def _look(self, record: Record) -> list[str] | None:
        entries = self._client.list_running()
        running = lookup.in_scheduler(record, entries)
        if not record.shared_ref and len(running) == record.quantity:
            return running
        return lookup.adopt(record, running, self._listed(record), lookup.foreign(record, entries))

    def _listed(self, record: Record) -> list[Mapping[str, Any]]:
        """Return what the account's list shows since the create was sent, newest first."""
        if record.kind == "video":
            try:
                return list(self._client.list_videos(account=record.account))
            except errors.MiniMaxBadRequestError:
                return []
        first, _ = record.window()
        listed: list[Mapping[str, Any]] = []
        for page in self._client.iter_pages(record.account):
            recent = list(takewhile(lambda image: (image.get("createTime") or first) >= first, page.images))
            listed += recent
            if len(recent) < len(page.images):
                break
        return listed

    def _videos_now(self, account: str | None) -> tuple[str, ...] | None:
        """Return the newest videos; None where the list cannot be asked without an account."""
        try:
            return tuple(str(video.get("videoId")) for video in self._client.list_videos(account=account))
        except errors.MiniMaxBadRequestError:
            return None


def _now() -> int:
    return int(time.time() * 1000)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _start(prompt: str) -> str:
    return prompt if len(prompt) <= _SHOWN else f"{prompt[:_SHOWN]}..."
