"""A wait that starts in the triggerer, before any worker has seen its task (Airflow 3.3).

This module resolves what a worker would have rendered, from structures that are private to Airflow and that no other
module touches. If it cannot, a worker starts the wait; the trigger never hangs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.triggers.base import StartTriggerArgs, TriggerEvent

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, parse_id_list
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.events import resume_on_worker
from airflow_provider_minimax.triggers.endings import may_end_in_triggerer
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger, log

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

#: The time-out of the deferral of a mapped sensor, whose own time-out is not known when Airflow reads it.
NEVER: Final = timedelta(days=3650)
#: Parameters of a sensor that may hold a template or the result of another task.
_RENDERED: Final = ("image_id", "video_id", "minimax_conn_id", "account")
#: Further parameters that scheduler and triggerer read from a mapped sensor, whose constructor never runs there.
_OPTIONS: Final = (
    *("require", "accept_statuses", "poke_interval", "timeout", "silent_fail"),
    *("start_from_trigger", "end_from_trigger"),
)


class UnresolvedError(Exception):
    """Why a parameter cannot be resolved without a worker."""


def start_args(**parameters: Any) -> StartTriggerArgs:
    """Return the trigger that Airflow starts for a sensor, without a worker.

    :param parameters: of the sensor, not rendered. The kind alone for a mapped sensor: its trigger reads the others
        from the task.
    """
    limit = NEVER
    if "timeout" in parameters:
        limit = timing.deferral_timeout(parameters["timeout"], parameters["poke_interval"])
        parameters["limit"] = limit.total_seconds()
    path = f"{MiniMaxStartedJobTrigger.__module__}.{MiniMaxStartedJobTrigger.__qualname__}"
    return StartTriggerArgs(trigger_cls=path, trigger_kwargs=parameters, next_method="execute_complete", timeout=limit)


class MiniMaxPartial(OperatorPartial):
    """A sensor to be mapped that knows its ``default_args``.

    Airflow applies those to our parameters when it constructs the task, on a worker: too late for a wait that starts
    in the triggerer.
    """

    def expand(self, **mapped: Any) -> MappedOperator:
        """Map the sensor; parameters that are neither mapped nor given get their defaults."""
        defaults, _ = get_merged_defaults(self.kwargs["dag"], self.kwargs["task_group"], None, None)
        for name in (*_RENDERED, *_OPTIONS):
            if name in defaults and name not in mapped:
                self.kwargs.setdefault(name, defaults[name])
        return super().expand(**mapped)

    @classmethod
    def of(cls, partial: OperatorPartial) -> Self:
        """Replace Airflow's own partial, which then need not be expanded."""
        partial._expand_called = True
        return cls(operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params)


class MiniMaxStartedJobTrigger(MiniMaxJobTrigger):
    """Resolves its parameters, and then waits like any other trigger of jobs.

    :param kind: the kind of the ids.
    :param image_id: the parameter of the sensor, not rendered; so are ``video_id``, ``minimax_conn_id``, ``account``.
    :param timeout: seconds from the start of the wait to its deadline.
    :param limit: seconds of the deferral's own time-out. Airflow stores when a trigger has to end, and not when it
        started; with this, the start follows from the end, also for a triggerer that takes over.
    :param options: other fields of ``WaitSpec``.
    """

    is_deferred = False
    #: Seconds to resolve all parameters. Airflow's triggerer never responds to some requests that templates make.
    resolve_within = 30.0

    def __init__(
        self,
        kind: Kind,
        image_id: Any = None,
        video_id: Any = None,
        minimax_conn_id: Any = MiniMaxHook.default_conn_name,
        account: Any = None,
        timeout: float = 0.0,
        limit: float = NEVER.total_seconds(),
        **options: Any,
    ) -> None:
        super().__init__([], 0.0, kind=kind, minimax_conn_id=minimax_conn_id, account=account, **options)
        self.image_id = image_id
        self.video_id = video_id
        self.timeout = timeout
        self.limit = limit
        self._context: Context | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters."""
        path, kwargs = super().serialize()
        for name in ("ids", "deadline", "failures", "single"):
            del kwargs[name]
        own = {"image_id": self.image_id, "video_id": self.video_id, "timeout": self.timeout, "limit": self.limit}
        return path, kwargs | own

    def shared_stream_key(self) -> None:
        """Return None: the ids are not known yet when Airflow calls it. The poll is shared all the same."""
        return

    def render_template_fields(
        self,
        context: Context,
        jinja_env: jinja2.Environment | None = None,  # noqa: ARG002 - part of the signature
    ) -> None:
        """Store the context; there is more to resolve than templates."""
        self._context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Resolve and wait; yield how the wait ended, or that a worker has to start it."""
        error = await self._try_to_resolve()
        if error is not None:
            log.warning("The triggerer cannot start this wait; a worker starts it: %s", error)
            yield TriggerEvent(resume_on_worker())
            return
        async for event in super().run():
            yield event

    async def _try_to_resolve(self) -> str | None:
        """Resolve the parameters; return why that failed, None if it did not."""
        try:
            async with asyncio.timeout(self.resolve_within):
                await self.resolve()
        except UnresolvedError as error:
            return str(error)
        except TimeoutError:
            return f"its parameters could not be resolved within {self.resolve_within:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker meets it again and reports it
            return f"{type(error).__name__}: {error}"
        return None

    async def resolve(self) -> None:
        """Replace the parameters by what a worker would have rendered.

        :raises UnresolvedError: a worker has to do that.
        """
        given = {
            "image_id": self.image_id,
            "video_id": self.video_id,
            "minimax_conn_id": self.spec.minimax_conn_id,
            "account": self.spec.account,
        }
        resolved: dict[str, Any] = {}
        if (partial := getattr(self.task, "partial_kwargs", None)) is not None:
            resolved = await self._resolve_mapped()
            given |= {name: partial[name] for name in _RENDERED if name in partial}
            self._take_options(partial)
        for name, value in given.items():
            if name not in resolved:
                resolved[name] = await self._resolve_value(value)
        id_name = f"{self.spec.kind}_id"
        try:
            ids, single = parse_id_list(resolved[id_name], id_name, self.spec.kind)
            self.spec = replace(
                self.spec,
                ids=tuple(ids),
                single=single,
                minimax_conn_id=resolved["minimax_conn_id"],
                account=resolved["account"],
                deadline=self._started_at() + self.timeout,
            ).checked()
        except MiniMaxBadRequestError as error:
            # The worker resolves it in its own way, and reports what is wrong if it is.
            raise UnresolvedError(str(error)) from None

    def _take_options(self, partial: Mapping[str, Any]) -> None:
        """Take from a mapped task what its constructor would have passed on."""
        defaults = timing.DEFAULTS[self.spec.kind]
        self.timeout = timing.seconds("timeout", partial.get("timeout"), defaults.timeout)
        interval = timing.seconds("poke_interval", partial.get("poke_interval"), defaults.interval)
        self.spec = replace(
            self.spec,
            require=partial.get("require", self.spec.require),
            accept_statuses=tuple(sorted(partial.get("accept_statuses", ()))),
            poke_interval=timing.at_least_minimum(interval),
            silent_fail=bool(partial.get("silent_fail", False)),
            end_in_triggerer=bool(partial.get("end_from_trigger", False)) and may_end_in_triggerer(partial),
        )

    async def _resolve_mapped(self) -> dict[str, Any]:
        """Return the parameter that this task instance is mapped over, as a worker would get it."""
        expanded = getattr(getattr(self.task, "expand_input", None), "value", None)
        if not isinstance(expanded, Mapping) or len(expanded) != 1:
            raise UnresolvedError("it is mapped over more than its id")
        ((name, values),) = expanded.items()
        if name not in _RENDERED:
            raise UnresolvedError(f"it is mapped over {name}")
        reference = _xcom_reference(values)
        if reference is not None:
            values = await self._pull(*reference)
        index = self.task_instance.map_index if self.task_instance else None
        if not isinstance(values, Sequence) or isinstance(values, str) or index is None or index >= len(values):
            raise UnresolvedError(f"{name} has no value for this task instance")
        # The result of another task is never a template, whatever it looks like.
        return {name: values[index] if reference else await self._resolve_value(values[index])}

    async def _resolve_value(self, given: Any) -> Any:
        """Return what a worker would get for a parameter."""
        if reference := _xcom_reference(given):
            return await self._pull(*reference)
        if isinstance(given, list):
            return [await self._resolve_value(one) for one in given]
        if isinstance(given, str) and "{" in given and self._context is not None:
            return self._render_text(given, self._context)
        return given

    async def _pull(self, task_id: str, key: str) -> Any:
        ti = self.task_instance
        return await ti.axcom_pull(task_ids=task_id, key=key, map_indexes=None) if ti else None

    def _render_text(self, template: str, context: Context) -> Any:
        import jinja2

        ti = _SingleValueTaskInstance(context["ti"])
        patched: Any = {**context, "ti": ti, "task_instance": ti}
        environment = self.get_template_env()
        # As on a worker. What the DAG adds (macros, say) is missing here, and must not render to an empty text.
        environment.undefined = jinja2.StrictUndefined
        return self.render_template(template, patched, environment)

    def _started_at(self) -> float:
        """Return when the wait started, in seconds since the epoch; restarts do not change it."""
        ends_by: datetime | None = getattr(self, "timeout_after", None)
        if ends_by is None:
            return time.time()
        if ends_by.tzinfo is None:
            ends_by = ends_by.replace(tzinfo=UTC)
        # Airflow passes the shorter of the two to the trigger.
        limit: timedelta | None = getattr(self.task, "execution_timeout", None)
        return ends_by.timestamp() - min(self.limit, limit.total_seconds() if limit else self.limit)


class _SingleValueTaskInstance:
    """A task instance for templates, whose ``xcom_pull`` requests one value.

    For all map indexes, which is the default, Airflow's triggerer cannot decode the response, and hangs.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)

    def xcom_pull(self, *args: Any, **kwargs: Any) -> Any:
        return self._ti.xcom_pull(*args, **{"map_indexes": -1, **kwargs})


def _xcom_reference(given: Any) -> tuple[str, str] | None:
    """Return task and key if a parameter is the plain result of another task.

    :raises UnresolvedError: it is computed from such results (``map``, ``zip``, ``concat``).
    """
    data = getattr(given, "data", None)
    if isinstance(data, dict):
        if not data.keys() <= {"task_id", "key"}:
            raise UnresolvedError("it is computed from the results of other tasks")
        return str(data["task_id"]), str(data.get("key", "return_value"))
    operator, key = getattr(given, "operator", None), getattr(given, "key", None)
    if operator is not None and isinstance(key, str):
        return str(operator.task_id), key
    if hasattr(given, "iter_references"):
        raise UnresolvedError("it is computed from the results of other tasks")
    return None
