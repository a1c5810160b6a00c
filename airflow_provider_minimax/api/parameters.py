"""What parameters have in common, whoever takes them: sizes of pages, and what is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError

#: Images (or videos) a page that a walk asks for. The service's cap is not documented.
PAGE_SIZE: Final = 100
#: The documented default of ``limit``: accepted under every reading.
SAFE_PAGE_SIZE: Final = 30


def at_least_one(parameter: str, value: object) -> None:
    """Check a number of things.

    :raises MiniMaxBadRequestError: it is not an integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be an integer of at least 1, not {value!r}.")


def one_of(parameter: str, value: object, allowed: Collection[str]) -> None:
    """Check a word.

    :raises MiniMaxBadRequestError: it is none of these.
    """
    if value not in allowed:
        raise MiniMaxBadRequestError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}.")
