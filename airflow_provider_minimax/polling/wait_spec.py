"""What a task waits for: one value that travels from the task to its trigger and to the poller."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, Self

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.jobs import FINAL_LABELS, check_labels
from airflow_provider_minimax.api.words import count
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import timing

Require = Literal["all", "any"]
REQUIREMENTS: Final = ("all", "any")


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """A wait for jobs, as a trigger stores it. ``checked`` validates what a user gave.

    :param ids: full ids, all of one kind, in the order of the task.
    :param deadline: seconds since the epoch. Absolute, so that a restarted triggerer keeps it.
    :param kind: the kind of the ids.
    :param require: succeed when ``"all"`` jobs are completed, or ``"any"``.
    :param accept_statuses: labels of final statuses that count as success beside ``completed``.
    :param minimax_conn_id: the Airflow connection.
    :param account: the Hailuo account that the ids have to belong to; None for any.
    :param poke_interval: seconds between two rounds.
    :param silent_fail: tolerate any failure that a retry could mend until the deadline (a sensor's ``silent_fail``).
    :param failures: rounds that have failed in a row so far.
    :param single: the result is one job and not a list.
    :param end_in_triggerer: end a successful wait in the triggerer, with the XCom that the task would have returned.
    :param fresh_until: seconds since the epoch until which "not found" may only mean "not yet".
    :param cancel_on_kill: cancel the jobs (videos; images cannot be) when a user ends or clears the task.
    """

    # Tuples, which the garbage collector need not follow: thousands of waits live in one process.
    ids: tuple[str, ...]
    deadline: float = 0.0
    kind: Kind = "image"
    require: str = "all"
    accept_statuses: tuple[str, ...] = ()
    minimax_conn_id: str = MiniMaxHook.default_conn_name
    account: str | None = None
    poke_interval: float = timing.DEFAULTS["image"].interval
    silent_fail: bool = False
    failures: int = 0
    single: bool = False
    end_in_triggerer: bool = False
    fresh_until: float = 0.0
    cancel_on_kill: bool = False

    @classmethod
    def from_kwargs(cls, ids: Sequence[str], accept_statuses: Collection[str] = (), **others: Any) -> Self:
        """Return the spec of stored or given parameters, not validated yet."""
        return cls(tuple(ids), accept_statuses=tuple(sorted(accept_statuses)), **others)

    def to_kwargs(self) -> dict[str, Any]:
        """Return the parameters, as Airflow can store them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**values, "ids": list(self.ids), "accept_statuses": list(self.accept_statuses)}

    def checked(self) -> Self:
        """Return the spec with full ids.

        :raises MiniMaxBadRequestError: no ids; an id that is not full, or of another kind or account; an unknown word.
        """
        if not self.ids:
            raise MiniMaxBadRequestError(f"There is no {self.kind} id to wait for: the list is empty.")
        check_require(self.require)
        check_labels("accept_statuses", self.accept_statuses, FINAL_LABELS)
        ids = tuple(parse_id(job_id, self.kind, account=self.account).full for job_id in self.ids)
        return self if ids == self.ids else replace(self, ids=ids)

    @property
    def label(self) -> str:
        """What is awaited, for a log."""
        return count(len(self.ids), self.kind)

    def owners(self) -> tuple[str, ...]:
        """Return the users and accounts of the ids; the waits on the same ones may share a poll.

        :raises MiniMaxBadRequestError: an id is not full, or of another kind.
        """
        return tuple(sorted({parse_id(job_id, self.kind).owner for job_id in self.ids}))

    def is_fresh(self) -> bool:
        """Return whether the jobs are so new that the service may not know them yet."""
        return time.time() < self.fresh_until


def check_require(require: str) -> Require:
    """Return ``"all"`` or ``"any"``.

    :raises MiniMaxBadRequestError: it is neither.
    """
    for known in REQUIREMENTS:
        if require == known:
            return known
    raise MiniMaxBadRequestError(f"require must be 'all' or 'any', not {require!r}.")
