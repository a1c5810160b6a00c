"""Checks that many parameters share, and the sizes of pages.

Most parameters are templates. A missing value (a key of ``conf``, an XCom) renders to nothing, or to the text ``None``:
using that would read another account, or write to a folder of that name.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeGuard, get_args

from airflow_provider_minimax.api.errors import MiniMaxBadRequestError, MiniMaxError
from airflow_provider_minimax.compat import AirflowSkipException

#: Images or videos per page of a walk. The service's maximum is not documented.
PAGE_SIZE: Final = 100
#: The documented default of ``limit``, which the service always accepts.
SAFE_PAGE_SIZE: Final = 30
#: What an empty list may mean to a task.
OnEmpty = Literal["return", "skip", "fail"]
ON_EMPTY: Final = get_args(OnEmpty)
#: Characters of a wrong value that an error shows.
_MAX_QUOTED: Final = 200
#: How the text of a list, a tuple or a dict begins. Two braces begin a template that nobody has rendered.
_LITERAL: Final = re.compile(r"\s*([\[(]|\{(?!\{))")


def at_least_one(parameter: str, value: object) -> None:
    """Check a count.

    :raises MiniMaxBadRequestError: it is not an integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MiniMaxBadRequestError(f"{parameter} must be an integer of at least 1, not {value!r}.")


def whole_number(parameter: str, value: object) -> int | None:
    """Return the whole number of a parameter; None if it was not given.

    :param value: a number, or its text, as a template renders it; 5.0 is 5.
    :raises MiniMaxBadRequestError: it rendered to nothing, or is no whole number.
    """
    text = str(value) if isinstance(value, bool) else optional_text(parameter, value)
    if text is None:
        return None
    try:
        number = float(text)
        if number.is_integer():
            return int(number)
    except ValueError:
        pass
    raise MiniMaxBadRequestError(f"{parameter} takes a whole number, not {value!r}. Nothing was sent.")


def optional_count(parameter: str, value: object) -> int | None:
    """Return the count that a parameter rendered to; None if it was not given.

    :raises MiniMaxBadRequestError: it rendered to nothing, or is not a whole number of at least 1.
    """
    count = whole_number(parameter, value)
    if count is not None:
        at_least_one(parameter, count)
    return count


def one_of(parameter: str, value: object, allowed: Collection[str]) -> None:
    """Check a word.

    :raises MiniMaxBadRequestError: it is not one of these.
    """
    if value not in allowed:
        raise MiniMaxBadRequestError(f"{parameter} must be one of {', '.join(allowed)}, not {value!r}.")


def empty_result(on_empty: OnEmpty, message: str, error: MiniMaxError | None = None) -> list[Any]:
    """Return the result of a task that has nothing to work on, if it is to have one.

    :param error: fails the task; by default a bad request with the message.
    :raises AirflowSkipException: ``on_empty`` is ``"skip"``.
    :raises MiniMaxError: ``on_empty`` is ``"fail"``.
    """
    if on_empty == "skip":
        raise AirflowSkipException(message)
    if on_empty == "fail":
        raise error or MiniMaxBadRequestError(message)
    return []


def optional_text(parameter: str, value: object) -> str | None:
    """Return the text of a parameter; None if it was not given.

    :param value: text, or a number, as a template rendered to a native object gives it.
    :raises MiniMaxBadRequestError: it rendered to nothing, or is not text.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MiniMaxBadRequestError(f"{parameter} takes text, not {quoted(value)}. Nothing was sent.")
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


def read_literal(parameter: str, value: object, wanted: str) -> object:
    """Return the list or dict that a rendered text holds, in Python or JSON; any other value as it is.

    :param wanted: what the parameter takes, for the error.
    :raises MiniMaxBadRequestError: text that begins like a list or a dict, and is neither.
    """
    if not isinstance(value, str) or not _LITERAL.match(value):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise MiniMaxBadRequestError(f"{parameter}: {quoted(value)} is not {wanted}. Nothing was sent.")


def is_list(value: object) -> TypeGuard[Iterable[object]]:
    """Return whether a value is a list, or like one: a tuple, a set, or Airflow's sequence of the results of a task."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def members(value: Iterable[object]) -> Iterable[object]:
    """Return the members of a list. Airflow's lazy sequence reads a slice in one request, and one by one in many."""
    return value[:] if isinstance(value, Sequence) else value


def quoted(value: object, max_chars: int = _MAX_QUOTED) -> str:
    """Return a wrong value for an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= max_chars else f"{text[:max_chars]}..."


def missing_value_error(parameter: str, value: object) -> MiniMaxBadRequestError:
    """Return the error for a parameter whose template names a missing value."""
    return MiniMaxBadRequestError(
        f"{parameter} was rendered to {quoted(value)}: what its template names is missing. Nothing was sent."
    )
