"""Choosing the Hailuo account of a job when the task names none. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from airflow_provider_minimax.api import errors
from airflow_provider_minimax.api.ids import Kind

#: A task's value for "any account with room".
AUTO: Final = "auto"
#: Refusals after which another account may take the job; the one that passes soonest comes first.
TRY_NEXT_ACCOUNT: Final = (
    errors.MiniMaxCapacityError,
    errors.MiniMaxAccountOnHoldError,
    errors.MiniMaxOutOfCreditsError,
)


class Candidates(NamedTuple):
    """The accounts that may take a job.

    :param to_try: in this order.
    :param full: those that could take it if they had room.
    """

    to_try: list[str]
    full: list[str]


def healthy_accounts(accounts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the accounts of GET /accounts that useapi.net can work with."""
    return [name for name, config in accounts.items() if not config.get("error")]


def candidates(
    kind: Kind,
    accounts: Mapping[str, Mapping[str, Any]],
    available: Sequence[Mapping[str, Any]],
    max_jobs: int | None = None,
) -> Candidates:
    """Return the accounts that may take a job, the one with most room first.

    :param accounts: of GET /accounts; one with an ``error`` is left out.
    :param available: of GET /scheduler/available, which counts videos only and leaves out accounts without room.
        An image therefore may go to any account, those with room first.
    :param max_jobs: the running videos that this create allows its account. An account that is full by its own
        number may then have room after all, which only the service can tell.
    :raises MiniMaxAccountOnHoldError: all accounts are in error.
    :raises MiniMaxBadRequestError: no account can create this kind.
    """
    usable = healthy_accounts(accounts)
    if kind == "video":
        usable = [name for name in usable if accounts[name].get("supportVideo") is not False]
    in_error = [name for name, config in accounts.items() if config.get("error")]
    if not usable and in_error:
        raise errors.MiniMaxAccountOnHoldError(
            f"The accounts are in error at useapi.net ({', '.join(in_error)}). Nothing was created; a retry helps once "
            "one is set up again."
        )
    if not usable:
        raise errors.MiniMaxBadRequestError(
            f"No account at useapi.net can make {kind}s. Nothing was created, and a retry will not help."
        )
    # A listed account without a number has room.
    numbers = {str(entry.get("account")): entry.get("available") for entry in available}
    room = {name: number if isinstance(number, int) else 1 for name, number in numbers.items()}
    with_room = sorted((name for name in usable if room.get(name, 0) > 0), key=lambda name: -room[name])
    rest = [name for name in usable if name not in with_room]
    if kind == "video" and max_jobs is None:
        return Candidates(with_room, rest)
    return Candidates(with_room + rest, [])


def no_account_error(met: Sequence[errors.MiniMaxError], full: Sequence[str]) -> errors.MiniMaxError:
    """Return one error for all accounts: of the refusal that passes soonest, when a retry makes sense.

    :param met: the refusals of the accounts that were asked; of ``TRY_NEXT_ACCOUNT``.
    :param full: accounts that were not asked, for lack of room.
    """
    if full and not any(isinstance(error, errors.MiniMaxCapacityError) for error in met):
        return errors.MiniMaxCapacityError(f"No room at the moment on {', '.join(full)}. Nothing was created.")
    return min(met, key=lambda error: TRY_NEXT_ACCOUNT.index(type(error)))
