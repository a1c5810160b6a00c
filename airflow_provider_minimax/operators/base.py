"""What all operators of this provider share: the connection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
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


def at_least_one(parameter: str, value: object) -> None:
    """Check a constant.

    :raises MiniMaxBadRequestError: it is not an integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be an integer of at least 1, not {value!r}.")


def one_of(parameter: str, value: object, allowed: Collection[str]) -> None:
    """Check a constant.

    :raises MiniMaxBadRequestError: it is none of these.
    """
    if value not in allowed:
        raise MiniMaxBadRequestError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}.")
