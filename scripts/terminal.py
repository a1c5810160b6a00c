"""The output of a script on the terminal, and how it handles Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

if TYPE_CHECKING:
    from types import FrameType

#: Ctrl-C, a polite request to end, and a terminal that is closed.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def output_into(log: Path) -> Iterator[Console]:
    """Redirect all output of this process into a file; yield a console on the terminal.

    Airflow's loggers, its tasks and their libraries print in several ways; all of them pass the file
    descriptors.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace")
    errors = os.dup(sys.stderr.fileno())
    with log.open("w", encoding="utf-8") as file, terminal:
        sys.stdout.flush()
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
        try:
            yield Console(file=terminal, highlight=False)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(terminal.fileno(), sys.stdout.fileno())
            os.dup2(errors, sys.stderr.fileno())
            os.close(errors)


def on_signals(act: Callable[[int], None]) -> None:
    """Call ``act`` with the number of each signal that asks this process to end."""

    def handle(number: int, _frame: FrameType | None) -> None:
        act(number)

    for ending in ENDING_SIGNALS:
        signal.signal(ending, handle)


def leave_at_once_on_signals() -> None:
    """Exit on a signal at once, while this process has no children.

    Not by an exception: inside a task it would count as the failure of that task.
    """
    terminal = os.dup(sys.stdout.fileno())

    def leave(number: int) -> NoReturn:
        show_cursor = "\x1b[?25h" if os.isatty(terminal) else ""
        os.write(terminal, f"{show_cursor}\nStopped.\n".encode())
        os._exit(128 + number)

    on_signals(leave)
