"""Refused requests in a round: does the error concern one id or all, and when is the id requested again?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxUpstreamError

#: Refused requests in a row that end a round.
MAX_REFUSED_IN_A_ROW: Final = 3
#: Status codes that do not depend on the id: the token is refused; too many requests.
_CONCERN_ALL: Final = frozenset({401, 429})
#: An id that was refused once is requested in every second round, after that in every fourth.
_ROUNDS_BETWEEN: Final = (1, 2, 4)


def round_failure(errors: Sequence[MiniMaxError]) -> MiniMaxError | None:
    """Return the failure that ends a round; None when the next id may succeed.

    Only a 401 is final for ids that were not requested. Any other refusal is final for its own id at most, however
    many ids are refused in the same way.

    :param errors: of the requests that were refused in a row, the last one last.
    """
    last = errors[-1]
    if last.status in _CONCERN_ALL or _has_no_response(last):
        return last
    if len(errors) < MAX_REFUSED_IN_A_ROW:
        return None
    return MiniMaxUpstreamError(
        f"{len(errors)} requests in a row were refused; this round sends no more. The last error: {last}",
        status=last.status,
        retry_after=last.retry_after,
    )


def errors_to_carry(errors: Sequence[MiniMaxError], failure: MiniMaxError | None) -> list[MiniMaxError]:
    """Return the errors that count in the next round as well: after many in a row, one more ends it.

    :param failure: what ended the round.
    """
    return list(errors[1 - MAX_REFUSED_IN_A_ROW :]) if failure is not None and failure not in errors else []


def is_due(round_number: int, refusals: int) -> bool:
    """Return whether a round requests something that earlier rounds were refused.

    :param round_number: counted from 1.
    :param refusals: in a row, of this id or list.
    """
    return round_number % _ROUNDS_BETWEEN[min(refusals, len(_ROUNDS_BETWEEN) - 1)] == 0


def _has_no_response(error: MiniMaxError) -> bool:
    return isinstance(error, MiniMaxUpstreamError) and error.status is None
