"""The base of all operators: the connection, and the stop after a kill."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Unpack

from airflow_provider_minimax.api.errors import MiniMaxError
from airflow_provider_minimax.api.validation import missing_value_error
from airflow_provider_minimax.arguments import rendered
from airflow_provider_minimax.compat import BaseOperator
from airflow_provider_minimax.hooks.minimax import MiniMaxHook

if TYPE_CHECKING:
    from airflow_provider_minimax.arguments import OperatorArguments, Templated


_KILLED: Final = "The task was killed and has stopped. A retry resumes what it left unfinished."


class _Interrupt(BaseException):
    """A kill, on its way out of whatever it interrupts. No ``Exception``: logging, for one, swallows those."""


class MiniMaxBaseOperator(BaseOperator):
    """An operator with a MiniMax connection.

    :param minimax_conn_id: the Airflow connection. Templated.
    :param account: the Hailuo account to work on; defaults to the connection's. Templated.
    """

    template_fields: Sequence[str] = ("minimax_conn_id", "account")
    ui_color = "#f2e6ff"
    #: Set by a signal handler, which may interrupt the main thread anywhere. So it is no ``threading.Event``, which
    #: has a lock. Threads read it through ``_check_stopped``.
    _killed: bool = False
    #: Whether a kill may end the task in the middle of a request or a pause.
    _is_interruptible: bool = False

    def __init__(
        self,
        *,
        minimax_conn_id: Templated[str] = MiniMaxHook.default_conn_name,
        account: Templated[str | None] = None,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.minimax_conn_id = rendered(minimax_conn_id)
        self.account = rendered(account)

    @cached_property
    def hook(self) -> MiniMaxHook:
        """The hook, created after the templates are rendered."""
        hook = MiniMaxHook(self.minimax_conn_id, self.account)
        sleep = hook.sleep

        def pause(seconds: float) -> None:
            # What a signal handler raises is lost where it meets a destructor. The kill is known nevertheless.
            self._check_stopped()
            sleep(seconds)

        hook.sleep = pause
        return hook

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        """Render, and refuse a value that became None: without it the task would read or create something else.

        :raises MiniMaxBadRequestError: a template that renders native objects, or an XCom, gave None.
        """
        fields = tuple(template_fields)
        given = {name for name in fields if getattr(parent, name, None) is not None}
        for name in given:
            # Airflow renders strings and its own paths, but no ``pathlib`` path.
            if isinstance(path := getattr(parent, name), PurePath):
                setattr(parent, name, str(path))
        super()._do_render_template_fields(parent, fields, *args, **kwargs)
        for name in fields:
            if name in given and getattr(parent, name, None) is None:
                raise missing_value_error(name, None)

    def on_kill(self) -> None:
        """Stop at once, or at the next page or piece. Airflow calls this on SIGTERM, and the task runs on."""
        self._killed = True
        if self._is_interruptible and threading.current_thread() is threading.main_thread():
            # A request that hangs would otherwise outlive the seconds that Airflow gives.
            raise _Interrupt(_KILLED)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let a kill end what runs in here wherever it is. Not for what has to be left in order."""
        self._is_interruptible = True
        try:
            yield
        except _Interrupt:
            self._check_stopped()
        finally:
            self._is_interruptible = False

    def _check_stopped(self) -> None:
        """Raise if the task was killed.

        :raises MiniMaxError: it was; a retry may do its work.
        """
        if self._killed:
            raise MiniMaxError(_KILLED)
