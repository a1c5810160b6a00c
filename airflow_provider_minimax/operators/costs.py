"""What tasks have submitted, and what it costs: one XCom for each, and their sum for a DAG run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.api.ids import Kind, parse_id
from airflow_provider_minimax.api.kinds import MEDIA_KINDS
from airflow_provider_minimax.api.words import count

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_minimax.assets import Made
    from airflow_provider_minimax.submission.record_store import RecordStore

log = logging.getLogger(__name__)

#: The key of the XCom of each task that creates.
COST_KEY: Final = "minimax_cost"


def cost_of(store: RecordStore) -> dict[str, Any] | None:
    """Return what a task has submitted so far; None for nothing, and where no record tells."""
    try:
        record = store.record
    except MiniMaxUpstreamError:
        # The attempt reports it.
        return None
    if record is None or not record.spent:
        return None
    known = [one.credits for one in record.spent if one.credits is not None]
    latest = record.spent[-1]
    return {
        "credits": sum(known) if len(known) == len(record.spent) else None,
        "source": latest.source,
        "jobs": [job for one in record.spent for job in one.jobs],
        "model": latest.model,
        "account": latest.account,
    }


def push_cost(context: Context, store: RecordStore) -> None:
    """Push what a task has submitted so far. A failure to push it does not end the attempt."""
    if (cost := cost_of(store)) is None:
        return
    try:
        context["ti"].xcom_push(key=COST_KEY, value=cost)
    except Exception as error:  # noqa: BLE001 - an XCom backend may raise anything, and the job is billed
        log.error("The XCom %s could not be pushed: %r", COST_KEY, error)


def pulled_cost(context: Context) -> Mapping[str, Any]:
    """Return what the process that submitted has pushed: all that is left of it after a deferral without a store."""
    ti = context["ti"]
    return ti.xcom_pull(ti.task_id, key=COST_KEY, map_indexes=ti.map_index) or {}


def sum_costs(context: Context | Mapping[str, Any], task_ids: Iterable[str] | None = None) -> dict[str, Any]:
    """Return what tasks of this DAG run have submitted, and log it.

    :param context: of the task that calls this: ``get_current_context()``, or the ``**context`` of a function.
    :param task_ids: the tasks that create; by default all tasks upstream of the calling one. A mapped task counts with
        all its instances.
    :return: ``credits`` of all jobs with a known price, None if there is none of these; the number of ``jobs``, and of
        those with an ``unknown_price``; 0 credits where nothing was submitted.
    """
    names = sorted(context["task"].get_flat_relative_ids(upstream=True) if task_ids is None else task_ids)
    pulled = context["ti"].xcom_pull(task_ids=names, key=COST_KEY) if names else []
    total = add_costs(one for one in pulled if isinstance(one, Mapping))
    known = "an unknown number of" if total["credits"] is None else f"{total['credits']:g}"
    unknown = total["unknown_price"]
    rest = f"; the price of {unknown} of them is unknown" if unknown else ""
    log.info("This run has submitted %s for %s credits%s.", count(total["jobs"], "job"), known, rest)
    return total


def add_costs(costs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of XComs ``minimax_cost``; see ``sum_costs``."""
    found = list(costs)
    known = [one["credits"] for one in found if one["credits"] is not None]
    return {
        "credits": sum(known) if known or not found else None,
        "jobs": sum(len(one["jobs"]) for one in found),
        "unknown_price": sum(len(one["jobs"]) for one in found if one["credits"] is None),
    }


def describe_created(context: Context, kind: Kind, ids: Sequence[str]) -> Made:
    """Return what a create tells the events of its outlets.

    :param ids: full ids, one at least.
    """
    from airflow_provider_minimax.assets import Made, account_uri, event_ids
    from airflow_provider_minimax.submission.record_store import RecordStore

    account = parse_id(ids[0], kind).account
    cost = cost_of(RecordStore.of(context)) or pulled_cost(context)
    details = {"account": account, "model": cost.get("model"), "credits": cost.get("credits")}
    return Made(account_uri(account, MEDIA_KINDS[kind].plural), event_ids(ids, len(ids)) | details)
