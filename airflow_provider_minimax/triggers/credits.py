"""The trigger that waits for credits, on a shared poll like that of jobs."""

from __future__ import annotations

from airflow_provider_minimax.polling.credits import DEFAULT_ACCOUNT, CreditsPoller, CreditsSpec
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger


class MiniMaxCreditsTrigger(MiniMaxJobTrigger):
    """Waits until an account has enough credits, the wait fails or its deadline passes; fires one event.

    All triggers on the same connection, account and interval share one poll.

    :param ids: one: see ``CreditsSpec``.
    :param deadline: seconds since the epoch.
    :param options: the other fields of ``CreditsSpec``.
    """

    spec_class = CreditsSpec
    poller_class = CreditsPoller
    spec: CreditsSpec

    def _account(self) -> str | None:
        (account,) = self.spec.ids
        return None if account == DEFAULT_ACCOUNT else account
