"""What the choosing operator asks, and what it makes of the response."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup, exceptions

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.compat import AirflowSkipException, DownstreamTasksSkipped, TaskDeferred
from airflow_provider_minimax.operators.choose import MiniMaxChooseOperator, media_given

#: How a task ends that waits for a person: deferred before Airflow 3.3, parked since.
PARKED = (TaskDeferred, getattr(exceptions, "TaskAwaitingInput", TaskDeferred))


def image(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "imageId": f"user:1-minimax:2-image:{number}",
        "fileID": f"user:1-minimax:2-file:{number}",
        "statusLabel": "completed",
        "statusFinal": True,
        "desc": "a lamp",
        "url": f"https://cdn.example/{number}.png",
    } | fields


VIDEO = {"videoId": "user:1-minimax:2-video:1", "statusLabel": "completed", "desc": None, "url": None}
FOUR = [image(number) for number in range(1, 5)]
LABELS = [f"{number}. a lamp" for number in range(1, 5)]
FAILED = image(statusLabel="failed")
MODERATED = image(statusLabel="moderated")


@dataclass
class Page:
    """A task instance, what was asked in its name, and its XComs."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    xcoms: dict[str, Any] = field(default_factory=dict)
    id: str = "ti"
    map_index: int = -1
    task: Any = None

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task.task_id, self.map_index)
        return self.xcoms[key]

    def context(self, operator: Any) -> dict[str, Any]:
        self.task = operator
        return {"ti": self, "task_instance": self, "task": operator}

    def ask(self, operator: Any) -> dict[str, Any]:
        """Run the task until it waits; return what a person is asked."""
        try:
            with pytest.raises(PARKED) as parked:
                type(operator).execute.__wrapped__(operator, self.context(operator))
        except Exception:
            assert self.asked == [], "a person was asked all the same"
            raise
        assert parked.value.method_name == "execute_complete"
        return self.asked[-1]

    def respond(self, operator: Any, *options: str, user: str | None = "ada", **params: Any) -> Any:
        """Resume the task, in an instance of its own."""
        return operator.execute_complete(
            self.context(operator),
            {
                "chosen_options": list(options),
                "params_input": params,
                "responded_at": datetime(2026, 1, 1, tzinfo=UTC),
                "responded_by_user": {"id": "1", "name": user} if user else None,
            },
        )


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    # What goes from here to Airflow's API.
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **request: page.asked.append(request))
    return page


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        yield dag


def choose(media: object = FOUR, **options: Any) -> MiniMaxChooseOperator:
    return MiniMaxChooseOperator(task_id="choose", media=media, **options)


# What is asked


def test_a_person_is_asked_to_choose_one(page: Page) -> None:
    request = page.ask(choose(subject="Which  one\nof\x00 `these`?", body="Look *well*."))
    assert request["ti_id"] == "ti"
    assert request["subject"] == "Which one of `these`?"
    assert request["options"] == LABELS
    assert (request["defaults"], request["multiple"]) == (None, False)
    assert request["body"].startswith("Look *well*.\n\na lamp\n\n[**1** ![1](<https://cdn.example/1.png>)]")


def test_airflows_own_parameters_are_handed_on(page: Page) -> None:
    seen: list[list[str]] = []

    class Notifier(hitl.BaseNotifier):
        def notify(self, context: Any) -> None:
            seen.append(context["task"].options)

    ada = {"id": "1", "name": "ada"}
    operator = choose(
        assigned_users=ada,
        notifiers=Notifier(),
        params={"why": "-"},
        multiple=True,
        response_timeout=timedelta(hours=1),
    )
    request = page.ask(operator)
    assert request["assigned_users"] == [ada]
    assert list(request["params"]) == ["why"]
    assert request["multiple"] is True
    assert seen == [LABELS]
    waits = getattr(operator, "response_timeout", None) or operator.execution_timeout
    assert waits == timedelta(hours=1)


@pytest.mark.parametrize(
    ("defaults", "multiple", "expected"),
    [
        (None, False, None),
        (2, False, [LABELS[1]]),
        ("2", False, [LABELS[1]]),
        (LABELS[1], False, [LABELS[1]]),
        ([1, 3], True, [LABELS[0], LABELS[2]]),
        ("Generate again", False, ["Generate again"]),
        ([1, "Generate again"], True, [LABELS[0], "Generate again"]),
    ],
)
def test_a_default_is_a_number_on_the_page(
    page: Page, dag: DAG, defaults: Any, multiple: bool, expected: list[str] | None
) -> None:
    operator = choose(defaults=defaults, multiple=multiple, again_task_id="again")
    operator >> EmptyOperator(task_id="again")
    assert page.ask(operator)["defaults"] == expected


@pytest.mark.parametrize("defaults", [0, 5, "5", "a lamp", [1, 9], "Generate again"])
def test_a_default_that_is_not_on_the_page_is_refused(page: Page, defaults: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="not on the page, which offers"):
        page.ask(choose(defaults=defaults, multiple=True))


def test_several_defaults_of_a_single_choice_are_refused(page: Page) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="needs multiple=True"):
        page.ask(choose(defaults=[1, 2]))


def test_media_without_a_result_are_not_offered(page: Page) -> None:
    assert page.ask(choose([FAILED, image(1), MODERATED, image(2)]))["options"] == LABELS[:2]


@pytest.mark.parametrize("media", [[], "[]", [[], []], [FAILED, MODERATED]])
def test_nothing_to_choose_from_fails_or_skips(page: Page, media: Any) -> None:
    with pytest.raises(MiniMaxBadRequestError, match="Nothing to choose from"):
        page.ask(choose(media))
    with pytest.raises(AirflowSkipException, match="Nothing to choose from"):
        page.ask(choose(media, on_empty="skip"))


def test_a_wrong_constant_is_refused_when_the_dag_is_read() -> None:
    with pytest.raises(MiniMaxBadRequestError, match="on_empty"):
        choose(on_empty="return")


# The parameter `media`


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (image(1), [image(1)]),
        (FOUR, FOUR),
        ([FOUR[:2], FOUR[2:]], FOUR),
        ((image(1), [image(2), [image(3), [], image(4)]]), FOUR),
        ((item for item in FOUR), FOUR),
        (VIDEO, [VIDEO]),
        ([*FOUR, VIDEO], [*FOUR, VIDEO]),
        (repr(FOUR), FOUR),
        (f"  {FOUR!r}\n", FOUR),
        (repr([FOUR[:2], FOUR[2:]]), FOUR),
        (repr(tuple(FOUR)), FOUR),
        (repr(VIDEO), [VIDEO]),
        (json.dumps(FOUR), FOUR),
        (json.dumps(VIDEO), [VIDEO]),
        ([repr(image(1)), json.dumps(image(2)), image(3), image(4)], FOUR),
        (repr([image(1, desc='it\'s "this" [x] {y}\n')]), [image(1, desc='it\'s "this" [x] {y}\n')]),
        ([], []),
        (image(1, desc="half \ud83d"), [image(1, desc="half ?")]),
    ],
)
def test_media_are_read(given: Any, found: list[dict[str, Any]]) -> None:
    assert media_given(given) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "not None"),
        ("None", "not 'None'"),
        ("", "not ''"),
        ([None], "not None"),
        ([image(1), None], "not None"),
        ("user:1-minimax:2-image:1", "compact images or videos"),
        (["user:1-minimax:2-image:1"], "compact images or videos"),
        ({"fileID": "user:1-minimax:2-file:1"}, "neither an imageId nor a videoId"),
        ([{"imageId": None}], "neither an imageId nor a videoId"),
        ("[{'imageId': ", "is not a list of images or videos, in Python or JSON"),
        ("[image()]", "is not a list of images or videos, in Python or JSON"),
        (7, "not 7"),
        (b"[]", "not b"),
        ("x" * 9_999, "xxx…"),
    ],
)
def test_what_is_no_media_is_refused_before_anybody_is_asked(page: Page, given: Any, message: str) -> None:
    with pytest.raises(MiniMaxBadRequestError, match=message) as refused:
        page.ask(choose(given))
    assert len(str(refused.value)) < 300


# What comes of the response


def test_the_chosen_one_is_returned(page: Page) -> None:
    page.ask(choose())
    assert page.respond(choose(), LABELS[2]) == FOUR[2]


def test_several_are_returned_in_the_order_of_the_page(page: Page) -> None:
    page.ask(choose(multiple=True))
    assert page.respond(choose(multiple=True), LABELS[3], LABELS[0]) == [FOUR[0], FOUR[3]]


def test_the_fields_of_the_chosen_one_are_xcoms_of_their_own() -> None:
    assert choose().multiple_outputs is True
    assert choose(multiple=True).multiple_outputs is False
    assert choose(multiple_outputs=False).multiple_outputs is False


def test_the_choice_is_of_what_was_on_the_page(page: Page) -> None:
    page.ask(choose([image(7), image(8)]))
    # The upstream task has run again since.
    assert page.respond(choose([image(1), image(2)]), LABELS[1]) == image(8)


def test_the_default_is_taken_when_nobody_responds(page: Page) -> None:
    page.ask(choose(defaults=2))
    assert page.respond(choose(defaults=2), LABELS[1], user=None) == FOUR[1]


def test_a_timeout_without_a_default_fails(page: Page) -> None:
    page.ask(choose())
    with pytest.raises(hitl.HITLTimeoutError):
        choose().execute_complete(page.context(choose()), {"error": "too late", "error_type": "timeout"})


def test_an_option_that_was_not_offered_is_refused(page: Page) -> None:
    page.ask(choose())
    with pytest.raises(ValueError, match="not in"):
        page.respond(choose(), "5. a lamp")


def test_the_values_of_the_form_are_an_xcom(page: Page) -> None:
    page.ask(choose(params={"why": "-"}))
    page.respond(choose(params={"why": "-"}), LABELS[0], why="the light")
    assert page.xcoms["params_input"] == {"why": "the light"}


# The branch


def graph(*, in_group: bool = False, **options: Any) -> MiniMaxChooseOperator:
    """choose >> [use, keep, again >> more]."""
    operator = choose(again_task_id="again", **options)
    operator >> [EmptyOperator(task_id="use"), EmptyOperator(task_id="keep")]
    if in_group:
        with TaskGroup("again", prefix_group_id=False) as again:
            EmptyOperator(task_id="more") >> EmptyOperator(task_id="most")
    else:
        again = EmptyOperator(task_id="again")
    operator >> again
    return operator


def followed(page: Page) -> set[str]:
    return set(page.xcoms["skipmixin_key"]["followed"])


def test_generate_again_is_the_last_option_where_there_is_a_branch(page: Page, dag: DAG) -> None:
    assert page.ask(graph())["options"] == [*LABELS, "Generate again"]


@pytest.mark.parametrize("in_group", [False, True], ids=["a task", "a group of tasks"])
def test_choosing_skips_the_branch_and_keeps_the_result(page: Page, dag: DAG, in_group: bool) -> None:
    operator = graph(in_group=in_group)
    page.ask(operator)
    assert page.respond(operator, LABELS[0]) == FOUR[0]
    assert followed(page) == {"use", "keep"}


@pytest.mark.parametrize(
    ("in_group", "again"), [(False, {"again"}), (True, {"more"})], ids=["a task", "a group of tasks"]
)
def test_generating_again_skips_everything_else(page: Page, dag: DAG, in_group: bool, again: set[str]) -> None:
    operator = graph(in_group=in_group)
    page.ask(operator)
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        page.respond(operator, "Generate again")
    assert {task_id for task_id, _ in skipped.value.tasks} == {"use", "keep"}
    assert followed(page) == again


def test_of_several_choices_both_branches_may_run(page: Page, dag: DAG) -> None:
    operator = graph(multiple=True)
    page.ask(operator)
    assert page.respond(operator, LABELS[1], "Generate again") == [FOUR[1]]
    assert followed(page) == {"use", "keep", "again"}


def test_without_a_branch_nothing_is_skipped(page: Page, dag: DAG) -> None:
    operator = choose()
    operator >> EmptyOperator(task_id="use")
    page.ask(operator)
    page.respond(operator, LABELS[0])
    assert "skipmixin_key" not in page.xcoms


@pytest.mark.parametrize("again", ["", "nowhere", "choose", "later"])
def test_a_branch_that_is_not_downstream_is_refused_before_anybody_is_asked(page: Page, dag: DAG, again: str) -> None:
    operator = choose(again_task_id=again)
    operator >> EmptyOperator(task_id="use") >> EmptyOperator(task_id="later")
    with pytest.raises(MiniMaxBadRequestError, match="not directly downstream of choose"):
        page.ask(operator)
