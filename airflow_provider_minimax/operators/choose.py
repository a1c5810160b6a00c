"""The operator that lets a person choose among images or videos, on Airflow's own pages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack

from airflow.providers.standard.operators.hitl import HITLBranchOperator, HITLOperator

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.jobs import FAILED, MODERATED, status_label
from airflow_provider_minimax.api.serialization import to_plain_json
from airflow_provider_minimax.api.validation import empty_result, is_list, members, one_of, read_literal
from airflow_provider_minimax.compat import DownstreamTasksSkipped
from airflow_provider_minimax.links import MiniMaxMediaLink, first_url
from airflow_provider_minimax.operators import choice_page

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Context
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    from airflow_provider_minimax.arguments import ChooseArguments, Ids, Templated

#: The option that generates again.
AGAIN: Final = "Generate again"
#: The XCom that holds what was offered.
OFFERED: Final = "offered"

_ON_EMPTY: Final = ("fail", "skip")
#: In older releases of the standard provider the time-out of the task is the one of the response.
_HAS_RESPONSE_TIMEOUT: Final = "response_timeout" in inspect.signature(HITLOperator.__init__).parameters


class MiniMaxChooseOperator(HITLBranchOperator):
    """Shows images or videos on Airflow's page *Required Actions* and waits until a person has chosen.

    It is Airflow's ``HITLOperator``, with pictures. While it waits it holds no worker; on Airflow 3.3 no triggerer
    either. The browser of whoever chooses loads the pictures straight from the addresses that the service gave.

    Media that failed or were moderated are not offered. What was offered is kept in the XCom ``offered``, so a choice
    means what was on the page, even if an upstream task has run again since.

    :param media: compact images or videos as an XCom of a create or a list operator: one, a list, a list of lists
        (of mapped tasks), or the text of these, in Python or JSON. Templated.
    :param subject: the question, one line of plain text. Templated.
    :param multiple: take one or several, instead of exactly one.
    :param body: Markdown shown above the pictures. Templated; what you template into it is read as Markdown.
    :param again_task_id: a task, or task group, directly downstream. Adds the option *Generate again*, which runs
        this branch; choosing media runs the other tasks downstream. With ``multiple``, both can be chosen.
    :param defaults: what is taken when ``response_timeout`` passes: the number of an image or video as on the page,
        from 1; a list of numbers; or ``"Generate again"``. Without it the task fails then.
    :param response_timeout: time to wait for a response; None waits without end.
    :param on_empty: what it means when there is nothing to choose from: ``"fail"`` or ``"skip"`` the task.
    :param kwargs: everything else that ``HITLOperator`` takes: ``assigned_users``, ``notifiers``, ``params`` (fields of
        a form, whose values go into the XCom ``params_input``).
    :return: (XCom) the chosen compact image or video, its fields also one by one, so ``choose.output["fileID"]`` can
        be a ``file_id``; a list with ``multiple``. Nothing when only *Generate again* was chosen.
    :raises MiniMaxBadRequestError: ``media``, ``defaults`` or ``again_task_id`` cannot be right, or nothing can be
        chosen. Nobody was asked.
    """

    AGAIN = AGAIN

    template_fields: Sequence[str] = ("media", *HITLOperator.template_fields)
    operator_extra_links = (MiniMaxMediaLink(),)
    ui_color = "#f2e6ff"
    #: Of the first chosen image or video, for the link.
    media_url: str | None = None

    def __init__(
        self,
        *,
        media: Ids,
        subject: Templated[str] = "Which one?",
        multiple: bool = False,
        body: Templated[str | None] = None,
        again_task_id: str | None = None,
        defaults: int | str | Sequence[int | str] | None = None,
        response_timeout: timedelta | None = None,
        on_empty: Literal["fail", "skip"] = "fail",
        **kwargs: Unpack[ChooseArguments],
    ) -> None:
        passed: dict[str, Any] = {"multiple_outputs": not multiple, **kwargs}
        if response_timeout is not None:
            passed["response_timeout" if _HAS_RESPONSE_TIMEOUT else "execution_timeout"] = response_timeout
        # The options are known when the media are; Airflow wants one before.
        super().__init__(subject=subject, body=body, options=[AGAIN], multiple=multiple, **passed)
        one_of("on_empty", on_empty, _ON_EMPTY)
        self.media = media
        self.again_task_id = again_task_id
        self.default_choice = defaults
        self.on_empty = on_empty

    if TYPE_CHECKING:

        @property
        def output(self) -> PlainXComArg:
            """The chosen media, or one of its fields: ``choose.output["fileID"]``."""

    def execute(self, context: Context) -> Any:
        """Ask, and wait without a worker."""
        given = media_given(self.media)
        media = [item for item in given if status_label(item) not in (FAILED, MODERATED)]
        if not media:
            why = "all failed or were moderated" if given else "media is an empty list"
            empty_result(self.on_empty, f"Nothing to choose from: {why}.")
        if left_out := len(given) - len(media):
            self.log.warning("%d of %d failed or were moderated; they are not offered.", left_out, len(given))
        self._check_branch()
        self._write_page(media)
        context["ti"].xcom_push(key=OFFERED, value=media)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return what was chosen, and skip the branch that was not."""
        ti = context["ti"]
        media = ti.xcom_pull(task_ids=self.task_id, key=OFFERED, map_indexes=ti.map_index)
        self._write_page(media)
        # Not that of our base, which would take the options for ids of tasks.
        response = HITLOperator.execute_complete(self, context, event)
        labels = response["chosen_options"]
        chosen = [item for item, option in zip(media, choice_page.options(media), strict=True) if option in labels]
        self.media_url = first_url(item.get("url") for item in chosen)
        user = response["responded_by_user"]
        who = user["name"] if user else "Nobody responded in time; the default"
        self.log.info("%s chose %s.", who, "; ".join(labels))
        if self.params:
            ti.xcom_push(key="params_input", value=response["params_input"])
        self._branch(context, has_choice=bool(chosen), again=AGAIN in labels)
        return chosen if self.multiple else next(iter(chosen), None)

    def _write_page(self, media: Sequence[Mapping[str, Any]]) -> None:
        self.subject = choice_page.one_line(self.subject, choice_page.MAX_PROMPT)
        self.body = choice_page.body(media, self.body)
        self.options = choice_page.options(media) + ([AGAIN] if self.again_task_id else [])
        self.defaults = self._default_options()

    def _default_options(self) -> list[str] | None:
        if self.default_choice is None:
            return None
        given = [self.default_choice] if isinstance(self.default_choice, int | str) else self.default_choice
        by_name = {name: option for option in self.options for name in (option, option.partition(".")[0])}
        missing = [member for member in given if str(member) not in by_name]
        if missing:
            raise MiniMaxBadRequestError(
                f"defaults: {', '.join(map(repr, missing))} is not on the page, which offers {', '.join(self.options)}."
            )
        if len(given) > 1 and not self.multiple:
            raise MiniMaxBadRequestError(f"defaults={given!r} are several, which needs multiple=True.")
        return [by_name[str(member)] for member in given]

    # The branch

    def _again_tasks(self) -> set[str]:
        group = self.dag.task_group_dict.get(self.again_task_id)
        return {task.task_id for task in group.roots} if group else {str(self.again_task_id)}

    def _check_branch(self) -> None:
        if self.again_task_id is not None and not self._again_tasks() <= self.downstream_task_ids:
            raise MiniMaxBadRequestError(
                f"again_task_id={self.again_task_id!r} is not directly downstream of {self.task_id}. Downstream are: "
                f"{', '.join(sorted(self.downstream_task_ids)) or 'none'}."
            )

    def _branch(self, context: Context, *, has_choice: bool, again: bool) -> None:
        if self.again_task_id is None:
            return
        again_tasks = self._again_tasks()
        followed = (self.downstream_task_ids - again_tasks if has_choice else set()) | (again_tasks if again else set())
        if not has_choice:
            self.do_branch(context, followed)
            return
        # Airflow drops the result of a task that raises this. Its record of the branch, which it has made before,
        # is enough for the scheduler to skip the others.
        with suppress(DownstreamTasksSkipped):
            self.do_branch(context, followed)


def media_given(value: object) -> list[dict[str, Any]]:
    """Return the images and videos that the parameter ``media`` holds, flat and in order.

    :raises MiniMaxBadRequestError: it holds something else, or a template has rendered to nothing.
    """
    value = read_literal("media", value, "a list of images or videos, in Python or JSON")
    if isinstance(value, Mapping):
        if not (value.get("imageId") or value.get("videoId")):
            raise MiniMaxBadRequestError(f"media: {_shortened(value)} has neither an imageId nor a videoId.")
        return [to_plain_json(dict(value))]
    if is_list(value):
        return [item for member in members(value) for item in media_given(member)]
    raise MiniMaxBadRequestError(
        f"media takes compact images or videos, as a create or a list operator returns them, not {_shortened(value)}."
    )


def _shortened(value: object) -> str:
    return choice_page.one_line(repr(value), 100)
