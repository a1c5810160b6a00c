"""Errors in a poll that are not the service's: which may pass, and which are bugs."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxUpstreamError
from airflow_provider_minimax.compat import AirflowException

#: What Python raises for code that is wrong. A library's own errors (a secrets backend's, say) derive from none of
#: these, with few exceptions, and may pass; so do those of the machine (``OSError``, a thread that cannot be started).
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
_ISSUES: Final = "https://github.com/airflow-provider-minimax/airflow-provider-minimax/issues"


def is_bug(error: BaseException) -> bool:
    """Tell whether an error comes from code that is wrong, which no further round can mend."""
    return isinstance(error, _BUGS) and not isinstance(error, AirflowException | OSError)


def report(error: BaseException) -> MiniMaxUpstreamError:
    """Return what an error that is not the service's is to a wait that it ends."""
    what = f"{type(error).__name__}: {error}"
    if not is_bug(error):
        return MiniMaxUpstreamError(f"The poll met {what}. A retry waits again.")
    return MiniMaxUpstreamError(
        f"This is a bug of the provider, not of the service: {what}{_place(error)}. The wait has ended. "
        f"Please report it with the traceback from the log: {_ISSUES}. The jobs go on; a retry waits again, and meets "
        "the bug again until the provider, or what it works with, has another version."
    )


def _place(error: BaseException) -> str:
    """Return the line that raised an error: a log with the traceback may be another task's."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name})" if frames else ""
