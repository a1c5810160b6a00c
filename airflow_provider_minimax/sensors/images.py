"""The sensor that waits for images."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseOperator,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow.sdk.exceptions import TaskDeferralTimeout

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.triggers.events import result_of, timeout_error
from airflow_provider_minimax.waiting import pacing
from airflow_provider_minimax.waiting.poller import Poller, WaitFor, check_accepted, check_require

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.api.jobs import Job

#: Seconds by which our own check of the time-out comes before Airflow's, which knows no ``never_fail`` and does
#: not say what was awaited.
_HEAD_START: Final = 0.05
#: Where a rescheduled sensor, which starts as a new process at each poke, keeps its count of failures.
_FAILURES_KEY: Final = "minimax_failures"
#: Seconds that Airflow waits longer than the trigger's own deadline before it ends a trigger that says nothing.
_BACKSTOP: Final = 60.0


class MiniMaxImageSensor(BaseSensorOperator):
    """Waits until images are completed, and returns them.

    A passing failure of the service (429, 5xx, no connection) does not end the wait until ten rounds in a row
    have failed; 401, 402, 403 and 596 end it at once. ``soft_fail``, ``never_fail``, ``silent_fail`` and
    ``timeout`` mean the same whether the sensor pokes, is rescheduled or is deferred. It never cancels anything.

    :param image_id: a full image id, or a list of them. Templated; a template that renders a list as text is
        read as that list.
    :param require: with a list, succeed when ``"all"`` images are completed, or ``"any"``.
    :param accept_statuses: final statuses that count as success beside ``completed``: ``"moderated"``,
        ``"failed"``.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account that the images have to belong to; defaults to the connection's. Templated.
    :param poke_interval: seconds between two rounds; not less than 1, and a little jitter comes on top.
    :param timeout: seconds until the wait fails with ``AirflowSensorTimeout``, which Airflow does not retry.
    :param deferrable: wait in the triggerer. ``exponential_backoff`` and ``max_wait`` have no meaning there.
    :return: (XCom) the compact image, or the list of them in the order asked; with ``require="any"`` those that
        are completed.
    :raises MiniMaxModeratedError: an image was moderated.
    :raises MiniMaxJobFailedError: an image failed.
    :raises MiniMaxNotFoundError: an image does not exist.
    """

    template_fields: Sequence[str] = ("image_id", "minimax_conn_id", "account")
    ui_color = "#f2e6ff"

    def __init__(
        self,
        *,
        image_id: str | Sequence[str],
        require: str = "all",
        accept_statuses: Sequence[str] = (),
        minimax_conn_id: str = MiniMaxHook.default_conn_name,
        account: str | None = None,
        poke_interval: timedelta | float = 10.0,
        timeout: timedelta | float = 1800.0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        check_require(require)
        check_accepted(accept_statuses)
        self.poke_interval = pacing.floor(self.poke_interval)
        self.image_id = image_id
        self.require = require
        self.accept_statuses = accept_statuses
        self.minimax_conn_id = minimax_conn_id
        self.account = account
        self.deferrable = deferrable
        self._poller: Poller | None = None
        self._started = 0.0

    def execute(self, context: Context) -> Any:
        """Wait, in the worker or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        deadline = time.time() + self.timeout
        done = self.poke(context)
        if not done:
            self._defer(deadline)
        return done.xcom_value

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once for each image that is not known to be final."""
        with self._flags():
            poller = self._restore_poller(context)
            failures = poller.failures
            found = poller.poll(self._ask)
            if poller.failures != failures:
                self._store_failures(context, poller.failures)
            if found is not None:
                return PokeReturnValue(is_done=True, xcom_value=self._result(found))
            if not self.deferrable and self._run_duration(context) >= self.timeout - _HEAD_START:
                raise timeout_error(self.timeout, poller.describe_pending())
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: object) -> Any:  # noqa: ARG002 - Airflow passes it
        """Return what the trigger found, or raise the error that it met."""
        return self._result(result_of(event, self.timeout))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        with self._flags():
            try:
                return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
            except TaskDeferralTimeout:
                raise timeout_error(self.timeout, "the trigger gave no answer.") from None

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
                require=self.require,
                accept_statuses=self.accept_statuses,
                minimax_conn_id=self.minimax_conn_id,
                account=self.account,
                poke_interval=self.poke_interval,
                silent=self.silent_fail,
                failures=poller.failures if poller else 0,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(0.0, deadline - time.time()) + self.poke_interval + _BACKSTOP),
        )

    def _ids(self) -> list[str]:
        """Return the rendered ids; what is wrong with one of them shows when it is read."""
        value: object = self.image_id
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                raise MiniMaxBadRequestError(f"image_id: {value!r} is not a list of ids.") from None
        if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
            return list(value)
        return [cast("str", value)]

    def _result(self, found: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
        single = isinstance(self.image_id, str) and not self.image_id.lstrip().startswith("[")
        return found[0] if single else found

    @cached_property
    def _ask(self) -> Callable[[str], Job]:
        hook = MiniMaxHook(self.minimax_conn_id, self.account)
        # The client is made at the first question, where a failure of it is one of the wait.
        return lambda image_id: hook.asker("image")(image_id)

    def _restore_poller(self, context: Context) -> Poller:
        if self._poller is None:
            self._started = time.monotonic()
            wait = WaitFor.check(self._ids(), require=self.require, accept_statuses=self.accept_statuses)
            self._poller = Poller(wait, failures=self._stored_failures(context), silent=self.silent_fail)
        return self._poller

    def _stored_failures(self, context: Context) -> int:
        """Return the failures in a row of earlier processes, where this Airflow (3.3) can keep them.

        Elsewhere a rescheduled sensor counts anew at each poke: passing failures then end it by time-out only.
        """
        store = context.get("task_state_store") if self.reschedule else None
        record = store.get(_FAILURES_KEY) if store is not None else None
        if not isinstance(record, dict) or record.get("try_number") != context["ti"].try_number:
            return 0
        failures = record.get("failures")
        return failures if isinstance(failures, int) else 0

    def _store_failures(self, context: Context, failures: int) -> None:
        store = context.get("task_state_store") if self.reschedule else None
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
