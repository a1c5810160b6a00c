"""Names of Airflow that lie elsewhere in 3.1, and that ``common.compat`` does not bring."""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import (
        AirflowRescheduleException,
        DownstreamTasksSkipped,
        TaskDeferralError,
        TaskDeferralTimeout,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[no-redef]
        AirflowRescheduleException,
        DownstreamTasksSkipped,
        TaskDeferralError,
        TaskDeferralTimeout,
    )

__all__ = ["AirflowRescheduleException", "DownstreamTasksSkipped", "TaskDeferralError", "TaskDeferralTimeout"]
