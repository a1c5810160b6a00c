"""What the sensors have in common: one wait, three modes, one meaning of the flags."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from airflow_provider_minimax.api.ids import Kind, ids_given
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
)
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import failures, timing
from airflow_provider_minimax.polling.events import (
    is_ended_already,
    is_left_to_a_worker,
    is_left_to_this_worker,
    result_of,
    timeout_error,
)
from airflow_provider_minimax.polling.poller import Poller, WaitFor, check_accepted, check_require
from airflow_provider_minimax.polling.reader import Answers, Reader

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial
    from airflow.triggers.base import StartTriggerArgs

#: Seconds by which our own check of the time-out comes before Airflow's, which knows no ``never_fail`` and does
#: not say what was awaited.
_HEAD_START: Final = 0.05
#: Where a rescheduled sensor keeps its count of failures.
_FAILURES_KEY: Final = "minimax_failures"


class _StartArgs:
    """What a sensor starts in the triggerer, made when Airflow asks: much of a task is set after its constructor.

    Of a mapped sensor nobody calls the constructor, and its class is asked.
    """

    def __get__(self, sensor: MiniMaxJobSensor | None, owner: type[MiniMaxJobSensor]) -> StartTriggerArgs | None:
        if sensor is not None and not sensor.start_from_trigger:
            return None
        # Imported here, so that reading a DAG file that does without it does not import it.
        from airflow_provider_minimax.triggers.start_from_trigger import start_args

        # Airflow also asks in the middle of a constructor, before there is an id.
        if sensor is None or not hasattr(sensor, f"{owner.kind}_id"):
            return start_args(kind=owner.kind)
        return start_args(**sensor._start_parameters())


class MiniMaxJobSensor(BaseSensorOperator):
    """Waits until jobs of a kind are completed, and returns them; see the sensors that derive from it.

    A subclass names its ``kind``, and sets the attribute ``<kind>_id`` in its constructor.
    """

    #: What is waited for.
    kind: ClassVar[Kind]

    ui_color = "#f2e6ff"
    start_trigger_args: StartTriggerArgs | None = _StartArgs()  # type: ignore[assignment]

    def __init__(
        self,
        *,
        require: str = "all",
        accept_statuses: Sequence[str] = (),
        minimax_conn_id: str = MiniMaxHook.default_conn_name,
        account: str | None = None,
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        defaults = timing.DEFAULTS[self.kind]
        super().__init__(
            poke_interval=defaults.interval if poke_interval is None else poke_interval,
            timeout=defaults.timeout if timeout is None else timeout,
            **kwargs,
        )
        check_require(require)
        check_accepted(accept_statuses)
        self.poke_interval = timing.floor(self.poke_interval)
        self.require = require
        self.accept_statuses = accept_statuses
        self.minimax_conn_id = minimax_conn_id
        self.account = account
        # Where Airflow starts nothing in the triggerer (before 3.3, or in a test run), the task defers from a worker.
        self.deferrable = deferrable or start_from_trigger or end_from_trigger
        self.start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        self._poller: Poller | None = None
        self._asking: Reader | None = None
        self._started = 0.0
        self._is_killable = False

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return the sensor as far as it is known, to be mapped over the rest with ``expand``."""
        from airflow_provider_minimax.triggers.start_from_trigger import MiniMaxPartial

        return MiniMaxPartial.of(super().partial(**kwargs))

    def _start_parameters(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            f"{self.kind}_id": self._given,
            "require": self.require,
            "accept_statuses": list(self.accept_statuses),
            "minimax_conn_id": self.minimax_conn_id,
            "account": self.account,
            "poke_interval": self.poke_interval,
            "timeout": self.timeout,
            "silent": self.silent_fail,
            "ends": self._ends_in_the_triggerer,
        }

    @property
    def _ends_in_the_triggerer(self) -> bool:
        from airflow_provider_minimax.triggers.endings import may_end_here

        return self.end_from_trigger and may_end_here(vars(self))

    def execute(self, context: Context) -> Any:
        """Wait, in the worker or in the triggerer."""
        with self._killable():
            if not self.deferrable:
                return super().execute(context)
            deadline = time.time() + self.timeout
            done = self.poke(context)
        if not done:
            self._defer(deadline)
        return done.xcom_value

    def on_kill(self) -> None:
        """End at once, whether this asks or sleeps: nothing is asked any more.

        Airflow calls it in the midst of either, and goes on with the task after it; or after an
        ``execution_timeout``, which has ended the wait already.
        """
        if self._is_killable:
            # No Exception, which ``never_fail`` or ``silent_fail`` would stand. Airflow retries it if the task has
            # retries left, and it was not a person who ended it.
            raise SystemExit("The worker was told to stop, so the wait ends. A retry waits again.")

    @contextmanager
    def _killable(self) -> Iterator[None]:
        self._is_killable = True
        try:
            yield
        finally:
            self._is_killable = False

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once for each job that is not known to be final."""
        with self._flags():
            poller = self._restore_poller(context)
            failures = poller.failures
            is_last = self._is_overdue(context)
            found = self._poll(poller, context, is_last=is_last)
            if found is None and not is_last and self._is_overdue(context):
                # This round took the time that was left, and a list that it read may be stale.
                is_last, found = True, self._poll(poller, context, is_last=True)
            if poller.failures != failures:
                self._store_failures(context, poller.failures)
            if found is not None:
                return PokeReturnValue(is_done=True, xcom_value=self._result(found))
            if is_last:
                raise timeout_error(self.timeout, poller.describe_pending())
        return PokeReturnValue(is_done=False)

    def _is_overdue(self, context: Context) -> bool:
        return not self.deferrable and self._run_duration(context) >= self.timeout - _HEAD_START

    def _poll(self, poller: Poller, context: Context, *, is_last: bool) -> list[dict[str, Any]] | None:
        def read(ids: Collection[str]) -> Answers:
            # The reader is made at the first question, where a failure of it is one of the wait.
            reader = self._reader(context)
            return reader.read_last(ids) if is_last else reader.read(ids)

        try:
            return poller.poll(read)
        except Exception as error:
            if self.silent_fail and failures.is_bug(error):
                # Airflow's loop would stand anything that it may retry.
                raise AirflowFailException(str(failures.report(error))) from error
            raise

    def execute_complete(self, context: Context, event: object) -> Any:
        """Return what the trigger found, or raise the error that it met."""
        if is_left_to_a_worker(event):
            return self.execute(context)
        if is_left_to_this_worker(event):
            return self._wait_here(context, event["deadline"])
        if is_ended_already(event):
            # A test run of a DAG comes back here also when the trigger has pushed the result and ended the task.
            return None
        return self._result(result_of(event, self.timeout))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        with self._flags():
            try:
                return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
            except TaskDeferralTimeout:
                raise self._out_of_time() from None

    def _wait_here(self, context: Context, deadline: float) -> Any:
        """Go on with a wait that the triggerer could not take on, in this worker and to the same deadline."""
        self.deferrable, self.mode = False, "poke"
        self._restore_poller(context)
        self._started = time.monotonic() - (self.timeout - (deadline - time.time()))
        with self._killable():
            return super().execute(context)

    def _out_of_time(self) -> AirflowSensorTimeout | AirflowTaskTimeout:
        """Return what it means that Airflow has ended the trigger, and not the trigger the wait."""
        limit = self.execution_timeout.total_seconds() if self.execution_timeout else self.timeout
        if self.start_from_trigger and limit < self.timeout:
            # Of what starts in the triggerer, Airflow counts that time as the execution.
            return AirflowTaskTimeout(f"Not final within the execution_timeout of {limit:g} s. A retry waits anew.")
        return timeout_error(self.timeout, "the trigger gave no answer.")

    @contextmanager
    def _flags(self) -> Iterator[None]:
        """Apply ``soft_fail`` and ``never_fail`` as Airflow does in poke mode.

        After a deferral Airflow itself would skip for more errors than in poke mode; and its skip does not say
        which error it stands for.
        """
        try:
            yield
        except AirflowSkipException:
            raise
        except (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException) as error:
            if self.soft_fail or self.never_fail:
                raise self._skip(error) from error
            raise
        except Exception as error:
            if self.never_fail:
                raise self._skip(error) from error
            raise

    def _skip(self, error: BaseException) -> AirflowSkipException:
        flag = "soft_fail" if self.soft_fail else "never_fail"
        return AirflowSkipException(f"Skipped because of {flag}. {type(error).__name__}: {error}")

    def _defer(self, deadline: float) -> NoReturn:
        from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger

        poller = self._poller
        self.defer(
            trigger=MiniMaxJobTrigger(
                ids=self._ids(),
                deadline=deadline,
                kind=self.kind,
                require=self.require,
                accept_statuses=self.accept_statuses,
                minimax_conn_id=self.minimax_conn_id,
                account=self.account,
                poke_interval=self.poke_interval,
                silent=self.silent_fail,
                failures=poller.failures if poller else 0,
                single=self._is_single,
                ends=self._ends_in_the_triggerer,
            ),
            method_name="execute_complete",
            timeout=timing.backstop(deadline - time.time(), self.poke_interval),
        )

    @property
    def _given(self) -> object:
        return getattr(self, f"{self.kind}_id")

    def _ids(self) -> list[str]:
        return ids_given(self._given, f"{self.kind}_id")[0]

    @property
    def _is_single(self) -> bool:
        return ids_given(self._given, f"{self.kind}_id")[1]

    def _result(self, found: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
        return found[0] if self._is_single else found

    def _reader(self, context: Context) -> Reader:
        if self._asking is None:
            # A rescheduled sensor is a new process at each poke: for how long the others have asked counts.
            age = self._run_duration(context) if self.reschedule else 0.0
            self._asking = Reader.of(MiniMaxHook(self.minimax_conn_id).get_conn(), self.kind, age=age)
        return self._asking

    def _restore_poller(self, context: Context) -> Poller:
        if self._poller is None:
            self._started = time.monotonic()
            wait = WaitFor.check(
                self._ids(),
                kind=self.kind,
                require=self.require,
                accept_statuses=self.accept_statuses,
                account=self.account,
            )
            self._poller = Poller(wait, failures=self._stored_failures(context), silent=self.silent_fail)
        return self._poller

    def _store(self, context: Context) -> Any:
        """Return where a rescheduled sensor, a new process at each poke, keeps what the next one has to know.

        None before Airflow 3.3: failures are counted anew at each poke then, and passing ones end it by time-out only.
        """
        return context.get("task_state_store") if self.reschedule else None

    def _stored_failures(self, context: Context) -> int:
        """Return the failures in a row of earlier processes."""
        store = self._store(context)
        record = store.get(_FAILURES_KEY) if store is not None else None
        if not isinstance(record, dict) or record.get("try_number") != context["ti"].try_number:
            return 0
        failures = record.get("failures")
        return failures if isinstance(failures, int) else 0

    def _store_failures(self, context: Context, failures: int) -> None:
        store = self._store(context)
        if store is not None:
            store.set(_FAILURES_KEY, {"try_number": context["ti"].try_number, "failures": failures})

    def _run_duration(self, context: Context) -> float:
        """Return the seconds since the first poke."""
        if not self.reschedule:
            return time.monotonic() - self._started
        first = context["ti"].get_first_reschedule_date(context)
        return 0.0 if first is None else (datetime.now(UTC) - first).total_seconds()

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Add jitter to Airflow's own interval, and stretch it while the service fails."""
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        return self._poller.pause(interval) if self._poller else interval
