"""Names of Airflow that lie elsewhere in 3.1, and that ``common.compat`` does not bring."""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralTimeout
except ImportError:
    from airflow.exceptions import AirflowRescheduleException, TaskDeferralTimeout  # type: ignore[no-redef]

__all__ = ["AirflowRescheduleException", "TaskDeferralTimeout"]
