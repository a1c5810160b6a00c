"""What a task asks the service to create."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from airflow_provider_minimax.api import models, payloads
from airflow_provider_minimax.api.fields import read_fields
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.settings import CheckInputs, read_check_inputs
from airflow_provider_minimax.api.validation import optional_text


@dataclass(frozen=True)
class CreateRequest:
    """The rendered inputs of a create.

    :param account: an account, ``"auto"``, or None for the connection's.
    :param fields: the optional fields, as the client takes them.
    :param checks: what happens to doubtful inputs; None leaves it to the connection.
    """

    kind: Kind
    prompt: str | None
    account: str | None
    fields: Mapping[str, Any]
    checks: CheckInputs | None = None

    @classmethod
    def of_rendered(cls, kind: Kind, rendered: Mapping[str, Any]) -> Self:
        """Return the create of an operator.

        :param rendered: its attributes.
        :raises MiniMaxBadRequestError: one of them is malformed.
        """
        fields = read_fields(kind, rendered)
        prompt, account, checks = (optional_text(one, rendered[one]) for one in ("prompt", "account", "check_inputs"))
        return cls(kind, prompt, account, fields, read_check_inputs("check_inputs", checks) if checks else None)

    @property
    def quantity(self) -> int:
        """The number of jobs that the create makes."""
        return models.jobs_made(self.kind, self.fields)

    def body(self, account: str | None) -> dict[str, Any]:
        """Return the body for an account, as it is sent.

        :raises MiniMaxBadRequestError: it is no request.
        """
        return payloads.create_body(self.kind, self.prompt, account, self.fields)
