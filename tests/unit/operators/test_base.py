"""What all operators share."""

from __future__ import annotations

import copy
import pickle

import pytest

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.operators.images import MiniMaxListImagesOperator
from airflow_provider_minimax.sandbox import Sandbox
from tests.support import execute


def test_a_killed_operator_stops_at_its_next_check(sandbox: Sandbox) -> None:
    operator = MiniMaxListImagesOperator(task_id="any")
    assert execute(operator)
    operator.on_kill()
    with pytest.raises(MiniMaxError, match="was killed and has stopped") as caught:
        execute(operator)
    assert type(caught.value) is MiniMaxError, "a retry may help"


def test_only_the_operator_that_was_killed_stops(sandbox: Sandbox) -> None:
    """Airflow copies operators, and some of its tests pickle them."""
    operator = MiniMaxListImagesOperator(task_id="any")
    others = copy.deepcopy(operator), pickle.loads(pickle.dumps(operator))
    operator.on_kill()
    assert [is_stopped(one) for one in (operator, *others)] == [True, False, False]


def is_stopped(operator: MiniMaxListImagesOperator) -> bool:
    try:
        execute(operator)
    except MiniMaxError:
        return True
    return False
