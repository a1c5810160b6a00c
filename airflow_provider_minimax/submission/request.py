"""What a task asks the service to create."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_minimax.api import models, payloads
from airflow_provider_minimax.api.ids import Kind

if TYPE_CHECKING:
    from airflow_provider_minimax.api.client import MiniMaxClient


@dataclass(frozen=True)
class CreateRequest:
    """The rendered inputs of a create.

    :param account: an account, ``"auto"``, or None for the connection's.
    :param fields: the optional fields, as the client takes them.
    """

    kind: Kind
    prompt: str | None
    account: str | None
    fields: Mapping[str, Any]

    @property
    def quantity(self) -> int:
        """The number of jobs that the create makes."""
        return models.images_made(self.fields) if self.kind == "image" else 1

    def body(self, account: str | None) -> dict[str, Any]:
        """Return the body for an account, checked.

        :raises MiniMaxBadRequestError: the service is documented not to take it.
        """
        if self.kind == "image":
            body = payloads.image_body(self.prompt or "", account, cast("payloads.ImageFields", self.fields))
            models.check_image(body)
        else:
            body = payloads.video_body(self.prompt, account, cast("payloads.VideoFields", self.fields))
            models.check_video(body)
        return body

    def send(self, client: MiniMaxClient, account: str | None, reply_ref: str) -> list[str]:
        """Send the create and return the job ids.

        :raises MiniMaxUnknownOutcomeError: the create may have been accepted, and no id is known.
        """
        fields: Any = {**self.fields, "reply_ref": reply_ref}
        if self.kind == "image":
            return client.create_image(self.prompt or "", account, **fields)
        return [client.create_video(self.prompt, account, **fields)]
