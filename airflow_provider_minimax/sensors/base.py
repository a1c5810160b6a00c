"""What the sensors have in common: one wait, three modes, one meaning of the flags."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack

from airflow_provider_minimax import metrics
from airflow_provider_minimax.api.ids import Kind, parse_id_list
from airflow_provider_minimax.api.jobs import FINAL_LABELS, check_labels
from airflow_provider_minimax.api.validation import ON_EMPTY, empty_result, one_of
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseOperator,
    BaseSensorOperator,
    PokeReturnValue,
    TaskDeferralTimeout,
    conf,
    has_listeners,
)
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.links import MiniMaxMediaLink, first_url
from airflow_provider_minimax.polling import events, failures, timing
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.reader import Reader
from airflow_provider_minimax.polling.results import RoundResult
from airflow_provider_minimax.polling.wait_spec import WaitSpec, check_require

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_minimax.api.validation import OnEmpty
    from airflow_provider_minimax.arguments import SensorArguments, Templated, WaitArguments
    from airflow_provider_minimax.polling.credits import CreditsReader
    from airflow_provider_minimax.polling.wait_spec import Require
    from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

#: In Airflow's store of a task's state: the rounds that have failed in a row in earlier processes of an attempt.
_FAILURES_KEY: Final = "minimax_failures"
#: Seconds by which our check of the time-out precedes Airflow's, which ignores ``never_fail`` and does not name the
#: pending jobs.
_TIMEOUT_MARGIN: Final = 0.05


class _StartArgs:
    """What a sensor starts in the triggerer, made when Airflow reads it: much of a task is set after its constructor.

    The constructor of a mapped sensor never runs, and Airflow reads it from the class.
    """

    def __get__(self, sensor: MiniMaxJobSensor | None, owner: type[MiniMaxJobSensor]) -> StartTriggerArgs | None:
        if sensor is not None and not sensor.start_from_trigger:
            return None
        # Imported here: most DAG files do not need it.
        from airflow_provider_minimax.triggers.start_from_trigger import start_args

        # Airflow also reads it inside of the constructor, before the id is set.
        if sensor is None or not hasattr(sensor, f"{owner.kind}_id"):
            return start_args(kind=owner.kind)
        return start_args(**sensor._start_parameters())


class MiniMaxWaitSensor(BaseSensorOperator):
    """Waits by polling the service, in a worker or in the triggerer; see the sensors that derive from it."""

    #: What is awaited.
    kind: ClassVar[Kind]
    poller_class: ClassVar[type[Poller]] = Poller
    #: What the error of a time-out says: the verdict, and what to do.
    timed_out: ClassVar[str] = events.NOT_FINAL
    after_timeout: ClassVar[str] = ""

    ui_color = "#f2e6ff"

    def __init__(
        self,
        *,
        minimax_conn_id: Templated[str] = MiniMaxHook.default_conn_name,
        account: Templated[str | None] = None,
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        defaults = timing.DEFAULTS[self.kind]
        super().__init__(
            poke_interval=defaults.interval if poke_interval is None else poke_interval,
            timeout=defaults.timeout if timeout is None else timeout,
            **kwargs,
        )
        self.poke_interval = timing.at_least_minimum(self.poke_interval)
        self.minimax_conn_id = rendered(minimax_conn_id)
        self.account = rendered(account)
        self.deferrable = deferrable
        self._poller: Poller | None = None
        self._reader: Reader | CreditsReader | None = None
        self._started_at = 0.0
        self._is_killable = False

    # Defined by each subclass

    @abstractmethod
    def _spec(self) -> WaitSpec:
        """Return what is awaited, as rendered."""

    @abstractmethod
    def _make_reader(self, context: Context) -> Reader | CreditsReader:
        """Return the reader of this wait."""

    @abstractmethod
    def _make_trigger(self, spec: WaitSpec) -> MiniMaxJobTrigger:
        """Return the trigger that waits instead."""

    # Called by Airflow

    def execute(self, context: Context) -> Any:
        """Wait, in the worker or in the triggerer."""
        with self._killable():
            if not self.deferrable:
                return super().execute(context)
            deadline = time.time() + self.timeout
            done = self.poke(context)
        if not done:
            failures = self._poller.failures if self._poller else 0
            self.defer(
                trigger=self._make_trigger(replace(self._spec(), deadline=deadline, failures=failures)),
                method_name="execute_complete",
                timeout=timing.deferral_timeout(deadline - time.time(), self.poke_interval),
            )
        return done.xcom_value

    def on_kill(self) -> None:
        """End the wait at once, in the middle of a request or of a sleep.

        Airflow calls it in the middle of either, and then continues the task; or after an ``execution_timeout``, which
        has ended the wait already.
        """
        if self._is_killable:
            # Not an Exception, which ``never_fail`` or ``silent_fail`` would cover. Airflow retries the task if it has
            # retries left, unless a user has ended it.
            raise SystemExit("The worker was told to stop, so the wait ends. A retry waits again.")

    @contextmanager
    def _killable(self) -> Iterator[None]:
        self._is_killable = True
        try:
            yield
        finally:
            self._is_killable = False

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll each job that is not known to be final once."""
        with self._flags():
            poller = self._get_poller(context)
            failures = poller.failures
            is_last = self._is_overdue(context)
            completed = self._poll(poller, context, is_last=is_last)
            if completed is None and not is_last and self._is_overdue(context):
                # This round took the time that was left, and the list that it read may be stale.
                is_last, completed = True, self._poll(poller, context, is_last=True)
            if self.reschedule and poller.failures != failures:
                _save_failures(context, poller.failures)
            if completed is not None:
                metrics.timing(metrics.WAIT_SECONDS, self._run_duration(context), kind=self.kind)
                return PokeReturnValue(is_done=True, xcom_value=self._to_xcom(completed))
            if is_last:
                raise self._timeout_error(poller.describe_pending())
        return PokeReturnValue(is_done=False)

    def _is_overdue(self, context: Context) -> bool:
        return not self.deferrable and self._run_duration(context) >= self.timeout - _TIMEOUT_MARGIN

    def _poll(self, poller: Poller, context: Context, *, is_last: bool) -> list[dict[str, Any]] | None:
        def read(ids: Collection[str]) -> RoundResult:
            # Made here, so that an error in making it counts as a failed round.
            reader = self._reader = self._reader or self._make_reader(context)
            return reader.read_for_last_time(ids) if is_last else reader.read(ids)

        try:
            return poller.poll(read)
        except Exception as error:
            if self.silent_fail and failures.is_bug(error):
                # Airflow's loop would tolerate any error that it may retry.
                raise AirflowFailException(str(failures.to_wait_error(error))) from error
            raise

    def execute_complete(self, context: Context, event: object) -> Any:
        """Return the jobs of the trigger's event, or raise its error."""
        if events.resumes_on_worker(event):
            return self.execute(context)
        if events.is_back_on_worker(event):
            return self._wait_in_worker(context, event["deadline"])
        if events.has_ended_task(event):
            # A test run of a DAG gets here even after the trigger has pushed the result and ended the task.
            return None
        return self._to_xcom(events.jobs_of(event, self.timeout, self.after_timeout, self.timed_out))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        with self._flags():
            try:
                return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
            except TaskDeferralTimeout:
                raise self._deferral_timeout() from None

    def _wait_in_worker(self, context: Context, deadline: float) -> Any:
        """Continue a wait that the triggerer could not run, in this worker and with the same deadline."""
        self.deferrable, self.mode = False, "poke"
        self._get_poller(context)
        self._started_at = time.monotonic() - (self.timeout - (deadline - time.time()))
        with self._killable():
            return super().execute(context)

    def _deferral_timeout(self) -> AirflowSensorTimeout | AirflowTaskTimeout:
        """Return the error of a trigger that Airflow has ended before it sent an event."""
        return self._timeout_error("the trigger sent no event.")

    def _timeout_error(self, pending: str) -> AirflowSensorTimeout:
        return events.timeout_error(self.timeout, pending, self.after_timeout, self.timed_out)

    @contextmanager
    def _flags(self) -> Iterator[None]:
        """Turn the errors that ``soft_fail`` and ``never_fail`` cover into a skip, as Airflow does in poke mode.

        After a deferral Airflow itself would skip for more errors than in poke mode, and its skip does not name the
        error.
        """
        try:
            yield
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTimeout) as error:  # the time-out of a task is no Exception
            covered = (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException)
            if self.never_fail or (self.soft_fail and isinstance(error, covered)):
                flag = "soft_fail" if self.soft_fail else "never_fail"
                raise AirflowSkipException(f"Skipped because of {flag}. {type(error).__name__}: {error}") from error
            raise

    def _to_xcom(self, jobs: list[dict[str, Any]]) -> Any:
        return jobs[0]

    def _get_poller(self, context: Context) -> Poller:
        if self._poller is None:
            self._started_at = time.monotonic()
            failures = _load_failures(context) if self.reschedule else 0
            self._poller = self.poller_class(replace(self._spec(), failures=failures).checked())
        return self._poller

    def _run_duration(self, context: Context) -> float:
        """Return the seconds since the first poke."""
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        # None at the first poke of all, whose own time counts as well.
        return time.monotonic() - self._started_at if first is None else (datetime.now(UTC) - first).total_seconds()

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Add jitter to Airflow's own interval, and back off while the service fails."""
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        return self._poller.next_delay(interval) if self._poller else interval


class MiniMaxJobSensor(MiniMaxWaitSensor):
    """Waits until jobs of a kind are completed, and returns them; see the sensors that derive from it.

    A subclass names its ``kind``, and sets the attribute ``<kind>_id`` in its constructor.
    """

    operator_extra_links = (MiniMaxMediaLink(),)
    #: Of the first job, for the link.
    media_url: str | None = None
    after_timeout = "The jobs continue at the service: clear the task to wait for them again, or raise its timeout."
    start_trigger_args: StartTriggerArgs | None = _StartArgs()  # type: ignore[assignment]

    def __init__(
        self,
        *,
        require: Require = "all",
        accept_statuses: Sequence[str] = (),
        on_empty: OnEmpty = "fail",
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Unpack[WaitArguments],
    ) -> None:
        super().__init__(**kwargs)
        check_require(require)
        check_labels("accept_statuses", accept_statuses, FINAL_LABELS)
        one_of("on_empty", on_empty, ON_EMPTY)
        self.require = require
        self.accept_statuses = accept_statuses
        self.on_empty = on_empty
        # If Airflow starts nothing in the triggerer (before 3.3, or in a test run), the task defers from a worker.
        self.deferrable = self.deferrable or start_from_trigger or end_from_trigger
        self.start_from_trigger = start_from_trigger
        # No listener hears of an end in the triggerer, so Airflow refuses the whole DAG of a task that asks for one.
        self.end_from_trigger = end_from_trigger and not has_listeners()

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return the sensor with some parameters, to be mapped over others with ``expand``."""
        from airflow_provider_minimax.triggers.endings import has_own_end
        from airflow_provider_minimax.triggers.start_from_trigger import MiniMaxPartial

        if has_own_end(cls, MiniMaxJobSensor):
            # A mapped wait that starts in the triggerer knows its parameters only, and not its class.
            kwargs["end_from_trigger"] = False
        return MiniMaxPartial.of(super().partial(**kwargs))

    def execute(self, context: Context) -> Any:
        """Wait, in the worker or in the triggerer."""
        # An empty list that fails the task does so at the first poke, like any other parameter.
        if self.on_empty != "fail" and not self._ids[0]:
            return empty_result(self.on_empty, f"Skipped: {self.kind}_id is an empty list.")
        return super().execute(context)

    def _start_parameters(self) -> dict[str, Any]:
        return {**self._options(), f"{self.kind}_id": getattr(self, f"{self.kind}_id"), "timeout": self.timeout}

    def _options(self) -> dict[str, Any]:
        """Return the fields of a ``WaitSpec`` that the parameters give as they are."""
        return {
            "kind": self.kind,
            "require": self.require,
            "accept_statuses": list(self.accept_statuses),
            "minimax_conn_id": self.minimax_conn_id,
            "account": self.account,
            "poke_interval": self.poke_interval,
            "silent_fail": self.silent_fail,
            "end_in_triggerer": self.end_from_trigger and self._may_end_in_triggerer(),
        }

    def _may_end_in_triggerer(self) -> bool:
        from airflow_provider_minimax.triggers.endings import has_own_end, may_end_in_triggerer

        return not has_own_end(type(self), MiniMaxJobSensor) and may_end_in_triggerer(vars(self))

    def _deferral_timeout(self) -> AirflowSensorTimeout | AirflowTaskTimeout:
        limit = self.execution_timeout.total_seconds() if self.execution_timeout else self.timeout
        if self.start_from_trigger and limit < self.timeout:
            # For a task that starts in the triggerer, Airflow counts the time there as its execution.
            return AirflowTaskTimeout(f"Not final within the execution_timeout of {limit:g} s. A retry waits again.")
        return super()._deferral_timeout()

    def _spec(self) -> WaitSpec:
        ids, single = self._ids
        return WaitSpec.from_kwargs(ids, single=single, **self._options())

    @cached_property
    def _ids(self) -> tuple[list[str], bool]:
        """The rendered ids, and whether it is one instead of a list. Read once: those of a mapped task are lazy."""
        name = f"{self.kind}_id"
        return parse_id_list(getattr(self, name), name, self.kind)

    def _to_xcom(self, jobs: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
        self.media_url = first_url(job.get("url") for job in jobs)
        _, single = self._ids
        return jobs[0] if single else jobs

    def _make_reader(self, context: Context) -> Reader:
        # A rescheduled sensor is a new process at each poke; the time that earlier ones have polled counts.
        age = self._run_duration(context) if self.reschedule else 0.0
        return Reader.for_client(MiniMaxHook(self.minimax_conn_id).get_conn(), self.kind, age=age)

    def _make_trigger(self, spec: WaitSpec) -> MiniMaxJobTrigger:
        from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

        return MiniMaxJobTrigger.from_spec(spec)


def _load_failures(context: Context) -> int:
    """Return the rounds that have failed in a row in earlier processes of this attempt.

    0 before Airflow 3.3, which has no ``task_state_store``: there, passing failures end the sensor by time-out only.
    """
    store: Any = context.get("task_state_store")
    record = store.get(_FAILURES_KEY) if store is not None else None
    if not isinstance(record, dict) or record.get("try_number") != context["ti"].try_number:
        return 0
    failures = record.get("failures")
    return failures if isinstance(failures, int) else 0


def _save_failures(context: Context, failures: int) -> None:
    store: Any = context.get("task_state_store")
    if store is not None:
        store.set(_FAILURES_KEY, {"try_number": context["ti"].try_number, "failures": failures})
