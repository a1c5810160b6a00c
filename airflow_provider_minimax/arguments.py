"""What operators and sensors take, for type checkers and editors.

An operator hands what it does not know to its base class, as ``**kwargs``, which are typed here (PEP 692). Names and
types are those of the constructors that take them: a test compares both. At run time only the words matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path
    from typing import TypeAlias, TypeVar

    from airflow.sdk import DAG, BaseNotifier, Context, ObjectStoragePath, TaskGroup, XComArg
    from airflow.sdk.definitions.param import ParamsDict
    from airflow.sdk.definitions.retry_policy import RetryPolicy
    from airflow.sdk.execution_time.hitl import HITLUser
    from airflow.sdk.types import WeightRuleParam

    from airflow_provider_minimax.api.filters import PointInTime
    from airflow_provider_minimax.api.ids import Kind
    from airflow_provider_minimax.api.settings import CheckInputs
    from airflow_provider_minimax.api.validation import OnEmpty
    from airflow_provider_minimax.export.formats import FileFormat
    from airflow_provider_minimax.polling.wait_spec import Require

    T = TypeVar("T")
    #: The value of a templated parameter, or the result of another task in its place.
    Templated: TypeAlias = T | XComArg
    #: Ids: the text of one or of a list, a compact dict, results of tasks, or a list of all these.
    Ids = str | Mapping[str, Any] | Sequence["Ids"] | XComArg
    Location = str | Path | ObjectStoragePath

    Callback = Callable[[Context], None]

OnMediaError = Literal["fail", "skip"]
OnUnknownOutcome = Literal["fail", "resubmit"]
ExportMode = Literal["snapshot", "sync"]


def rendered(value: Templated[T]) -> T:
    """Return a templated value as what it is when the task runs: the result of another task is in its place then."""
    return cast("T", value)


class OperatorArguments(TypedDict, total=False):
    """Of Airflow's ``BaseOperator``."""

    task_id: Required[str]
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: RetryPolicy | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: ParamsDict | dict[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: WeightRuleParam
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callback | Collection[Callback] | None
    on_failure_callback: Callback | list[Callback] | None
    on_success_callback: Callback | Collection[Callback] | None
    on_retry_callback: Callback | list[Callback] | None
    on_skipped_callback: Callback | Collection[Callback] | None
    pre_execute: Callback | None
    post_execute: Callable[[Context, Any], None] | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any | None
    outlets: Any | None
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class ChooseArguments(OperatorArguments, total=False):
    """Of Airflow's ``HITLOperator`` beside what ``MiniMaxChooseOperator`` takes itself."""

    notifiers: Sequence[BaseNotifier] | BaseNotifier | None
    assigned_users: HITLUser | list[HITLUser] | None


class SensorArguments(OperatorArguments, total=False):
    """Of Airflow's ``BaseSensorOperator``."""

    soft_fail: bool
    mode: Literal["poke", "reschedule"]
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool


class WaitArguments(SensorArguments, total=False):
    """Of ``MiniMaxWaitSensor``."""

    minimax_conn_id: Templated[str]
    account: Templated[str | None]
    poke_interval: timedelta | float | None
    timeout: timedelta | float | None
    deferrable: bool


class JobArguments(WaitArguments, total=False):
    """Of ``MiniMaxJobSensor``."""

    require: Require
    accept_statuses: Sequence[str]
    on_empty: OnEmpty
    start_from_trigger: bool
    end_from_trigger: bool


class MiniMaxArguments(OperatorArguments, total=False):
    """Of ``MiniMaxBaseOperator``."""

    minimax_conn_id: Templated[str]
    account: Templated[str | None]


class CreateArguments(MiniMaxArguments, total=False):
    """Of ``MiniMaxCreateOperator``."""

    wait_for_completion: bool
    on_unknown_outcome: OnUnknownOutcome
    check_inputs: Templated[CheckInputs | None]
    deferrable: bool
    end_from_trigger: bool
    poke_interval: timedelta | float | None
    timeout: timedelta | float | None
    max_credits: Templated[float | str | None]


class ExportArguments(MiniMaxArguments, total=False):
    """Of ``ExportMediaOperator``."""

    output_path: Required[Templated[Location]]
    file_format: Templated[FileFormat]
    storage_conn_id: Templated[str | None]
    statuses: Templated[Collection[str] | str | None]
    created_from: Templated[PointInTime]
    created_to: Templated[PointInTime]
    part_rows: int
    download_media: bool
    on_media_error: OnMediaError
    contact_sheet: bool
    mode: ExportMode
    csv_safe: bool
    allow_empty: bool
    check_total: bool


class TriggerArguments(TypedDict, total=False):
    """Of ``MiniMaxJobTrigger``: the fields of ``WaitSpec``."""

    kind: Kind
    require: Require
    accept_statuses: Collection[str]
    minimax_conn_id: str
    account: str | None
    poke_interval: float
    silent_fail: bool
    failures: int
    single: bool
    end_in_triggerer: bool
    fresh_until: float
    cancel_on_kill: bool
