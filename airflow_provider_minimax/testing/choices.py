"""What a person would choose. In a test nobody responds, and ``dag.test()`` would wait without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    #: The number of an image or video on the page, from 1, or ``"Generate again"``; several for ``multiple=True``.
    Choice = int | str | Sequence[int | str]


@contextmanager
def chosen(choices: Mapping[str, Choice]) -> Iterator[None]:
    """Let each task that asks a person go on at once.

    :param choices: what is chosen, by the id of a ``MiniMaxChooseOperator``; other tasks take their ``defaults``.
    """
    choose = MiniMaxChooseOperator.execute

    def execute(operator: MiniMaxChooseOperator, context: Context) -> Any:
        if operator.task_id in choices:
            patch.setattr(operator, "default_choice", choices[operator.task_id])
        return choose(operator, context)

    def respond(operator: HITLOperator, context: Context) -> Any:
        if operator.defaults is None:
            raise MiniMaxBadRequestError(
                f"Nobody responds to {operator.task_id!r} in a test, and it has no defaults. Give the choice: "
                f"minimax_airflow.run(dag, choices={{{operator.task_id!r}: 1}})."
            )
        event = {
            "chosen_options": operator.defaults,
            "params_input": operator.params.dump(),
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "test", "name": "The test"} if operator.task_id in choices else None,
        }
        return operator.execute_complete(context, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniMaxChooseOperator, "execute", execute)
        patch.setattr(HITLOperator, "execute", respond)
        yield
