"""What the operators that create have in common: an order that is paid once, whatever dies and whenever."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import AUTO
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.validation import one_of
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
    conf,
)
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.links import MiniMaxMediaLink
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.events import is_left_to_this_worker, result_of, timeout_error

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.operators.job_wait import JobWait
    from airflow_provider_minimax.submission.record import Ledger, Record
    from airflow_provider_minimax.submission.submitter import Orders, Request

# What only a running task needs is imported where it runs: reading a DAG file shall cost little.

log = logging.getLogger(__name__)

_ON_UNKNOWN_OUTCOME: Final = ("fail", "resubmit")
#: Seconds before a second look at a job that was not found, at most: a worker is held meanwhile.
_MAX_PAUSE: Final = 10.0
#: Seconds for a connection and for an answer when the worker is being killed.
_LAST_CONNECT: Final = 1.0
_LAST_READ: Final = 1.5


class MiniMaxCreateOperator(MiniMaxBaseOperator):
    """Creates jobs, each paid for once, and waits for them.

    A record of what was ordered lies in Airflow's ``task_state_store`` (3.3 and newer): written before the create
    is sent, and again when the ids are known. A retry reads it and takes up what was ordered: jobs that run or
    are completed are waited for, a create whose answer was lost is looked for. A new job is ordered when the
    inputs have changed, when the earlier job is known to have failed, was moderated, was cancelled or is gone, or when
    a person has cleared the task; the log says so. After a final status that nobody knows, none is. A trigger never
    creates anything.

    Before Airflow 3.3 there is no such store. A lost answer is still never sent again, and an error after the
    create is final there, as is a trigger that fails; but a worker that dies takes its knowledge along, and a retry
    would pay again: use ``retries=0``.

    Only a person's kill (mark, clear) gives a job up. What is paid for goes on when a pod is evicted, a worker is lost
    or ``execution_timeout`` strikes, and a retry takes it up. It also goes on after ``timeout``, which Airflow does not
    retry.

    :param on_unknown_outcome: what to do when a create's answer was lost and its job is not found: ``"fail"``
        with ``MiniMaxUnknownOutcomeError``, after which each retry looks again and none creates; or
        ``"resubmit"``, at the risk of paying twice: each attempt then sends one create more, and no third one,
        whatever becomes of it. A create that was accepted with ids that are none is never sent again.
    :param wait_for_completion: wait until the jobs are final.
    :param deferrable: wait in the triggerer, holding no worker.
    :param poke_interval: seconds between two rounds of the wait, by default 10 for images and 30 for a video; not
        less than 1, and a little jitter comes on top.
    :param timeout: seconds of the wait, and likewise of the time that each try of a task without room (429) goes on
        asking; by default 30 min for images and 60 min for a video.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account to work on, or ``"auto"`` for one that has room and credits. Templated.
    """

    kind: ClassVar[Kind]
    prompt: str | None
    operator_extra_links = (MiniMaxMediaLink(),)
    require: str = "all"
    cancel_on_kill: bool = False

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        on_unknown_outcome: str = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        one_of("on_unknown_outcome", on_unknown_outcome, _ON_UNKNOWN_OUTCOME)
        self.wait_for_completion = wait_for_completion
        self.on_unknown_outcome = on_unknown_outcome
        self.deferrable = deferrable
        defaults = timing.DEFAULTS[self.kind]
        self.poke_interval = timing.floor(_seconds("poke_interval", poke_interval, defaults.interval))
        self.timeout = _seconds("timeout", timeout, defaults.timeout)
        self._context: Context | None = None
        self._ids: tuple[str, ...] = ()
        self._killed = False
        self._given_up = False
        self._cancelled = False

    # What a subclass says

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """Return the optional fields of the create, as they were rendered."""

    @abstractmethod
    def _result(self, jobs: list[dict[str, Any]]) -> Any:
        """Return what goes into the XCom."""

    @abstractmethod
    def _result_without_waiting(self, ids: tuple[str, ...]) -> Any:
        """Return what goes into the XCom when the jobs are not waited for."""

    # What Airflow calls

    def execute(self, context: Context) -> Any:
        """Order, unless an earlier try has, and wait."""
        return self._order_and_wait(context, None)

    def ask_again(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after a deferral in which nothing happened but time: the service had no room."""
        return self._order_and_wait(context, float(event["since"]))

    def execute_complete(self, context: Context, event: object) -> Any:
        """Return what the trigger found, or raise the error that it met."""
        ledger = self._ledger(context)
        with self._guarded(ledger, is_paid=True):
            if is_left_to_this_worker(event):
                return self._result(self._wait_here(context, event))
            try:
                jobs = result_of(event, self.timeout)
            except AirflowSensorTimeout as error:
                jobs = self._look_once_more(ledger, error)
            return self._result(jobs)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        ledger = self._ledger(context)
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            # Of the wait: a deferral for want of room has no time-out.
            error = timeout_error(self.timeout, "the trigger gave no answer.")
        except TaskDeferralError as failure:
            # Which trigger it was, Airflow does not tell any more; where nothing lasts, it may have waited for a job.
            advice = " A retry takes up what was ordered." if ledger.lasts else ""
            with self._guarded(ledger, is_paid=True):
                raise errors.MiniMaxUpstreamError(f"The trigger failed: {failure}.{advice}") from None
        with self._guarded(ledger, is_paid=True):
            return self._result(self._look_once_more(ledger, error))

    def on_kill(self) -> None:
        """Give the job up, if it was a person who ended the task; see the class."""
        from airflow_provider_minimax.operators.cancellation import within_patience

        self._killed = True
        within_patience(self._give_up)

    # Order

    def _request(self) -> Request:
        """Return what is asked for, from the rendered fields."""
        from airflow_provider_minimax.operators import rendering
        from airflow_provider_minimax.submission.submitter import Request

        prompt, account = rendering.text("prompt", self.prompt), rendering.text("account", self.account)
        return Request(self.kind, prompt, account, rendering.fields(self._fields()))

    @staticmethod
    def _ledger(context: Context) -> Ledger:
        from airflow_provider_minimax.submission.record import Ledger

        return Ledger.of(context)

    def _order_and_wait(self, context: Context, since: float | None) -> Any:
        """Order and wait, or let go of the worker until there may be room.

        :param since: seconds since the epoch at which this try began, if it has been here before and found no room.
        """
        self._context = context
        begun = time.time()
        ledger = self._ledger(context)
        if not ledger.lasts:
            log.warning(
                "This Airflow keeps no state for a task (3.3 does). If the worker dies now, a retry pays again."
            )
        since = since or ledger.waiting_since(context["ti"].try_number)
        with self._guarded(ledger):
            orders = self._orders(context, ledger, insist=since is None)
            try:
                return self._go(orders)
            except errors.MiniMaxCapacityError as error:
                # With jobs it is not a create that found no room.
                if self._ids or not orders.may_ask_again:
                    raise
                self._come_back(context, ledger, since or begun, error)

    def _orders(self, context: Context, ledger: Ledger, *, insist: bool) -> Orders:
        from airflow_provider_minimax.submission.retry_delays import RetryDelays
        from airflow_provider_minimax.submission.submitter import Orders

        request = self._request()
        return Orders(
            request,
            ledger,
            MiniMaxHook(self.minimax_conn_id, None if request.account == AUTO else request.account).get_conn(),
            max_tries=context["ti"].max_tries,
            attempt=context["ti"].try_number,
            retry_delays=RetryDelays.of(self.retry_delay, self.retry_exponential_backoff, self.max_retry_delay),
            on_unknown_outcome=self.on_unknown_outcome,
            before_create=self._stop_if_killed,
            pause=self.poke_interval,
            insist=insist,
        )

    def _go(self, orders: Orders) -> Any:
        record, is_earlier = orders.place()
        wait, found = self._take_up(orders, record) if is_earlier else (self._wait_for(record), None)
        if self._killed:
            self._stop_waiting()
        if not self.wait_for_completion:
            return self._result_without_waiting(self._ids)
        deadline = time.time() + self.timeout
        if found is None and self.deferrable:
            self._defer(wait, deadline)
        return self._result(wait.until(deadline, self._stop_waiting) if found is None else found)

    def _take_up(
        self, orders: Orders, record: Record, *, is_second_look: bool = False
    ) -> tuple[JobWait, list[dict[str, Any]] | None]:
        """Take up the jobs of an earlier attempt, and order anew where it is known that they cannot succeed any more.

        :return: the wait, and the compact jobs if it is over.
        """
        wait = self._wait_for(record)
        try:
            return wait, wait.look()
        except (errors.MiniMaxModeratedError, errors.MiniMaxJobFailedError, errors.MiniMaxNotFoundError) as error:
            if wait.misses_jobs and not is_second_look:
                log.warning("%s Looking once more before a new job is submitted.", error)
                time.sleep(min(self.poke_interval, _MAX_PAUSE))
                return self._take_up(orders, record, is_second_look=True)
            if wait.unknown_ends:
                raise type(error)(
                    f"{error} Unknown final status of {', '.join(wait.unknown_ends)}: the job may have succeeded, so "
                    "no other is submitted. Look at it at the service; to clear the task orders a new job.",
                    status=error.status,
                ) from None
            if not orders.may_submit(outcome_known=True):
                raise
            log.warning("What an earlier try has ordered cannot succeed any more: a new job is ordered. %s", error)
        self._ids = ()
        return self._wait_for(orders.place_anew()), None

    def _wait_for(self, record: Record) -> JobWait:
        from airflow_provider_minimax.operators.job_wait import JobWait

        self._ids = record.ids
        # The jobs may lie on another account than the one asked for: they are paid for all the same.
        self._jobs_hook = MiniMaxHook(self.minimax_conn_id, parse_id(record.ids[0], record.kind).account)
        return JobWait(
            self.kind,
            record.ids,
            self.require,
            self._jobs_hook,
            created=record.until / 1000,
            interval=self.poke_interval,
        )

    def _wait_here(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Go on with the wait for paid jobs that the triggerer could not take on; nothing is created."""
        from airflow_provider_minimax.operators.job_wait import GRACE, JobWait

        self._context, self._ids = context, tuple(event["ids"])
        self._jobs_hook = MiniMaxHook(self.minimax_conn_id, parse_id(self._ids[0], self.kind).account)
        created = event["fresh_until"] - GRACE
        wait = JobWait(
            self.kind, self._ids, self.require, self._jobs_hook, created=created, interval=self.poke_interval
        )
        return wait.until(event["deadline"], self._stop_waiting)

    def _look_once_more(self, ledger: Ledger, error: AirflowSensorTimeout) -> list[dict[str, Any]]:
        """Return the jobs if they are completed after all: who was to ask may have been away.

        :raises AirflowSensorTimeout: they are not.
        """
        from airflow_provider_minimax.operators.job_wait import overdue

        try:
            record = ledger.record
        except errors.MiniMaxUpstreamError as unread:
            log.warning("The jobs are not looked at once more: %s", unread)
            record = None
        found = self._wait_for(record).look(is_last=True) if record and record.ids else None
        if found is None:
            raise overdue(error) from None
        return found

    def _defer(self, wait: JobWait, deadline: float) -> NoReturn:
        self.defer(
            trigger=wait.trigger(deadline, cancel_on_kill=self.cancel_on_kill),
            method_name="execute_complete",
            timeout=timing.backstop(deadline - time.time(), self.poke_interval),
        )

    def _come_back(self, context: Context, ledger: Ledger, since: float, error: errors.MiniMaxError) -> NoReturn:
        """Let go of the worker until there may be room again.

        Without a triggerer the task is rescheduled. Before Airflow 3.3 only sensors are rescheduled to a time, so
        there the error is left to the task's own retries.
        """
        from airflow_provider_minimax.submission.capacity import next_asking

        moment = next_asking(time.time(), since, self.timeout, error.retry_after)
        if moment is None or not (self.deferrable or ledger.lasts):
            raise error
        at = datetime.fromtimestamp(moment, UTC)
        log.info("%s Asking again at %s, without a worker until then.", error, at.isoformat(timespec="seconds"))
        if self.deferrable:
            from airflow_provider_minimax.triggers.timer import MiniMaxTimerTrigger

            self.defer(trigger=MiniMaxTimerTrigger(moment, {"since": since}), method_name="ask_again")
        try:
            ledger.wait_since(context["ti"].try_number, since)
        except Exception as unstored:  # noqa: BLE001 - a state_store_backend may raise anything
            log.error("Airflow's task store does not take since when this attempt asks for room: %r", unstored)
            raise error from None
        raise AirflowRescheduleException(at)

    @contextmanager
    def _guarded(self, ledger: Ledger, *, is_paid: bool = False) -> Iterator[None]:
        """Where no later try can know of a paid job, keep Airflow from retrying.

        :param is_paid: whether there is such a job, whatever else is known.
        """
        try:
            yield
        except errors.MiniMaxError as error:
            is_paid = is_paid or bool(self._ids) or isinstance(error, errors.MiniMaxUnknownOutcomeError)
            if ledger.lasts or not is_paid or isinstance(error, AirflowFailException):
                raise
            raise _final(error) from None

    # Kill

    def _stop_if_killed(self) -> None:
        if self._killed:
            raise errors.MiniMaxUpstreamError("The worker was told to stop. Nothing was created; a retry creates it.")

    def _stop_waiting(self) -> None:
        if self._given_up:
            self._cancel()
            raise AirflowFailException("The task was ended by a person.")

    def _give_up(self) -> None:
        """See whether the task was given up, and if so its jobs, too. In a thread, with little time."""
        from airflow_provider_minimax.operators.cancellation import is_given_up

        if self._context is None:
            return
        try:
            self._given_up = is_given_up(self._context["ti"])
        except AirflowRuntimeError as error:
            log.warning("Airflow does not say what became of the task: %s", error)
        if self._given_up:
            self._cancel()
        elif self._ids:
            ti = self._context["ti"]
            log.warning(
                "The worker is ending, the task is not: %s goes on and is paid for; %s.",
                ", ".join(self._ids),
                "a retry takes it up"
                if 0 < ti.try_number <= ti.max_tries
                else "the task has no retry left, so collect it with a sensor and this id",
            )

    def _cancel(self) -> None:
        if self._cancelled or not self._ids:
            return
        ids = ", ".join(self._ids)
        if self.kind == "image":
            log.warning("The service cannot cancel images. These go on and are paid for: %s", ids)
        elif not self.cancel_on_kill:
            log.warning("cancel_on_kill is off. This video goes on and is paid for: %s", ids)
        else:
            client = self._jobs_hook.get_conn().in_a_hurry(_LAST_CONNECT, _LAST_READ)
            try:
                client.cancel_video(self._ids[0])
            except errors.MiniMaxError as error:
                log.error("The video %s was not cancelled and goes on. %s", ids, error)
                return
            log.warning("Asked the service to cancel %s.", ids)
        self._cancelled = True


def _final(error: errors.MiniMaxError) -> errors.MiniMaxError:
    """Return the same error as one that Airflow does not retry."""
    kind = type(type(error).__name__, (type(error), AirflowFailException), {})
    message = f"{error} This Airflow keeps no state for a task, so a retry would pay again: it is not retried."
    final: errors.MiniMaxError = kind(message, status=error.status, retry_after=error.retry_after)
    return final


def _seconds(parameter: str, value: timedelta | float | None, default: float) -> float:
    if value is None:
        return default
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise errors.MiniMaxBadRequestError(f"{parameter} must be a number of seconds above 0, not {value!r}.")
    return seconds
