"""``soft_fail`` and ``never_fail``, with one meaning in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_minimax.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)


@contextmanager
def skip_on_failure(*, soft_fail: bool, never_fail: bool) -> Iterator[None]:
    """Turn the errors that the flags cover into a skip, as Airflow does in poke mode.

    After a deferral Airflow itself would skip for more errors than in poke mode, and its skip does not name the error.
    """
    try:
        yield
    except AirflowSkipException:
        raise
    except (Exception, AirflowTaskTimeout) as error:  # the time-out of a task is no Exception
        covered = (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException)
        if never_fail or (soft_fail and isinstance(error, covered)):
            flag = "soft_fail" if soft_fail else "never_fail"
            raise AirflowSkipException(f"Skipped because of {flag}. {type(error).__name__}: {error}") from error
        raise
