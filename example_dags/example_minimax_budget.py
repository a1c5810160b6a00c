"""Know what a run costs: wait for enough credits, create within a limit, and sum up what was submitted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_minimax.operators.costs import sum_costs
from airflow_provider_minimax.operators.images import MiniMaxCreateImageOperator
from airflow_provider_minimax.sensors.credits import MiniMaxCreditsSensor

with DAG(
    dag_id="example_minimax_budget",
    description="Wait for enough credits, create within a limit, and sum up the cost",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "prompts": Param(
            ["A paper boat", "A paper crane", "A paper moon"],
            type="array",
            title="Prompts",
            description="One prompt a line.",
        ),
        "budget": Param(
            12, type="number", title="Budget", description="Credits that the account has at least, or the run waits."
        ),
        "max_credits": Param(4, type="number", title="Limit", description="Credits that one create costs at most."),
    },
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "deferrable": True},
    tags=["minimax", "image", "cost"],
    doc_md=__doc__,
) as dag:
    # It reserves nothing: what runs meanwhile may spend the credits.
    enough_credits = MiniMaxCreditsSensor(
        task_id="enough_credits",
        min_credits="{{ params.budget }}",
    )

    @task
    def prompts(params: dict[str, Any]) -> list[str]:
        return list(params["prompts"])

    # Each create is judged on its own: three of 4 credits keep max_credits=4, and cost 12.
    create_images = MiniMaxCreateImageOperator.partial(
        task_id="create_images",
        quantity=4,
        max_credits="{{ params.max_credits }}",
    ).expand(prompt=prompts())

    @task
    def total_cost(**context: Any) -> dict[str, Any]:
        return sum_costs(context)

    # As a teardown it also runs when a create has failed, and the run still counts as failed.
    enough_credits >> create_images >> total_cost().as_teardown()
