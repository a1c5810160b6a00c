"""The buttons that Airflow's pages show at a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_minimax.compat import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class MiniMaxMediaLink(BaseOperatorLink):
    """Opens the image or the video that a task has made; of several images the first.

    Nobody documents for how long the service keeps such an address.
    """

    name = "Open media"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - part of the signature
        """Return the address; empty while there is none. Asked on the worker, after each of its runs."""
        from airflow.sdk.execution_time.xcom import XCom

        result = XCom.get_value(ti_key=ti_key, key="return_value")
        first = result[0] if isinstance(result, list) and result else result
        return str(first.get("url") or "") if isinstance(first, dict) else ""
