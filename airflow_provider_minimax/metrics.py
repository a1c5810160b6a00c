"""Metrics, through Airflow's own ``Stats``: to StatsD, OpenTelemetry or nowhere, as Airflow is configured.

Tags reach a backend that takes them (OpenTelemetry; StatsD with ``[metrics] statsd_influxdb_enabled``). No metric ever
raises.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from airflow_provider_minimax.compat import get_stats

log = logging.getLogger(__name__)

#: Creates that the service has accepted. Tags: kind, account, model.
SUBMISSIONS: Final = "minimax.submissions"
#: Their credits, where the price is known. Tags: kind, account, model.
CREDITS: Final = "minimax.credits"
#: Creates whose response was lost, and whose job was found. Tags: kind, account, model.
RECOVERED: Final = "minimax.recovered"
#: Creates whose response was lost. Tags: kind, account, model.
UNKNOWN_OUTCOMES: Final = "minimax.unknown_outcomes"
#: Attempts of requests. Tags: operation; status, which is a class such as ``2xx``, or ``none`` without a response.
REQUESTS: Final = "minimax.requests"
#: Rounds of polls, of a shared poll or of a task's own. Tag: kind.
POLLS: Final = "minimax.polls"
#: Waits on a shared poll, at each of its rounds. Tags: kind, account.
WAITS: Final = "minimax.waits"
#: How long a wait took, however it ended. Tag: kind.
WAIT_SECONDS: Final = "minimax.wait_seconds"
#: Rows that a finished export has written. Tag: kind.
EXPORTED: Final = "minimax.exported"
#: Bytes of its parts and of the files that it has downloaded. Tag: kind.
EXPORT_BYTES: Final = "minimax.export_bytes"


def count(name: str, number: float = 1, /, **tags: str | None) -> None:
    """Add to a counter.

    :param tags: those that are None are left out.
    """
    with _harmless(name):
        get_stats().incr(name, int(number) if number == int(number) else number, tags=_known(tags))


def gauge(name: str, value: float, /, **tags: str | None) -> None:
    """Set a gauge."""
    with _harmless(name):
        get_stats().gauge(name, value, tags=_known(tags))


def timing(name: str, seconds: float, /, **tags: str | None) -> None:
    """Report how long something took."""
    with _harmless(name):
        get_stats().timing(name, timedelta(seconds=seconds), tags=_known(tags))


@contextmanager
def _harmless(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a backend raises, a task must not fail by it
        log.debug("Metric %s could not be sent: %r", name, error)


def _known(tags: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if value is not None}
