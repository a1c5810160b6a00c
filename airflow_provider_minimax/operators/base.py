"""What all operators of this provider share: the connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow_provider_minimax.compat import BaseOperator
from airflow_provider_minimax.hooks.minimax import MiniMaxHook


class MiniMaxBaseOperator(BaseOperator):
    """An operator that works on a MiniMax connection.

    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account to work on; defaults to the connection's. Templated.
    """

    template_fields: Sequence[str] = ("minimax_conn_id", "account")
    ui_color = "#f2e6ff"

    def __init__(
        self,
        *,
        minimax_conn_id: str = MiniMaxHook.default_conn_name,
        account: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.minimax_conn_id = minimax_conn_id
        self.account = account

    @cached_property
    def hook(self) -> MiniMaxHook:
        """The hook, made after the templates are rendered."""
        return MiniMaxHook(self.minimax_conn_id, self.account)
