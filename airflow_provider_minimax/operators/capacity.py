"""What a create does while the service has no capacity: it releases its worker and submits later."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from airflow_provider_minimax.compat import AirflowRescheduleException, BaseOperator

if TYPE_CHECKING:
    from airflow_provider_minimax.api.errors import MiniMaxError
    from airflow_provider_minimax.submission.record_store import RecordStore

log = logging.getLogger(__name__)


class CapacityMixin(BaseOperator):
    """An operator that can wait for capacity without a worker. Its method ``submit_again`` resumes it."""

    deferrable: bool
    timeout: float

    def _submit_later(self, attempt: int, store: RecordStore, since: float, error: MiniMaxError) -> NoReturn:
        """Release the worker until there may be capacity.

        Without a triggerer the task is rescheduled. Before Airflow 3.3 only sensors are rescheduled to a time, so there
        the error is left to the task's own retries.

        :param since: when the attempt first found no capacity, in seconds since the epoch.
        """
        from airflow_provider_minimax.submission.times import next_submit_at
        from airflow_provider_minimax.triggers.timer import MiniMaxTimerTrigger

        moment = next_submit_at(time.time(), since, self.timeout, error.retry_after)
        if moment is None or not (self.deferrable or store.is_persistent):
            raise error
        at = datetime.fromtimestamp(moment, UTC)
        log.info("%s Submitting again at %s, without a worker until then.", error, at.isoformat(timespec="seconds"))
        if self.deferrable:
            self.defer(trigger=MiniMaxTimerTrigger(moment, {"since": since}), method_name="submit_again")
        try:
            store.save_waiting_since(attempt, since)
        except Exception as unstored:  # noqa: BLE001 - a state_store_backend may raise anything
            log.error("The start of the wait for capacity could not be stored, so this attempt ends: %r", unstored)
            raise error from None
        raise AirflowRescheduleException(at)
