"""The base of the operators that create: a job is submitted and paid for once, whatever dies and whenever."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Unpack, get_args

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.accounts import AUTO
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.validation import one_of
from airflow_provider_minimax.arguments import OnUnknownOutcome
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
    conf,
    has_listeners,
)
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.lineage import Lineage, LineageMixin, data_of, images_in
from airflow_provider_minimax.links import MiniMaxMediaLink, first_url
from airflow_provider_minimax.operators.base import MiniMaxBaseOperator
from airflow_provider_minimax.operators.cancellation import SubmittedJobs, is_killed_by_user, run_within_kill_timeout
from airflow_provider_minimax.operators.capacity import CapacityMixin
from airflow_provider_minimax.operators.costs import describe_created, pulled_cost, push_cost
from airflow_provider_minimax.polling import events, timing

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_provider_minimax.api.settings import CheckInputs
    from airflow_provider_minimax.arguments import MiniMaxArguments, Templated
    from airflow_provider_minimax.assets import Made
    from airflow_provider_minimax.operators.job_wait import JobWait
    from airflow_provider_minimax.submission.record import Record
    from airflow_provider_minimax.submission.record_store import RecordStore
    from airflow_provider_minimax.submission.request import CreateRequest
    from airflow_provider_minimax.submission.submitter import Submitter

# Imports that only a running task needs stand in the methods: to parse a DAG file must cost little. Not those of
# ``on_kill``: the signal may interrupt an import, whose lock the thread that cancels would then wait for.

log = logging.getLogger(__name__)

#: The label of a mapped task: the first words of its prompt, or else the file that a video begins with. The space keeps
#: a DAG that renders native objects from reading a prompt such as ``1984`` as a number, which Airflow would fail on.
_MAP_INDEX: Final = (
    "{{ ' ' if dag.render_template_as_native_obj }}"
    "{{ ((task.prompt or task.file_id) | string).split() | join(' ') | truncate(48, end='…', leeway=0) }}"
)
#: The longest pause before a missing job is polled a second time, in seconds: a worker is held meanwhile.
_MAX_SECOND_POLL_DELAY: Final = 10.0


class MiniMaxCreateOperator(CapacityMixin, LineageMixin, MiniMaxBaseOperator):
    """Creates jobs, each paid for once, and waits for them.

    A record in Airflow's ``task_state_store`` (3.3 and newer) outlives the attempt: it is stored before the create is
    sent, and again when the ids are known. A retry loads it and resumes: it waits for jobs that run or are completed,
    and searches for the job of a create whose response was lost. It submits a new job when the inputs have changed,
    when the earlier job is known to have failed, was moderated, was cancelled or is gone, or when a user has cleared
    the task; the log says so. After an unknown final status it submits none. A trigger never creates anything.

    Before Airflow 3.3 there is no such store. An error after a create is final there, but a worker that dies takes its
    record along, and a retry would pay again: use ``retries=0``.

    Only a user who marks or clears the task cancels a job. It continues when a worker is lost or ``execution_timeout``
    strikes, and a retry resumes it. It also continues after ``timeout``, which Airflow does not retry.

    :param on_unknown_outcome: what to do when a create's response was lost and its job is not found: ``"fail"``
        with ``MiniMaxUnknownOutcomeError``, after which each retry searches again and none creates; or
        ``"resubmit"``, at the risk of paying twice: each attempt then sends one more create, and no third one,
        whatever becomes of it. Neither a create that was accepted without a valid id is sent again, nor one whose job
        is ambiguous.
    :param check_inputs: ``"strict"`` refuses inputs that the model is documented not to take, ``"warn"`` sends them and
        logs a warning, ``"off"`` sends them. By default as the connection says, else
        ``[minimax] check_inputs``. Templated.
    :param wait_for_completion: wait until the jobs are final.
    :param deferrable: wait in the triggerer, holding no worker.
    :param end_from_trigger: wait in the triggerer, and end a successful task there, with the same XCom and no second
        start of a worker (Airflow 3.3 and newer). Any other end resumes on a worker, and so does a task with
        ``outlets``, ``on_success_callback`` or whatever else only a worker processes, and each task where a plugin
        listens to tasks.
    :param poke_interval: seconds between two polls, by default 10 for images and 30 for a video; at least 1, and a
        little jitter comes on top.
    :param timeout: seconds of the wait, and likewise of the time for which each attempt without capacity (429) submits
        again; by default 30 min for images and 60 min for a video.
    :param max_credits: refuse a create that costs more, or whose price is unknown. Each create is judged on its own,
        so in a mapped task each of its instances. Templated.
    :param account: the Hailuo account to work on, or ``"auto"`` for one with capacity and credits. Templated.
    """

    template_fields: Sequence[str] = ("check_inputs", "max_credits", *MiniMaxBaseOperator.template_fields)
    kind: ClassVar[Kind]
    prompt: str | None
    operator_extra_links = (MiniMaxMediaLink(),)
    require: str = "all"
    cancel_on_kill: bool = False
    #: The address of the first completed job, for the extra link; None until there is one.
    media_url: str | None = None
    #: The ids of the jobs that were awaited, or only submitted.
    _created: Sequence[str] = ()

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        on_unknown_outcome: OnUnknownOutcome = "fail",
        check_inputs: Templated[CheckInputs | None] = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = False,
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        max_credits: Templated[float | str | None] = None,
        **kwargs: Unpack[MiniMaxArguments],
    ) -> None:
        super().__init__(**kwargs)
        one_of("on_unknown_outcome", on_unknown_outcome, get_args(OnUnknownOutcome))
        self.wait_for_completion = wait_for_completion
        self.on_unknown_outcome = on_unknown_outcome
        self.check_inputs = check_inputs
        self.max_credits = max_credits
        self.deferrable = deferrable or end_from_trigger
        self.end_from_trigger = end_from_trigger and not has_listeners()
        defaults = timing.DEFAULTS[self.kind]
        interval = timing.seconds("poke_interval", poke_interval, defaults.interval)
        self.poke_interval = timing.at_least_minimum(interval)
        self.timeout = timing.seconds("timeout", timeout, defaults.timeout)
        self._context: Context | None = None
        self._jobs: SubmittedJobs | None = None
        self._is_killed_by_user = False

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return the operator with some parameters, to be mapped over others with ``expand``.

        Unless told otherwise, Airflow's pages show the beginning of the prompt in the place of the map index, where
        each has its own.
        """
        partial = super().partial(**kwargs)
        if partial.kwargs.get("map_index_template") is None and partial.kwargs.get("prompt") is None:
            partial.kwargs["map_index_template"] = _MAP_INDEX
        return partial

    # Defined by each subclass

    @abstractmethod
    def _result(self, jobs: list[dict[str, Any]]) -> Any:
        """Return the XCom."""

    @abstractmethod
    def _result_without_waiting(self, ids: tuple[str, ...]) -> Any:
        """Return the XCom when the jobs are not waited for."""

    # What was made

    def _made(self, context: Context) -> Made | None:
        return describe_created(context, self.kind, self._created) if self._created else None

    def _lineage(self) -> Lineage:
        images = images_in(getattr(self, "file_id", None)) if self._created else ()
        return Lineage(data_of(images), data_of(self._created, len(self._created)))

    # Called by Airflow

    def execute(self, context: Context) -> Any:
        """Resume the jobs of an earlier attempt or submit new ones, and wait."""
        return self._submit_and_wait(context, None)

    def submit_again(self, context: Context, event: dict[str, Any]) -> Any:
        """Submit after a deferral in which the task waited for capacity."""
        return self._submit_and_wait(context, float(event["since"]))

    def execute_complete(self, context: Context, event: object) -> Any:
        """Return the jobs that the trigger read, or raise its error."""
        if events.has_ended_task(event):
            # Only a test run of a DAG gets here: the trigger has pushed the result and ended the task.
            return None
        from airflow_provider_minimax.operators.job_wait import GRACE, explained_moderation

        store = self._record_store(context)
        with store.final_if_lost():
            if events.is_back_on_worker(event):
                # The triggerer could not take over the wait.
                self._context = context
                wait = self._wait_for_ids(tuple(event["ids"]), event["fresh_until"] - GRACE)
                return self._finish(wait.wait_until(event["deadline"], self._stop_if_killed_by_user))
            try:
                with explained_moderation():
                    jobs = events.jobs_of(event, self.timeout)
            except AirflowSensorTimeout as error:
                jobs = self._poll_after_timeout(context, store, error)
            return self._finish(jobs)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            # Of the wait: a deferral without capacity has no timeout.
            event = events.timed_out("the trigger sent no event.")
        except TaskDeferralError as failure:
            # Airflow does not say which trigger failed; without a store, it may have waited for a job.
            has_store = self._record_store(context).is_persistent
            advice = " A retry resumes the jobs that were submitted." if has_store else ""
            event = events.failure_event(errors.MiniMaxUpstreamError(f"The trigger failed: {failure}.{advice}"))
        return self.execute_complete(context, event)

    def on_kill(self) -> None:
        """Cancel the job if a user ended the task; see the class."""
        self._killed = True
        run_within_kill_timeout(self._cancel_if_killed_by_user)

    # Submit

    def _submit_and_wait(self, context: Context, since: float | None) -> Any:
        """Submit and wait, or release the worker until there may be capacity.

        :param since: when this attempt first found no capacity, in seconds since the epoch; None if it has not.
        """
        self._context = context
        started = time.time()
        store = self._record_store(context)
        if not store.is_persistent:
            log.warning("This Airflow keeps no state for a task (3.3 does): if the worker dies, a retry pays again.")
        since = since or store.waiting_since(context["ti"].try_number)
        with store.final_if_lost(lambda: bool(self._jobs)):
            submitter = self._submitter(context, store, repeat_at_capacity=since is None)
            try:
                return self._run_attempt(submitter)
            except errors.MiniMaxCapacityError as error:
                # With jobs, it was not a create that found no capacity.
                if self._jobs or not submitter.may_come_back:
                    raise
                self._submit_later(context["ti"].try_number, store, since or started, error)
            finally:
                # Each attempt, since Airflow removes the XComs of the one before.
                push_cost(context, store)

    def _run_attempt(self, submitter: Submitter) -> Any:
        record, is_earlier = submitter.resume_or_submit()
        wait, jobs = self._resume_jobs(submitter, record) if is_earlier else (self._wait_for(record), None)
        if self._killed:
            self._stop_if_killed_by_user()
        if not self.wait_for_completion:
            self._created = wait.ids
            return self._result_without_waiting(wait.ids)
        deadline = time.time() + self.timeout
        if jobs is None and self.deferrable:
            self._defer(wait, deadline)
        return self._finish(wait.wait_until(deadline, self._stop_if_killed_by_user) if jobs is None else jobs)

    def _resume_jobs(
        self, submitter: Submitter, record: Record, *, is_second_poll: bool = False
    ) -> tuple[JobWait, list[dict[str, Any]] | None]:
        """Poll the jobs of an earlier attempt, and submit new ones if they are known to have failed.

        :return: the wait, and the compact jobs if it is over.
        """
        wait = self._wait_for(record)
        try:
            return wait, wait.poll()
        except (errors.MiniMaxModeratedError, errors.MiniMaxJobFailedError, errors.MiniMaxNotFoundError) as error:
            if wait.has_missing_jobs and not is_second_poll:
                log.warning("%s Polling once more before a new job is submitted.", error)
                time.sleep(min(self.poke_interval, _MAX_SECOND_POLL_DELAY))
                return self._resume_jobs(submitter, record, is_second_poll=True)
            if wait.unknown_outcomes:
                raise type(error)(
                    f"{error} Unknown final status of {', '.join(wait.unknown_outcomes)}: the job may have succeeded, "
                    "so no other is submitted. Look at it at the service; clear the task to submit a new job.",
                    status=error.status,
                ) from None
            if not submitter.may_submit(outcome_known=True):
                raise
            log.warning("Job %s from attempt %d failed; submitting a new one. %s", record.label, record.attempt, error)
        self._jobs = None
        return self._wait_for(submitter.submit_job()), None

    def _request(self) -> CreateRequest:
        from airflow_provider_minimax.submission.request import CreateRequest

        return CreateRequest.of_rendered(self.kind, vars(self))

    def _submitter(self, context: Context, store: RecordStore, *, repeat_at_capacity: bool) -> Submitter:
        from airflow_provider_minimax.api.prices import read_max_credits
        from airflow_provider_minimax.submission.submitter import Submitter
        from airflow_provider_minimax.submission.times import RetryDelays

        request = self._request()
        return Submitter(
            request,
            store,
            MiniMaxHook(self.minimax_conn_id, None if request.account == AUTO else request.account).get_conn(),
            max_tries=context["ti"].max_tries,
            attempt=context["ti"].try_number,
            is_mapped=context["ti"].map_index is not None and context["ti"].map_index >= 0,
            retry_delays=RetryDelays.of(self.retry_delay, self.retry_exponential_backoff, self.max_retry_delay),
            on_unknown_outcome=self.on_unknown_outcome,
            before_create=self._stop_before_create_if_killed,
            search_interval=self.poke_interval,
            repeat_at_capacity=repeat_at_capacity,
            max_credits=read_max_credits(self.max_credits),
        )

    @staticmethod
    def _record_store(context: Context) -> RecordStore:
        from airflow_provider_minimax.submission.record_store import RecordStore

        return RecordStore.of(context)

    # Wait

    def _wait_for(self, record: Record) -> JobWait:
        return self._wait_for_ids(record.ids, record.sent_before / 1000)

    def _wait_for_ids(self, ids: tuple[str, ...], created: float) -> JobWait:
        """Return a wait for jobs; from here on, they are the ones to cancel."""
        from airflow_provider_minimax.operators.job_wait import JobWait

        self._jobs = SubmittedJobs(self.kind, ids, self.minimax_conn_id)
        return JobWait(self.kind, ids, self.require, self._jobs.hook, created=created, interval=self.poke_interval)

    def _poll_after_timeout(
        self, context: Context, store: RecordStore, error: AirflowSensorTimeout
    ) -> list[dict[str, Any]]:
        """Return the jobs if they are completed after all: the triggerer may have been down.

        :raises AirflowSensorTimeout: they are not.
        """
        from airflow_provider_minimax.operators.job_wait import explain_timeout, explained_moderation

        try:
            record = store.record
            ids = record.ids if record else tuple(pulled_cost(context).get("jobs", ()))
        except Exception as unread:  # noqa: BLE001 - whatever Airflow raises, it stays a timeout
            log.warning("The jobs are not polled once more. %s", unread)
            record, ids = None, ()
        created = record.sent_before / 1000 if record else 0.0
        with explained_moderation():
            jobs = self._wait_for_ids(ids, created).poll(is_last=True) if ids else None
        if jobs is None:
            raise explain_timeout(error) from None
        return jobs

    def _defer(self, wait: JobWait, deadline: float) -> NoReturn:
        from airflow_provider_minimax.triggers.endings import has_own_end, may_end_in_triggerer

        is_whole = self.require == "any" or len(wait.ids) >= self._request().quantity
        is_ours = not has_own_end(type(self), MiniMaxCreateOperator)
        ends = self.end_from_trigger and is_whole and is_ours and may_end_in_triggerer(vars(self))
        self.defer(
            trigger=wait.trigger(deadline, cancel_on_kill=self.cancel_on_kill, end_in_triggerer=ends),
            method_name="execute_complete",
            timeout=timing.deferral_timeout(deadline - time.time(), self.poke_interval),
        )

    def _finish(self, jobs: list[dict[str, Any]]) -> Any:
        self.media_url = first_url(job.get("url") for job in jobs)
        result = self._result(jobs)
        self._created = [str(job[f"{self.kind}Id"]) for job in jobs]
        log.info("Completed %s.", ", ".join(self._created))
        return result

    # Kill

    def _stop_before_create_if_killed(self) -> None:
        if self._killed:
            raise errors.MiniMaxUpstreamError("The worker was told to stop. Nothing was created; a retry creates it.")

    def _stop_if_killed_by_user(self) -> None:
        if self._is_killed_by_user:
            self._cancel_jobs()
            raise AirflowFailException("A user ended the task.")

    def _cancel_if_killed_by_user(self) -> None:
        """Ask Airflow whether a user ended the task, and cancel its jobs if so. In a thread, with little time."""
        if self._context is None:
            return
        ti = self._context["ti"]
        self._is_killed_by_user = is_killed_by_user(ti)
        if self._is_killed_by_user:
            self._cancel_jobs()
        elif self._jobs:
            self._jobs.log_that_they_continue(has_retry=0 < ti.try_number <= ti.max_tries)

    def _cancel_jobs(self) -> None:
        if self._jobs:
            self._jobs.cancel(cancel_on_kill=self.cancel_on_kill)
