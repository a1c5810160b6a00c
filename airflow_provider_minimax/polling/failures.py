"""Errors in a poll that do not come from the service: which may pass, and which are bugs."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.compat import AirflowException

#: What Python raises for wrong code. The errors of a library (a secrets backend's, say) derive from none of these,
#: with few exceptions, and may pass; so may those of the machine (``OSError``, a thread that cannot start).
_BUGS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    StopAsyncIteration,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
)
_ISSUES_URL: Final = "https://github.com/airflow-provider-minimax/airflow-provider-minimax/issues"


def is_worth_logging(failures: int) -> bool:
    """Return whether to log a failure that may go on for days: the first in a row, the second, the fourth and so on."""
    return failures & (failures - 1) == 0


def is_bug(error: BaseException) -> bool:
    """Return whether an error comes from wrong code, so that every further round would meet it again."""
    return isinstance(error, _BUGS) and not isinstance(error, AirflowException | OSError)


def to_wait_error(error: BaseException) -> MiniMaxUpstreamError:
    """Return the error of a wait that an error outside the service ends."""
    what = f"{type(error).__name__}: {error}"
    if not is_bug(error):
        return MiniMaxUpstreamError(f"The poll failed with {what}. A retry waits again.")
    return MiniMaxUpstreamError(
        f"This is a bug of the provider, not of the service: {what}{_location(error)}. The wait has ended. "
        f"Please report it with the traceback from the log: {_ISSUES_URL}. The jobs continue; a retry waits again, and "
        "meets the bug again until the provider, or what it works with, has another version."
    )


def _location(error: BaseException) -> str:
    """Return the line that raised an error: the log with the traceback may be another task's."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name})" if frames else ""
