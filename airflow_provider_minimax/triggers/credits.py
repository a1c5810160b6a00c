"""The trigger that waits for credits, on a shared poll like that of jobs."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any

from airflow_provider_minimax.polling.credits import DEFAULT_ACCOUNT, CreditsPoller, CreditsReader, CreditsSpec
from airflow_provider_minimax.polling.shared_poll import Stream
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters. They are stored, so their names must not change."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.spec.to_kwargs()

    @cached_property
    def _key(self) -> Hashable | None:
        spec = self.spec
        return ("minimax", spec.kind, spec.minimax_conn_id, spec.ids, spec.poke_interval)

    def _make_stream(self) -> Stream:
        spec = self.spec
        account = None if spec.ids[0] == DEFAULT_ACCOUNT else spec.ids[0]
        return Stream(spec.kind, spec.poke_interval, self._get_settings, make_reader=CreditsReader, account=account)
