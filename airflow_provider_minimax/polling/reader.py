"""Poll all awaited jobs of a connection, round by round, with as few requests as possible."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from airflow_provider_minimax.api.errors import MiniMaxAccountOnHoldError, MiniMaxError, MiniMaxNotFoundError
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import Job, is_final
from airflow_provider_minimax.api.validation import PAGE_SIZE
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.polling import poll_plan
from airflow_provider_minimax.polling.failures import errors_to_carry, round_failure
from airflow_provider_minimax.polling.known_jobs import KnownJobs, ListWalk
from airflow_provider_minimax.polling.poll_plan import ListedUnfinished
from airflow_provider_minimax.polling.results import JobResult, RoundResult
from airflow_provider_minimax.polling.senders import ClientPool, Sender, SenderFullError, SlowResponseError

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

T = TypeVar("T")

#: Seconds after which a shared reader returns with what it has; the next call continues the round.
_MAX_SECONDS: Final = 2.5
#: The same in the last round before a deadline.
_MAX_LAST_SECONDS: Final = 5.0


class _OutOfTimeError(Exception):
    """The call has reached its time limit; the next one continues the round."""


@dataclass(slots=True)
class _Call:
    """One call of the reader."""

    #: By the reader's clock.
    ends_at: float
    #: Errors of the requests that were refused in a row, beginning with the round before.
    refused_in_a_row: list[MiniMaxError]
    results: dict[str, JobResult] = field(default_factory=dict)
    #: Ids that the list has shown as unfinished.
    unfinished: set[str] = field(default_factory=set)
    #: Of this round, whether or not other responses followed.
    last_error: MiniMaxError | None = None

    def result(self, failure: MiniMaxError | None) -> RoundResult:
        """Return the results; a round that brought only passing errors has failed as a whole."""
        last = self.last_error
        only_errors = all(isinstance(result, MiniMaxError) for result in self.results.values())
        if failure is None and only_errors and not isinstance(last, AirflowFailException):
            failure = last
        return RoundResult(self.results, failure)


class Reader:
    """Polls jobs with as few requests as possible, and remembers their place in the list.

    A refused id, or a refused list, comes last in the next rounds and is not requested in each of them. A slow
    response comes last as well and arrives in the background. A job that the list shows as unfinished for long is
    requested by id now and then: a list may be stale.

    :param get_job: requests one job by its id.
    :param iter_pages: walks through the jobs of an account, newest first, page by page.
    :param before_request: called before each request; may raise, to stop a round whose result nobody needs any more.
    :param max_seconds: after which a read, or one for the last time, returns, even in the middle of a round.
    :param age: seconds for which other processes have polled these jobs before.
    :param clock: returns seconds.
    """

    def __init__(
        self,
        kind: Kind,
        get_job: Callable[[str], Job],
        iter_pages: Callable[[str], Iterable[Sequence[Job]]],
        before_request: Callable[[], None] = lambda: None,
        *,
        sender: Sender | None = None,
        max_seconds: tuple[float, float] = (math.inf, math.inf),
        age: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._get_job = get_job
        self._iter_pages = iter_pages
        self._before_request = before_request
        self._sender = sender or Sender()
        self._max_seconds, self._max_last_seconds = max_seconds
        self._clock = clock
        self._age = age
        # The default, until the service has shown its own.
        self._page_size = PAGE_SIZE
        self._round_number = 0
        self._jobs = KnownJobs(kind)
        self._carried_errors: list[MiniMaxError] = []
        self._walks: dict[str, ListWalk] = {}
        #: The ids that the current round still has to request, and the accounts whose list it has read.
        self._remaining: dict[str, None] = {}
        self._walked_accounts: set[str] = set()

    @classmethod
    def for_client(
        cls,
        client: MiniMaxClient,
        kind: Kind,
        before_request: Callable[[], None] = lambda: None,
        *,
        sender: Sender | None = None,
        age: float = 0.0,
    ) -> Self:
        """Return a reader for one wait; with a sender, for many, of which a slow response delays no other.

        Its client retries nothing, since a wait has its own interval. Each id names its own account; the account of
        the connection does not restrict them.
        """
        clients = ClientPool(type(client)(replace(client.settings, account=None)).without_retries())
        return cls(
            kind,
            partial(clients.get_job, kind),
            partial(clients.iter_job_pages, kind),
            before_request,
            sender=sender,
            max_seconds=(_MAX_SECONDS, _MAX_LAST_SECONDS) if sender else (math.inf, math.inf),
            age=age,
        )

    @property
    def is_round_complete(self) -> bool:
        """Whether the current round has sent all the requests that it could."""
        return not self._remaining

    def read(self, ids: Collection[str]) -> RoundResult:
        """Start a round, or continue the current one.

        A failure that concerns all ids ends the round, so that a failing service gets no further requests.

        :param ids: full ids, of any account. Without any, only late responses are processed.
        """
        call = self._new_call(self._max_seconds)
        failure = None
        try:
            self._process_late_responses(call)
            if ids:
                self._run_round(self._start_or_continue_round(ids), call)
        except MiniMaxError as error:
            self._remaining.clear()
            failure = error
        if ids and self.is_round_complete:
            self._carried_errors = errors_to_carry(call.refused_in_a_row, failure)
        return call.result(failure)

    def read_for_last_time(self, ids: Collection[str]) -> RoundResult:
        """Poll jobs whose deadline has passed a last time: by id, as far as that fits into one call.

        :param ids: as for ``read``. The current round is left as it is.
        """
        call = self._new_call(self._max_last_seconds)
        failure = None
        try:
            self._process_late_responses(call)
            self._jobs.add(ids)
            self._run_last_round(list(ids), call)
        except MiniMaxError as error:
            failure = error
        return call.result(failure)

    def forget(self, job_id: str) -> None:
        """Forget an id that nobody awaits any more; a reader may live for days."""
        self._jobs.forget(job_id)
        self._remaining.pop(job_id, None)
        self._sender.forget(job_id)

    # A round

    def _new_call(self, seconds: float) -> _Call:
        return _Call(self._clock() + seconds, list(self._carried_errors))

    def _start_or_continue_round(self, ids: Collection[str]) -> list[str]:
        """Return the ids to request: the remaining ones of the current round, or all in a new one."""
        self._jobs.add(ids)
        remaining = [job_id for job_id in ids if job_id in self._remaining]
        if remaining:
            return remaining
        self._round_number += 1
        self._remaining = dict.fromkeys(ids)
        self._walked_accounts.clear()
        # A walk that stopped in the middle would continue at a place that has moved since.
        self._walks = {name: walk for name, walk in self._walks.items() if self._sender.is_pending(name)}
        if poll_plan.searches_again(self._round_number):
            self._jobs.search_again()
        return list(ids)

    def _run_round(self, ids: list[str], call: _Call) -> None:
        try:
            for account, of_account in self._jobs.group_by_account(ids).items():
                self._read_list(account, of_account, call)
            missing = [job_id for job_id in ids if job_id not in call.results]
            due = self._jobs.select_due(missing, self._round_number, self._sender, is_all=not call.results)
            self._remaining = dict.fromkeys(due)
            unfinished = [job_id for job_id in ids if job_id in call.unfinished]
            # Each process of a rescheduled wait starts with round 1, but with another age.
            seed = self._round_number + int(self._age)
            for job_id in [*due, *self._jobs.select_checks(unfinished, self._clock(), seed)]:
                self._request_job(job_id, call)
                self._remaining.pop(job_id, None)
        except _OutOfTimeError:
            for job_id in call.results:
                self._remaining.pop(job_id, None)
        except SenderFullError:
            # The pending requests come first.
            self._remaining.clear()

    def _run_last_round(self, ids: list[str], call: _Call) -> None:
        try:
            for account, of_account in self._jobs.group_by_account(ids).items():
                if len(of_account) > poll_plan.MAX_BY_ID_AT_DEADLINE:
                    self._read_list(account, of_account, call)
            unfinished = [job_id for job_id in ids if job_id in call.unfinished]
            due = [job_id for job_id in ids if job_id not in call.results]
            checks = poll_plan.sample_ids(unfinished, self._round_number, poll_plan.MAX_BY_ID_AT_DEADLINE)
            for job_id in [*due, *checks]:
                self._request_job(job_id, call)
        except (_OutOfTimeError, SenderFullError):
            return

    # Requests

    def _send(self, name: str, request: Callable[[], T], call: _Call) -> T:
        self._before_request()
        if self._clock() >= call.ends_at:
            raise _OutOfTimeError
        return self._sender.send(name, request)

    def _process_late_responses(self, call: _Call) -> None:
        for name, response in self._sender.pop_late():
            walk = self._walks.get(name)
            if walk is None and name not in self._jobs.by_id:
                # Nobody awaits it any more.
                continue
            try:
                if walk is None:
                    self._record_result(name, response(), call)  # type: ignore[arg-type]
                elif self._process_page(name, walk, response(), call):  # type: ignore[arg-type]
                    self._walk_list(name, walk, (), call)
            except MiniMaxNotFoundError as error:
                self._record_result(name, error, call)
            except MiniMaxError as error:
                self._walks.pop(name, None)
                self._record_late_error(name, error, call)

    def _record_late_error(self, name: str, error: MiniMaxError, call: _Call) -> None:
        """Record a late refusal. A late request without any response says nothing about the others."""
        call.last_error = error
        self._jobs.add_refusal(name)
        if error.status is not None and round_failure([error]):
            raise error
        if name in self._jobs.by_id:
            call.results.setdefault(name, error)

    def _request_job(self, job_id: str, call: _Call) -> None:
        if self._sender.is_pending(self._jobs.by_id[job_id].account) or self._sender.is_pending(job_id):
            self._process_late_responses(call)
            if job_id in call.results or self._sender.is_pending(job_id):
                return
        try:
            self._record_result(job_id, self._send(job_id, partial(self._get_job, job_id), call), call)
        except SlowResponseError:
            return
        except SenderFullError:
            # There may still be a thread for an id that is not known to be slow.
            if not self._sender.is_slow(job_id):
                raise
            return
        except MiniMaxNotFoundError as error:
            self._record_result(job_id, error, call)
        except MiniMaxError as error:
            self._record_error(job_id, error, call)
            return
        call.refused_in_a_row.clear()

    def _record_result(self, job_id: str, result: JobResult, call: _Call) -> None:
        """Record the response to an id; it replaces what the list shows."""
        call.results[job_id] = result
        self._jobs.add_response(job_id)

    def _record_error(self, name: str, error: MiniMaxError, call: _Call) -> None:
        """Record a refusal of an id, or of the list of an account; raise the failure that ends the round."""
        call.refused_in_a_row.append(error)
        call.last_error = error
        failure = round_failure(call.refused_in_a_row)
        # It skips rounds only for a reason of its own.
        self._jobs.add_refusal(name, counts=failure is None)
        if failure is not error and name in self._jobs.by_id:
            call.results.setdefault(name, error)
        if failure is not None:
            raise failure

    # The list

    def _read_list(self, account: str, ids: list[str], call: _Call) -> None:
        """Walk through the list if that saves requests, or continue a walk."""
        if self._sender.is_pending(account):
            return
        if account not in self._walks:
            ranks = {job_id: self._jobs.by_id[job_id].rank for job_id in ids}
            planned = poll_plan.pages_to_read(ranks.values(), self._page_size)
            if planned == 0 or account in self._walked_accounts or not self._jobs.is_due(account, self._round_number):
                return
            self._walked_accounts.add(account)
            self._walks[account] = ListWalk(self._iter_pages(account), planned, ranks)
        self._walk_list(account, self._walks[account], ids, call)

    def _walk_list(self, account: str, walk: ListWalk, ids: Sequence[str], call: _Call) -> None:
        try:
            while self._process_page(account, walk, self._send(account, partial(next, walk.pages, None), call), call):
                pass
        except (SlowResponseError, SenderFullError):
            # The missing jobs are requested by id, as far as there are threads.
            return
        except MiniMaxAccountOnHoldError as error:
            # The list stands for all jobs of the account.
            del self._walks[account]
            call.last_error = error
            call.results.update(dict.fromkeys((job_id for job_id in ids if job_id not in call.results), error))
        except MiniMaxError as error:
            del self._walks[account]
            self._record_error(account, error, call)

    def _process_page(self, account: str, walk: ListWalk, page: Sequence[Job] | None, call: _Call) -> bool:
        """Record the awaited jobs on a page; return whether to read the next one."""
        if page is not None:
            found = self._record_page(page, walk.jobs_read, call)
            if walk.pages_read == 1:
                # A second page means that the first one was full.
                self._page_size = walk.jobs_read
            if walk.add_page(page, found):
                return True
        del self._walks[account]
        self._jobs.refusals.pop(account, None)
        self._jobs.set_not_listed(walk.missing)
        return False

    def _record_page(self, page: Sequence[Job], first_rank: int, call: _Call) -> set[str]:
        """Record the awaited jobs on a page and return their ids."""
        found = set()
        for rank, job in enumerate(page, start=first_rank):
            job_id = str(job.get(f"{self._kind}Id"))
            known = self._jobs.by_id.get(job_id)
            if known is None:
                continue
            found.add(job_id)
            known.rank = rank
            call.results[job_id] = job
            if not is_final(job):
                call.unfinished.add(job_id)
                known.listed = known.listed or ListedUnfinished(self._clock() - self._age)
        return found
