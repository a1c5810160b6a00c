"""Names that differ between the supported releases of Airflow and of common-compat.

Each is found by capability, not by a version number. An unmodified Airflow 3.1.0 comes with a common-compat
that has no ``sdk`` module yet, so the names are taken from Airflow itself: the same classes, by one step less.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol

from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue

try:
    from airflow.sdk.configuration import conf
except ImportError:
    # Airflow 3.1
    from airflow.configuration import conf

try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        DownstreamTasksSkipped,
        TaskDeferralError,
        TaskDeferralTimeout,
        TaskDeferred,
    )
except ImportError:
    # Airflow 3.1
    from airflow.exceptions import (  # type: ignore[attr-defined, no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        DownstreamTasksSkipped,
        TaskDeferralError,
        TaskDeferralTimeout,
        TaskDeferred,
    )

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from airflow.sdk import Connection

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "DownstreamTasksSkipped",
    "PokeReturnValue",
    "TaskDeferralError",
    "TaskDeferralTimeout",
    "TaskDeferred",
    "conf",
    "get_async_connection",
    "get_stats",
    "has_listeners",
]

AsyncReader = Callable[[str, BaseHook], Awaitable["Connection"]]


async def get_async_connection(conn_id: str, hook: BaseHook) -> Connection:
    """Return a connection without blocking the event loop.

    :param hook: reads it; a subclass may override how.
    :raises AirflowNotFoundException: there is no such connection.
    """
    return await _installed_reader()(conn_id, hook)


def choose_reader(offered: Callable[..., Awaitable[Connection]] | None) -> AsyncReader:
    """Return common-compat's function if it takes a hook (1.17), else one that reads in a thread.

    The earlier ones always read by ``BaseHook.aget_connection``, which before Airflow 3.3.2 fails while another
    asynchronous call to the supervisor is under way.

    :param offered: common-compat's function; None without one.
    """
    if offered is not None and "hook" in inspect.signature(offered).parameters:
        return offered
    return _read_in_thread


@cache
def _installed_reader() -> AsyncReader:
    try:
        from airflow.providers.common.compat.connection import get_async_connection as offered
    except ImportError:
        return choose_reader(None)
    return choose_reader(offered)


async def _read_in_thread(conn_id: str, hook: BaseHook) -> Connection:
    # Not `asyncio.to_thread`: a thread of asgiref's reaches the supervisor through the loop that waits for it.
    from asgiref.sync import sync_to_async

    return await sync_to_async(hook.get_connection)(conn_id)


def has_listeners() -> bool:
    """Return whether a plugin of this Airflow listens to tasks, as OpenLineage's does where it is configured."""
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        # Airflow 3.1
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    return get_listener_manager().has_listeners


class Metrics(Protocol):
    """The part of Airflow's ``Stats`` that is used here."""

    def incr(self, stat: str, count: float = 1, *, tags: Mapping[str, str] | None = None) -> None:
        """Add to a counter."""

    def gauge(self, stat: str, value: float, *, tags: Mapping[str, str] | None = None) -> None:
        """Set a gauge."""

    def timing(self, stat: str, dt: timedelta, *, tags: Mapping[str, str] | None = None) -> None:
        """Report a duration."""


@cache
def get_stats() -> Metrics:
    """Return Airflow's metrics. Imported on the first call: to parse a DAG file must cost little."""
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:
        # Airflow 3.1
        from airflow.stats import Stats
    return Stats  # type: ignore[return-value]
