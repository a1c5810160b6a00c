"""Checks that many parameters share, and the sizes of pages.

Most parameters are templates. A missing value (a key of ``conf``, an XCom) renders to nothing, or to the text ``None``:
using that would read another account, or write to a folder of that name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError

#: Images or videos per page of a walk. The service's maximum is not documented.
PAGE_SIZE: Final = 100
#: The documented default of ``limit``, which the service always accepts.
SAFE_PAGE_SIZE: Final = 30


def at_least_one(parameter: str, value: object) -> None:
    """Check a count.

    :raises MiniMaxBadRequestError: it is not an integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be an integer of at least 1, not {value!r}.")


def one_of(parameter: str, value: object, allowed: Collection[str]) -> None:
    """Check a word.

    :raises MiniMaxBadRequestError: it is not one of these.
    """
    if value not in allowed:
        raise MiniMaxBadRequestError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}.")


def optional_text(parameter: str, value: object) -> str | None:
    """Return the text of a parameter; None if it was not given.

    :param value: text, or a number, as a template rendered to a native object gives it.
    :raises MiniMaxBadRequestError: it rendered to nothing, or is not text.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MiniMaxBadRequestError(f"{parameter} takes text, not {value!r}. Nothing was sent.")
    text = str(value)
    if text.strip() in ("", "None"):
        raise missing_value_error(parameter, value)
    return text


def required_text(parameter: str, value: object) -> str:
    """Return the stripped text of a required parameter.

    :raises MiniMaxBadRequestError: it was not given, rendered to nothing, or is not text.
    """
    text = optional_text(parameter, value)
    if text is None:
        raise missing_value_error(parameter, value)
    return text.strip()


def missing_value_error(parameter: str, value: object) -> MiniMaxBadRequestError:
    """Return the error for a parameter whose template names a missing value."""
    return MiniMaxBadRequestError(
        f"{parameter} was rendered to {value!r}: what its template names is missing. Nothing was sent."
    )
