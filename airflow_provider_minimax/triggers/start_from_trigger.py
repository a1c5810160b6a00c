"""A wait that begins in the triggerer, before any worker has seen its task (Airflow 3.3).

What a worker would have rendered is resolved here, from shapes that are private to Airflow: they are all in this
module. What cannot be resolved is left to one worker start, never to a hang.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.triggers.base import StartTriggerArgs, TriggerEvent

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError
from airflow_provider_minimax.api.ids import Kind, ids_given
from airflow_provider_minimax.hooks.minimax import MiniMaxHook
from airflow_provider_minimax.polling import timing
from airflow_provider_minimax.polling.events import left_to_a_worker
from airflow_provider_minimax.polling.poller import WaitFor
from airflow_provider_minimax.triggers.endings import may_end_here
from airflow_provider_minimax.triggers.jobs import MiniMaxJobTrigger, log

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

#: The time-out that Airflow is told for a mapped sensor, whose own one is not known when it asks.
_NEVER: Final = timedelta(days=3650)
#: Seconds in which everything that a wait needs has to be resolved. Airflow's triggerer leaves some questions of
#: templates unanswered.
_RESOLVED_WITHIN: Final = 30.0
#: Parameters of a sensor that may hold a template or the result of another task.
_RENDERED: Final = ("image_id", "video_id", "minimax_conn_id", "account")
#: Further parameters that scheduler and triggerer read of a mapped sensor, which nobody constructs there.
_OPTIONS: Final = (
    *("require", "accept_statuses", "poke_interval", "timeout", "silent_fail"),
    *("start_from_trigger", "end_from_trigger"),
)


class _UnresolvedError(Exception):
    """Why a parameter cannot be resolved without a worker."""


def start_args(**parameters: Any) -> StartTriggerArgs:
    """Return what a sensor tells Airflow to start in the triggerer.

    :param parameters: of the sensor, as they were given. Its kind alone for a mapped sensor, whose parameters the
        trigger finds at the task.
    """
    limit = _NEVER
    if "timeout" in parameters:
        limit = timing.backstop(parameters["timeout"], parameters["poke_interval"])
        parameters["limit"] = limit.total_seconds()
    path = f"{MiniMaxStartedJobTrigger.__module__}.{MiniMaxStartedJobTrigger.__qualname__}"
    return StartTriggerArgs(trigger_cls=path, trigger_kwargs=parameters, next_method="execute_complete", timeout=limit)


class MiniMaxPartial(OperatorPartial):
    """A sensor that is to be mapped, and knows its ``default_args``.

    Airflow applies those to our parameters where a task is constructed, which is on a worker: too late for one that
    begins in the triggerer.
    """

    def expand(self, **mapped: Any) -> MappedOperator:
        """Map, with the defaults of what is neither mapped nor given."""
        defaults, _ = get_merged_defaults(self.kwargs["dag"], self.kwargs["task_group"], None, None)
        for name in (*_RENDERED, *_OPTIONS):
            if name in defaults and name not in mapped:
                self.kwargs.setdefault(name, defaults[name])
        return super().expand(**mapped)

    @classmethod
    def of(cls, partial: OperatorPartial) -> Self:
        """Take the place of Airflow's own, which then need not be mapped."""
        partial._expand_called = True
        return cls(operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params)


class MiniMaxStartedJobTrigger(MiniMaxJobTrigger):
    """Resolves what it waits for, and then waits like any other.

    :param kind: the kind of the ids.
    :param image_id: as the sensor was given it; so are the other parameters.
    :param limit: seconds that Airflow was told as the trigger's own time-out. It stores when a trigger has to end, and
        not when it began; with this, the one tells the other, also to a triggerer that takes over.
    """

    def __init__(
        self,
        kind: Kind,
        image_id: Any = None,
        video_id: Any = None,
        minimax_conn_id: Any = MiniMaxHook.default_conn_name,
        account: Any = None,
        timeout: float = 0.0,
        limit: float = _NEVER.total_seconds(),
        **options: Any,
    ) -> None:
        super().__init__([], 0.0, kind, minimax_conn_id=minimax_conn_id, account=account, **options)
        self.image_id = image_id
        self.video_id = video_id
        self.timeout = timeout
        self.limit = limit
        self._context: Context | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the parameters."""
        _, kwargs = super().serialize()
        for name in ("ids", "deadline", "failures", "single"):
            del kwargs[name]
        own = {"image_id": self.image_id, "video_id": self.video_id, "timeout": self.timeout, "limit": self.limit}
        return f"{type(self).__module__}.{type(self).__qualname__}", {**kwargs, **own}

    def shared_stream_key(self) -> None:
        """Begin alone: what it waits for is not known when Airflow asks. The poll is shared all the same."""
        return

    def render_template_fields(
        self,
        context: Context,
        jinja_env: jinja2.Environment | None = None,  # noqa: ARG002 - part of the signature
    ) -> None:
        """Keep the context; there is more to resolve than templates."""
        self._context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Resolve and wait; yield how the wait ended, or that a worker has to begin it."""
        reason = await self._why_unresolved()
        if reason is not None:
            log.warning("This wait cannot begin in the triggerer, a worker begins it: %s", reason)
            yield TriggerEvent(left_to_a_worker())
            return
        async for event in super().run():
            yield event

    def _earliest(self) -> float:
        # No worker has to let go of it first.
        return 0.0

    async def _why_unresolved(self) -> str | None:
        """Resolve what this wait needs; None where that went well."""
        try:
            async with asyncio.timeout(_RESOLVED_WITHIN):
                await self._resolve()
        except _UnresolvedError as error:
            return str(error)
        except TimeoutError:
            return f"what it needs was not to be had within {_RESOLVED_WITHIN:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker meets it again and reports it
            return f"{type(error).__name__}: {error}"
        return None

    async def _resolve(self) -> None:
        given = {name: getattr(self, name) for name in _RENDERED}
        mapped: dict[str, Any] = {}
        if (partial := getattr(self.task, "partial_kwargs", None)) is not None:
            mapped = await self._mapped()
            given |= {name: partial[name] for name in _RENDERED if name in partial}
            self._take_options(partial)
        for name, value in given.items():
            setattr(self, name, mapped[name] if name in mapped else await self._value(value))
        name = f"{self.kind}_id"
        try:
            self.ids, self.single = ids_given(getattr(self, name), name)
            WaitFor.check(self.ids, kind=self.kind, account=self.account)
        except MiniMaxBadRequestError as error:
            # The worker resolves it in its own way, and says what is wrong if it is.
            raise _UnresolvedError(str(error)) from None
        self.deadline = self._begun() + self.timeout

    def _take_options(self, partial: Mapping[str, Any]) -> None:
        """Take from a mapped task what its constructor would have passed on."""
        defaults = timing.DEFAULTS[self.kind]
        self.require = partial.get("require", self.require)
        self.accept_statuses = tuple(sorted(partial.get("accept_statuses", ())))
        self.poke_interval = timing.floor(_seconds(partial.get("poke_interval"), defaults.interval))
        self.timeout = _seconds(partial.get("timeout"), defaults.timeout)
        self.silent = bool(partial.get("silent_fail", False))
        self.ends = bool(partial.get("end_from_trigger", False)) and may_end_here(partial)

    async def _mapped(self) -> dict[str, Any]:
        """Return the parameter that this task instance is mapped over, as a worker would get it."""
        expanded = getattr(getattr(self.task, "expand_input", None), "value", None)
        if not isinstance(expanded, Mapping) or len(expanded) != 1:
            raise _UnresolvedError("it is mapped over more than its id")
        ((name, values),) = expanded.items()
        if name not in _RENDERED:
            raise _UnresolvedError(f"it is mapped over {name}")
        reference = _xcom_reference(values)
        if reference is not None:
            values = await self._pull(*reference)
        index = self.task_instance.map_index if self.task_instance else None
        if not isinstance(values, Sequence) or isinstance(values, str) or index is None or index >= len(values):
            raise _UnresolvedError(f"no value of {name} was found for this task instance")
        # What another task has returned is no template, whatever it looks like.
        return {name: values[index] if reference else await self._value(values[index])}

    async def _value(self, given: Any) -> Any:
        """Return what a worker would get for a parameter."""
        if reference := _xcom_reference(given):
            return await self._pull(*reference)
        if isinstance(given, list):
            return [await self._value(one) for one in given]
        if isinstance(given, str) and "{" in given and self._context is not None:
            return self._rendered(given, self._context)
        return given

    async def _pull(self, task_id: str, key: str) -> Any:
        ti = self.task_instance
        return await ti.axcom_pull(task_ids=task_id, key=key, map_indexes=None) if ti else None

    def _rendered(self, template: str, context: Context) -> Any:
        import jinja2

        ti = _Puller(context["ti"])
        patched: Any = {**context, "ti": ti, "task_instance": ti}
        environment = self.get_template_env()
        # As for a worker. What the DAG adds to it (macros, say) is missing here, and must not pass for nothing.
        environment.undefined = jinja2.StrictUndefined
        return self.render_template(template, patched, environment)

    def _begun(self) -> float:
        """Return when the wait began, in seconds since the epoch; it stays the same over restarts."""
        ends_by: datetime | None = getattr(self, "timeout_after", None)
        if ends_by is None:
            return time.time()
        if ends_by.tzinfo is None:
            ends_by = ends_by.replace(tzinfo=UTC)
        # Airflow tells the trigger the shorter of the two.
        limit: timedelta | None = getattr(self.task, "execution_timeout", None)
        return ends_by.timestamp() - min(self.limit, limit.total_seconds() if limit else self.limit)


class _Puller:
    """A task instance for templates, whose ``xcom_pull`` asks for one value.

    Asked for all map indexes, which is its default, Airflow's triggerer would not get the answer decoded, and hang.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)

    def xcom_pull(self, *args: Any, **kwargs: Any) -> Any:
        return self._ti.xcom_pull(*args, **{"map_indexes": -1, **kwargs})


def _xcom_reference(given: Any) -> tuple[str, str] | None:
    """Return task and key, when a parameter is the plain result of another task.

    :raises _UnresolvedError: it is made from such results (``map``, ``zip``, ``concat``).
    """
    data = getattr(given, "data", None)
    if isinstance(data, dict):
        if not data.keys() <= {"task_id", "key"}:
            raise _UnresolvedError("it is computed from the results of other tasks")
        return str(data["task_id"]), str(data.get("key", "return_value"))
    operator, key = getattr(given, "operator", None), getattr(given, "key", None)
    if operator is not None and isinstance(key, str):
        return str(operator.task_id), key
    if hasattr(given, "iter_references"):
        raise _UnresolvedError("it is computed from the results of other tasks")
    return None


def _seconds(value: Any, default: float) -> float:
    if value is None:
        return default
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
