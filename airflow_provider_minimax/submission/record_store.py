"""Where a task keeps its record: Airflow's ``task_state_store`` (3.3 and newer)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, Self

import msgspec

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxUnknownOutcomeError, MiniMaxUpstreamError
from airflow_provider_minimax.compat import AirflowFailException
from airflow_provider_minimax.submission.record import Record, UnreadableRecord

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The key of the record.
KEY: Final = "minimax_create"
#: The key of the time since which a rescheduled attempt has waited for capacity.
_WAITING_KEY: Final = "minimax_waiting"


@dataclass(frozen=True)
class _Waiting:
    """What is stored while a rescheduled attempt waits for capacity.

    :param since: seconds since the epoch.
    """

    try_number: int
    since: Annotated[float, msgspec.Meta(ge=0, le=10**11)]


class TaskStateStore(Protocol):
    """The part of Airflow's ``task_state_store`` that is used here."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the stored value."""

    def set(self, key: str, value: Any) -> None:
        """Store a value of JSON types."""


class RecordStore:
    """Loads and stores the record of a task. Before Airflow 3.3 it lasts for the current attempt only."""

    def __init__(self, store: TaskStateStore | None) -> None:
        self._store = store
        self._loaded: Record | UnreadableRecord | None = None
        self._is_loaded = store is None

    @classmethod
    def of(cls, context: Context) -> Self:
        """Return the store of a running task."""
        return cls(context.get("task_state_store"))

    @property
    def is_persistent(self) -> bool:
        """Whether the next attempt can read the record."""
        return self._store is not None

    @property
    def stored(self) -> Record | UnreadableRecord | None:
        """The stored value.

        :raises MiniMaxUpstreamError: the store cannot be read.
        """
        if not self._is_loaded:
            self._loaded = Record.load(self._get(KEY))
            self._is_loaded = True
        return self._loaded

    @property
    def record(self) -> Record | None:
        """The stored record, if it is readable.

        :raises MiniMaxUpstreamError: the store cannot be read.
        """
        return self.stored if isinstance(self.stored, Record) else None

    def save(self, record: Record) -> None:
        """Store a record in place of the former one.

        :raises Exception: whatever the ``state_store_backend`` raises. ``record`` returns the new record all the same.
        """
        self._loaded, self._is_loaded = record, True
        if self._store is not None:
            self._store.set(KEY, record.dump())

    def waiting_since(self, attempt: int) -> float | None:
        """Return since when an attempt has waited for capacity, in seconds since the epoch.

        :return: None if it has not, or if the entry is not one of ours: the wait then starts from scratch.
        :raises MiniMaxUpstreamError: the store cannot be read.
        """
        try:
            waiting = msgspec.convert(self._get(_WAITING_KEY), _Waiting, strict=True)
        except msgspec.ValidationError:
            return None
        return waiting.since if waiting.try_number == attempt else None

    def save_waiting_since(self, attempt: int, since: float) -> None:
        """Store since when an attempt has waited for capacity."""
        if self._store is not None:
            self._store.set(_WAITING_KEY, asdict(_Waiting(attempt, since)))

    @contextmanager
    def final_if_lost(self, is_billable: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Keep Airflow from retrying where no later attempt can know of a billable job.

        :param is_billable: returns whether there is such a job; an unknown outcome counts as one.
        """
        try:
            yield
        except MiniMaxError as error:
            is_lost = isinstance(error, MiniMaxUnknownOutcomeError) or is_billable()
            if self.is_persistent or not is_lost or isinstance(error, AirflowFailException):
                raise
            # The same error, as one that Airflow does not retry.
            kind = type(type(error).__name__, (type(error), AirflowFailException), {})
            message = f"{error} This Airflow keeps no state for a task, so a retry would pay again: it is not retried."
            raise kind(message, status=error.status, retry_after=error.retry_after) from None

    def _get(self, key: str) -> Any:
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except Exception as error:
            # A state_store_backend may raise anything.
            raise MiniMaxUpstreamError(
                f"The record of earlier attempts cannot be read from Airflow's task store ({error!r}). Nothing was "
                "submitted; a retry reads it again."
            ) from error
