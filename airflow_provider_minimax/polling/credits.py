"""What a wait for credits adds to the poll: its value, its verdict, its requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_minimax.api.accounts import AUTO, healthy_accounts
from airflow_provider_minimax.api.errors import (
    MiniMaxAccountOnHoldError,
    MiniMaxAuthError,
    MiniMaxBadRequestError,
    MiniMaxError,
)
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.jobs import Job
from airflow_provider_minimax.polling.poller import Poller
from airflow_provider_minimax.polling.results import JobResult, RoundResult
from airflow_provider_minimax.polling.timing import DEFAULTS
from airflow_provider_minimax.polling.wait_spec import WaitSpec

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient

log = logging.getLogger(__name__)

#: In the place of an account: the one of the connection, or of the service's choice where it has none.
DEFAULT_ACCOUNT: Final = "the connection's account"


@dataclass(frozen=True, slots=True)
class CreditsSpec(WaitSpec):
    """A wait for credits, as a trigger stores it. Its one id is an account, ``"auto"`` or ``DEFAULT_ACCOUNT``.

    :param min_credits: the account has at least so many; not validated yet.
    """

    kind: Kind = "credits"
    poke_interval: float = DEFAULTS["credits"].interval
    min_credits: Any = None

    @property
    def label(self) -> str:
        """What is awaited, for a log."""
        return f"{self.min_credits} credits on {self.ids[0]}"

    def owners(self) -> tuple[str, ...]:
        """Return the account."""
        return self.ids

    def checked(self) -> Self:
        """Return the spec, with a number of credits.

        :raises MiniMaxBadRequestError: ``min_credits`` is not a number of at least 0.
        """
        # Imported here: the tables of models and prices are of no use to most DAG files.
        from airflow_provider_minimax.api.prices import as_credits

        number = as_credits(self.min_credits)
        if number is None:
            raise MiniMaxBadRequestError(f"min_credits must be a number of at least 0, not {self.min_credits!r}.")
        return replace(self, min_credits=number)


@dataclass(slots=True)
class CreditsPoller(Poller):
    """The state of a wait for credits."""

    spec: CreditsSpec

    def _log_job(self, job_id: str, job: Job) -> None:
        on = f" on account {job['account']}" if job_id == AUTO else ""
        self._log_change(logging.INFO, job_id, f"{job['credits']:g} of {self.spec.min_credits:g} credits{on}")

    def _is_success(self, job: Job) -> bool | None:
        return True if job["credits"] >= self.spec.min_credits else None

    def _compact(self, job: Job) -> dict[str, Any]:
        return dict(job)


class CreditsReader:
    """Reads the credits of accounts: one request for each, and for ``"auto"`` one for each usable account."""

    is_round_complete = True

    def __init__(self, client: MiniMaxClient, before_request: Callable[[], None] = lambda: None) -> None:
        # A wait has an interval of its own.
        self._client = client.without_retries()
        self._before_request = before_request

    def read(self, ids: Collection[str]) -> RoundResult:
        """Read the credits of accounts.

        :return: by id ``{"account": ..., "credits": ...}``, or the error in the response; a refused token concerns all.
        """
        results: dict[str, JobResult] = {}
        for account in ids:
            try:
                results[account] = self._read_any() if account == AUTO else self._read_one(account)
            except MiniMaxAuthError as error:
                return RoundResult(results, error)
            except MiniMaxError as error:
                results[account] = error
        return RoundResult(results)

    def read_for_last_time(self, ids: Collection[str]) -> RoundResult:
        """Read the credits of accounts whose wait has reached its deadline."""
        return self.read(ids)

    def forget(self, job_id: str) -> None:
        """Do nothing: it remembers no account."""

    def _read_one(self, account: str) -> Job:
        self._before_request()
        named = self._client.settings.account if account == DEFAULT_ACCOUNT else account
        return {"account": named, "credits": self._client.get_credits(named)}

    def _read_any(self) -> Job:
        """Return the account with most credits. As for a create, the account of the connection is the only one."""
        if self._client.settings.account is not None:
            return self._read_one(DEFAULT_ACCOUNT)
        self._before_request()
        found: list[Job] = []
        failure: MiniMaxError = MiniMaxAccountOnHoldError("No account at useapi.net is usable. A retry waits again.")
        for account in healthy_accounts(self._client.list_accounts()):
            try:
                found.append(self._read_one(account))
            except MiniMaxAuthError:
                raise
            except MiniMaxError as error:
                log.warning("The credits of account %s are unknown in this round. %s", account, error)
                failure = error
        if not found:
            raise failure
        return max(found, key=lambda one: one["credits"])
