"""The sensor that waits for credits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_minimax.api.validation import optional_text
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling.credits import DEFAULT_ACCOUNT, CreditsPoller, CreditsReader, CreditsSpec
from airflow_provider_minimax.sensors.base import MiniMaxWaitSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.arguments import Templated, WaitArguments
    from airflow_provider_minimax.polling.wait_spec import WaitSpec
    from airflow_provider_minimax.triggers.credits import MiniMaxCreditsTrigger


class MiniMaxCreditsSensor(MiniMaxWaitSensor):
    """Waits until an account has enough credits. Each round costs one request (GET /features/).

    It reserves nothing: what runs meanwhile may spend them. Failures, flags and modes mean what they mean for
    ``MiniMaxImageSensor``.

    :param min_credits: the account has at least so many. Templated.
    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account; without it the connection's. ``"auto"``: any account that has enough, at one
        request for each in a round; an account of the connection then is the only one, as for a create. Templated.
    :param poke_interval: seconds between two rounds, 300 by default.
    :param timeout: seconds until the wait fails with ``AirflowSensorTimeout``, which Airflow does not retry; 12 hours
        by default.
    :param deferrable: wait in the triggerer, where all waits for the same account share one poll.
    :return: (XCom) ``{"account": ..., "credits": ...}``; the account is None where the service chose it.
    """

    kind = "credits"
    poller_class = CreditsPoller
    template_fields: Sequence[str] = ("min_credits", "minimax_conn_id", "account")
    timed_out = "Not enough credits"
    after_timeout = "Top up the account, lower min_credits, or clear the task to wait again."

    def __init__(self, *, min_credits: Templated[float | str], **kwargs: Unpack[WaitArguments]) -> None:
        super().__init__(**kwargs)
        self.min_credits = min_credits

    def _spec(self) -> CreditsSpec:
        return CreditsSpec(
            (optional_text("account", self.account) or DEFAULT_ACCOUNT,),
            min_credits=self.min_credits,
            minimax_conn_id=self.minimax_conn_id,
            poke_interval=self.poke_interval,
            silent_fail=self.silent_fail,
            single=True,
        )

    def _make_reader(self, context: Context) -> CreditsReader:  # noqa: ARG002 - a reader of jobs asks it for its age
        return CreditsReader(MiniMaxHook(self.minimax_conn_id).get_conn())

    def _make_trigger(self, spec: WaitSpec) -> MiniMaxCreditsTrigger:
        from airflow_provider_minimax.triggers.credits import MiniMaxCreditsTrigger

        return MiniMaxCreditsTrigger.from_spec(spec)
