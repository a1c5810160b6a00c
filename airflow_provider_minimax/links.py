"""The extra links of operators: buttons on the page of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_minimax.compat import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class MiniMaxMediaLink(BaseOperatorLink):
    """Opens the image or the video of a task; the first of several.

    That is what it has created, awaited, chosen or downloaded; of an export, the newest image. An export whose contact
    sheet has an address that a browser can open (http or https) opens that instead.

    An operator with this link keeps the address in its attribute ``media_url``, None until there is one. How long the
    service keeps such an address is not documented.
    """

    name = "Open media"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - part of the signature
        """Return the address; empty while the task has no result.

        Airflow calls this on the worker after each run of the task, also when it defers. Reading the task's XCom here
        would log an error at each deferral, as there is none yet.
        """
        return getattr(operator, "media_url", None) or ""
