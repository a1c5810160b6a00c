"""What an error in the middle of a round means: an answer to the one id that was asked for, or to whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxAuthError, MiniMaxError, MiniMaxUpstreamError

#: Refusals in a row after which they are taken for the service's answer to everybody.
MOST_IN_A_ROW: Final = 3
#: Answers that have nothing to do with the id: token, subscription, a full queue, the account on hold.
_TO_EVERYBODY: Final = frozenset({401, 402, 429, 596})
#: What was refused once is asked for in every second round, after that in every fourth.
_EVERY: Final = (1, 2, 4)


def end_of_round(refusals: Sequence[MiniMaxError]) -> MiniMaxError | None:
    """Return the failure that breaks a round off; None where the next id may fare better.

    :param refusals: those in a row, the last one last.
    """
    last = refusals[-1]
    if last.status in _TO_EVERYBODY or _is_without_answer(last):
        return last
    if len(refusals) < MOST_IN_A_ROW:
        return None
    if all(isinstance(refusal, MiniMaxAuthError) for refusal in refusals):
        return last
    # Whoever was not asked for has no answer of his own in it, however final those of the others are.
    return MiniMaxUpstreamError(
        f"{len(refusals)} requests in a row were refused, and no more were sent. The last: {last}",
        status=last.status,
        retry_after=last.retry_after,
    )


def is_due(number: int, refusals: int) -> bool:
    """Tell whether something that was refused in earlier rounds is asked for in this one.

    :param number: of the round, counted from 1.
    :param refusals: in a row, of it alone.
    """
    return number % _EVERY[min(refusals, len(_EVERY) - 1)] == 0


def _is_without_answer(error: MiniMaxError) -> bool:
    return isinstance(error, MiniMaxUpstreamError) and error.status is None
