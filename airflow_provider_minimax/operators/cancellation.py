"""Whether a user ended the task, and what then happens to its jobs.

Airflow calls ``on_kill`` in two cases. A user marks or clears the task: the job is cancelled. Or only the worker ends
(its pod is evicted, its node drained, the scheduler lost its heartbeat, ``execution_timeout`` strikes): a retry resumes
the job, so to cancel it would be to pay twice. The state that Airflow has for the task tells the two apart.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.hooks.minimax import MiniMaxHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = logging.getLogger(__name__)

#: States after a user marked the task or cleared it (``restarting`` while it still runs). A cleared task may also have
#: no state at all.
_ENDED_BY_USER: Final = frozenset({"success", "failed", "skipped", "upstream_failed", "removed", "restarting"})
#: Seconds for all that ``on_kill`` does: Airflow ends the process after 5.
_KILL_TIMEOUT: Final = 3.5
#: Seconds to connect and to wait for a response meanwhile.
_CONNECT_TIMEOUT: Final = 1.0
_READ_TIMEOUT: Final = 1.5


class SubmittedJobs:
    """The billable jobs that a task waits for.

    :param ids: full ids.
    """

    def __init__(self, kind: Kind, ids: Sequence[str], minimax_conn_id: str) -> None:
        self.ids = tuple(ids)
        self._kind = kind
        #: On the account of the jobs, which may not be the requested one.
        self.hook = MiniMaxHook(minimax_conn_id, parse_id(ids[0], kind).account)
        self._is_done = False

    def __str__(self) -> str:
        return ", ".join(self.ids)

    def cancel(self, *, cancel_on_kill: bool) -> None:
        """Cancel a video, once. The service cannot cancel images; those continue, and the log says so.

        :param cancel_on_kill: False leaves a video running.
        """
        if self._is_done:
            return
        if self._kind == "image":
            log.warning("Not cancelled: %s. The service cannot cancel images; they continue and are billed.", self)
        elif not cancel_on_kill:
            log.warning("Not cancelled: %s (cancel_on_kill is off). It continues and is billed.", self)
        else:
            client = self.hook.get_conn().with_short_timeouts(_CONNECT_TIMEOUT, _READ_TIMEOUT)
            try:
                client.cancel_video(self.ids[0])
            except MiniMaxError as error:
                log.error("Not cancelled: %s. It continues and is billed. %s", self, error)
                return
            log.warning("Asked the service to cancel %s.", self)
        self._is_done = True

    def log_that_they_continue(self, *, has_retry: bool) -> None:
        """Log what becomes of them when only the worker ends."""
        advice = "a retry resumes it" if has_retry else "the task has no retry left, so collect it with a sensor"
        log.warning("The worker ends, the task does not: %s continues and is billed; %s.", self, advice)


def is_killed_by_user(ti: RuntimeTaskInstanceProtocol) -> bool:
    """Return whether a user ended the task, and not only its worker; False if Airflow does not say."""
    map_index = ti.map_index if ti.map_index is not None else -1
    try:
        runs = ti.get_task_states(ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except AirflowRuntimeError as error:
        log.warning("The state of the task could not be read, so nothing is cancelled: %s", error)
        return False
    states: dict[str, Any] = runs.get(ti.run_id, {})
    name = ti.task_id if map_index < 0 else f"{ti.task_id}_{map_index}"
    if name not in states:
        return False
    return states[name] is None or str(states[name]) in _ENDED_BY_USER


def run_within_kill_timeout(work: Callable[[], None]) -> None:
    """Run something that may block, for no longer than a process that is being killed has.

    In a thread: the signal may have interrupted the main thread while it held the connection to Airflow, which would
    then wait for itself. The thread continues once the main thread does.
    """
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="minimax-kill", daemon=True)
    thread.start()
    thread.join(_KILL_TIMEOUT)
