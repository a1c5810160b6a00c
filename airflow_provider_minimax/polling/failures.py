"""What an error means to a poll: for one id or all of a round, worth a retry or a bug."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxUpstreamError
from airflow_provider_minimax.compat import AirflowException

#: Refused requests in a row that end a round.
MAX_REFUSED_IN_A_ROW: Final = 3
#: Status codes that do not depend on the id: the token is refused; too many requests.
_CONCERN_ALL: Final = frozenset({401, 429})
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


def round_failure(errors: Sequence[MiniMaxError]) -> MiniMaxError | None:
    """Return the failure that ends a round; None when the next id may succeed.

    Only a 401 is final for ids that were not requested. Any other refusal is final for its own id at most, however
    many ids are refused in the same way.

    :param errors: of the requests that were refused in a row, the last one last.
    """
    last = errors[-1]
    has_no_response = isinstance(last, MiniMaxUpstreamError) and last.status is None
    if last.status in _CONCERN_ALL or has_no_response:
        return last
    if len(errors) < MAX_REFUSED_IN_A_ROW:
        return None
    return MiniMaxUpstreamError(
        f"{len(errors)} requests in a row were refused; this round sends no more. The last error: {last}",
        status=last.status,
        retry_after=last.retry_after,
    )


def errors_to_carry(errors: Sequence[MiniMaxError], failure: MiniMaxError | None) -> list[MiniMaxError]:
    """Return the errors that count in the round after a failed one as well: after many in a row, one more ends it."""
    return list(errors[1 - MAX_REFUSED_IN_A_ROW :]) if failure is not None and failure not in errors else []


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
