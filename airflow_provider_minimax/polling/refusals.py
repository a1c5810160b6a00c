"""What an error in the middle of a round means: a response to the one id that was asked for, or to whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxError, MiniMaxUpstreamError

#: Refusals in a row after which no more requests are sent in a round.
MOST_IN_A_ROW: Final = 3
#: Responses that have nothing to do with the id: the token is refused; there are too many requests.
_TO_EVERYBODY: Final = frozenset({401, 429})
#: What was refused once is asked for in every second round, after that in every fourth.
_EVERY: Final = (1, 2, 4)


def end_of_round(refusals: Sequence[MiniMaxError]) -> MiniMaxError | None:
    """Return the failure that breaks a round off; None where the next id may fare better.

    Only a 401 is final for ids that were not asked for. Any other response to an id is one to that id alone, however
    final it is there, and however many get the same.

    :param refusals: those in a row, the last one last.
    """
    last = refusals[-1]
    if last.status in _TO_EVERYBODY or _is_without_response(last):
        return last
    if len(refusals) < MOST_IN_A_ROW:
        return None
    return MiniMaxUpstreamError(
        f"{len(refusals)} requests in a row were refused, and no more were sent. The last: {last}",
        status=last.status,
        retry_after=last.retry_after,
    )


def carried_over(refusals: Sequence[MiniMaxError], failure: MiniMaxError | None) -> list[MiniMaxError]:
    """Return the refusals that count in the next round as well: after many in a row, one more is enough there.

    :param failure: what the round has ended with.
    """
    return list(refusals[1 - MOST_IN_A_ROW :]) if failure is not None and failure not in refusals else []


def is_due(number: int, refusals: int) -> bool:
    """Tell whether something that was refused in earlier rounds is asked for in this one.

    :param number: of the round, counted from 1.
    :param refusals: in a row, of it alone.
    """
    return number % _EVERY[min(refusals, len(_EVERY) - 1)] == 0


def _is_without_response(error: MiniMaxError) -> bool:
    return isinstance(error, MiniMaxUpstreamError) and error.status is None
