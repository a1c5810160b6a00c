"""Choosing in real runs of a DAG, in this process, with a person who is quick."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import task

from airflow_provider_minimax.operators.choose import AGAIN, MiniMaxChooseOperator
from tests.integration.conftest import Person
from tests.integration.dags import run

pytestmark = pytest.mark.usefixtures("airflow_db")


def images(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"imageId": f"user:1-minimax:2-image:{n}", "fileID": f"file {n}", "desc": "a lamp", "url": f"https://a/{n}"}
        for n in numbers
    ]


@task
def create(numbers: list[int]) -> list[dict[str, Any]]:
    return images(*numbers)


@task
def use(value: Any) -> Any:
    return value


@task
def use_all(values: Any) -> list[Any]:
    return list(values)


def test_a_field_of_the_chosen_one_goes_straight_on(person: Person) -> None:
    def build() -> None:
        choose = MiniMaxChooseOperator(task_id="choose", media=create([1, 2, 3]), again_task_id="again")
        use(choose.output["fileID"])
        choose >> EmptyOperator(task_id="again")

    asked = person(1)
    done = run("choose_field", build)
    assert done.states == {"create": "success", "choose": "success", "use": "success", "again": "skipped"}
    assert done.xcom("choose") == images(2)[0]
    assert done.xcom("use") == "file 2"
    assert [one["options"] for one in asked] == [["1. a lamp", "2. a lamp", "3. a lamp", AGAIN]]


def test_generating_again_runs_its_branch_only(person: Person) -> None:
    def build() -> None:
        choose = MiniMaxChooseOperator(task_id="choose", media=create([1, 2]), again_task_id="again")
        join = EmptyOperator(task_id="join", trigger_rule="none_failed_min_one_success")
        choose >> [use.override(task_id="used")(choose.output["fileID"]), EmptyOperator(task_id="again")] >> join

    person(-1)
    done = run("choose_again", build)
    assert done.states == {
        "create": "success",
        "choose": "success",
        "used": "skipped",
        "again": "success",
        "join": "success",
    }
    assert done.xcom("choose") is None


def test_each_of_several_goes_on_in_a_mapped_task(person: Person) -> None:
    def build() -> None:
        choose = MiniMaxChooseOperator(
            task_id="choose", media="{{ ti.xcom_pull('create') }}", multiple=True, again_task_id="again"
        )
        create([1, 2, 3]) >> choose >> EmptyOperator(task_id="again")
        use.expand(value=choose.output)

    person(2, 0)
    done = run("choose_several", build)
    assert done.state == "success"
    assert done.xcom("choose") == images(1, 3)
    assert done.states["again"] == "skipped"
    assert done.xcom("use") == images(1, 3)


def test_each_list_of_a_mapped_create_is_chosen_from(person: Person) -> None:
    def build() -> None:
        created = create.expand(numbers=[[1, 2], [3, 4]])
        choose = MiniMaxChooseOperator.partial(task_id="choose").expand(media=created)
        use_all(choose.output)

    person(1)
    done = run("choose_each", build)
    assert done.state == "success"
    assert done.xcom("use_all") == images(2, 4)


def test_one_is_chosen_from_all_lists_of_a_mapped_create(person: Person) -> None:
    def build() -> None:
        use(MiniMaxChooseOperator(task_id="choose", media=create.expand(numbers=[[1, 2], [3, 4]])).output)

    person(2)
    done = run("choose_from_all", build)
    assert done.xcom("use") == images(3)[0]


def test_nothing_to_choose_from_skips_what_follows(person: Person) -> None:
    def build() -> None:
        use(MiniMaxChooseOperator(task_id="choose", media=create([]), on_empty="skip").output)

    asked = person(0)
    assert run("choose_nothing", build).states == {"create": "success", "choose": "skipped", "use": "skipped"}
    assert asked == []
