"""Run a blocking function in a thread made for it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_in_own_thread(function: Callable[..., T], *args: object) -> Future[T]:
    """Run a blocking function in a thread made for it.

    The thread is a daemon, so that a request that hangs does not stop the triggerer from ending. It has the context
    of the caller, so that its log lines reach the right log.
    """
    result: Future[T] = Future()
    # It cannot be cancelled from here on. If the caller stops waiting, the result is dropped.
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            value = function(*args)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is awaited
            result.set_exception(error)
        else:
            result.set_result(value)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="minimax-poll", daemon=True).start()
    return result


async def run_in_own_thread(function: Callable[..., T], *args: object) -> T:
    """Run a blocking function in a thread made for it, and await its result."""
    return await asyncio.wrap_future(start_in_own_thread(function, *args))
