"""Who ended the worker: a person, or something after which the task goes on?

Airflow calls an operator's ``on_kill`` in either case: a person marks the task or clears it; or its pod is
evicted, its node drained, the scheduler has lost its heartbeat, ``execution_timeout`` strikes. Only the first
gives the job up. After the others a retry takes the job up again, which is paid for: to cancel it would be to
pay twice. What tells them apart is the state that Airflow has for the task.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

#: States of a task that nobody waits for any more: marked, or cleared (``restarting`` while it still runs).
#: No state at all is that of a cleared task, too.
_GIVEN_UP: Final = frozenset({"success", "failed", "skipped", "upstream_failed", "removed", "restarting"})
#: Seconds that a kill may take us. Airflow ends the process after 5.
_PATIENCE: Final = 3.5


def is_given_up(ti: RuntimeTaskInstanceProtocol) -> bool:
    """Ask Airflow whether the task was taken away from us by a person, and not just its worker."""
    map_index = ti.map_index if ti.map_index is not None else -1
    found: dict[str, Any] = ti.get_task_states(
        ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id]
    ).get(ti.run_id, {})
    name = ti.task_id if map_index < 0 else f"{ti.task_id}_{map_index}"
    if name not in found:
        return False
    return found[name] is None or str(found[name]) in _GIVEN_UP


def within_patience(work: Callable[[], None]) -> None:
    """Do something that may block, for no longer than a process that is being killed has.

    In a thread: a signal may have come while the main thread held the line to Airflow, and would then wait for
    itself. The thread goes on once the main thread does.
    """
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="minimax-kill", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
