"""What a task asks the service to create."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_minimax.api import models, payloads
from airflow_provider_minimax.api.ids import Kind
from airflow_provider_minimax.api.settings import CheckInputs


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

    @property
    def quantity(self) -> int:
        """The number of jobs that the create makes."""
        return models.jobs_made(self.kind, self.fields)

    def body(self, account: str | None) -> dict[str, Any]:
        """Return the body for an account, as it is sent.

        :raises MiniMaxBadRequestError: it is no request.
        """
        return payloads.create_body(self.kind, self.prompt, account, self.fields)
